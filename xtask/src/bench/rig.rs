//! What all measurements share: the binaries, the sinks, a folder, and what makes the load.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::disk::Disk;
use super::load::Loader;
use crate::plain_http;
use crate::process::Process;

/// How often sinks are asked whether more is coming.
const LOOK: Duration = Duration::from_millis(5);
/// So often in a row nothing must have come, for the load to have been delivered.
const QUIET: u32 = 6;
/// How long what is left of a load may take.
const DRAIN: Duration = Duration::from_secs(60);

/// What all measurements share.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) fanway: PathBuf,
    pub(crate) baselines: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) disk: Disk,
    pub(crate) loader: Loader,
    pub(crate) sinks: [Sink; 2],
}

impl Rig {
    /// Starts two sinks.
    pub(crate) fn start(
        fanway: PathBuf,
        baselines: PathBuf,
        folder: PathBuf,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            disk: Disk::prepare(&folder)?,
            loader: Loader::find(&fanway, &folder)?,
            sinks: [Sink::start(&baselines)?, Sink::start(&baselines)?],
            fanway,
            baselines,
            folder,
        })
    }

    /// The sinks' URLs.
    pub(crate) fn urls(&self) -> [String; 2] {
        [self.sinks[0].url(), self.sinks[1].url()]
    }

    /// How many deliveries have come to each sink.
    pub(crate) fn delivered(&self) -> anyhow::Result<[u64; 2]> {
        Ok([self.sinks[0].delivered()?, self.sinks[1].delivered()?])
    }

    /// Waits until no more comes. Tells how much has come, and when the last of it did.
    pub(crate) fn wait_until_quiet(&self) -> anyhow::Result<([u64; 2], Instant)> {
        let begun = Instant::now();
        let mut last = (self.delivered()?, begun);
        let mut quiet = 0;
        while quiet < QUIET && begun.elapsed() < DRAIN {
            sleep(LOOK);
            let delivered = self.delivered()?;
            quiet += 1;
            if delivered != last.0 {
                last = (delivered, Instant::now());
                quiet = 0;
            }
        }
        Ok(last)
    }
}

/// A sink, which is a process of its own.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    _process: Process,
}

impl Sink {
    fn start(baselines: &Path) -> anyhow::Result<Self> {
        Self::of(Command::new(baselines.join("sink")))
    }

    /// One that takes everything and never answers.
    pub(crate) fn start_hanging(baselines: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(baselines.join("sink"));
        command.arg("hang");
        Self::of(command)
    }

    fn of(command: Command) -> anyhow::Result<Self> {
        let (process, address) = start_printing("sink", command)?;
        Ok(Self {
            address,
            _process: process,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many deliveries have come.
    pub(crate) fn delivered(&self) -> anyhow::Result<u64> {
        Ok(plain_http::get(self.address, "/")?.parse()?)
    }
}

/// Starts a program that prints where it listens.
pub(crate) fn start_printing(
    name: &'static str,
    mut command: Command,
) -> anyhow::Result<(Process, SocketAddr)> {
    let mut process = Process::start(name, command.stdout(Stdio::piped()))?;
    let stdout = process.child().stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().parse();
    Ok((
        process,
        address.with_context(|| format!("{name} said {line:?}"))?,
    ))
}
