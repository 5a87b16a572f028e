//! What every run has: a binary, a folder of its own, a seed, a runtime for sinks and senders, and
//! one gateway after the other.

use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::Handle;

use crate::built::{self, Profile};
use crate::gateway::{Addresses, Gateway};
use crate::say;

/// How long a start may take: a limit for when something hangs.
pub(crate) const START: Duration = Duration::from_secs(60);

/// What every run is told
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// What this program's own choices are drawn from; without it, from the time
    #[arg(long)]
    seed: Option<u64>,

    /// Run the debug build
    #[arg(long, conflicts_with = "fanway")]
    debug: bool,

    /// Run this binary, and build none
    #[arg(long)]
    fanway: Option<PathBuf>,
}

/// Where a run takes place.
#[derive(Debug)]
pub(crate) struct Scene {
    name: String,
    pub(crate) fanway: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) rng: StdRng,
    /// A runtime on a thread of its own, which runs until the program ends.
    pub(crate) handle: Handle,
}

impl Scene {
    /// Makes everything ready.
    pub(crate) fn set(chore: &str, choice: &Choice) -> anyhow::Result<Self> {
        let fanway = match &choice.fanway {
            Some(fanway) => fanway.clone(),
            None if choice.debug => built::fanway(Profile::Debug)?,
            None => built::fanway(Profile::Release)?,
        };
        let seed = choice.seed.unwrap_or_else(seed_of_the_time);
        let name = format!("{chore}-{seed}-{}", std::process::id());
        let folder = built::scratch(&name)?;
        say::note(format_args!("{chore}, seed {seed}"));
        Ok(Self {
            name,
            fanway,
            folder,
            rng: StdRng::seed_from_u64(seed),
            handle: background()?,
        })
    }

    /// The data folder of its gateways.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Their config.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("fanway.yaml")
    }

    /// The beginning of that, where most need no other: ports that are free, and the data folder,
    /// with `store` below it.
    pub(crate) fn head(&self, store: &str) -> String {
        let data = serde_json::json!(self.data());
        format!(
            "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 1s }}
store:
  path: {data}
{store}"
        )
    }

    /// Starts a gateway, which may not be ready.
    pub(crate) fn start(&self) -> anyhow::Result<Gateway> {
        let log = self.folder.join("fanway.log");
        Gateway::start(&self.fanway, &self.config(), &log)
    }

    /// Starts a gateway, and waits until it is ready.
    pub(crate) fn start_ready(&self) -> anyhow::Result<(Gateway, Addresses)> {
        let gateway = self.start()?;
        let addresses = gateway.wait_ready(START)?;
        Ok((gateway, addresses))
    }

    /// Leaves nothing behind where all `held`, and tells otherwise where everything is.
    pub(crate) fn clear(self, held: bool) -> anyhow::Result<ExitCode> {
        if held {
            fs::remove_dir_all(&self.folder)?;
            return Ok(ExitCode::SUCCESS);
        }
        say::note(format_args!("logs and data are in target/{}", self.name));
        Ok(ExitCode::FAILURE)
    }
}

fn seed_of_the_time() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| time.as_secs())
}

fn background() -> anyhow::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(pending::<()>()));
    Ok(handle)
}
