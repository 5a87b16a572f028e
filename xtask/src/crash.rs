//! `cargo xtask crash`: a gateway under load, killed with SIGKILL again and again.
//!
//! What must hold at the end: each request that got a 202 was delivered to both sinks, whole and
//! with one key; what was shown as delivered wasn't sent again; each kill repeated no more
//! attempts than were in flight, and those whose outcomes were two ticks old at most; journal and
//! ledger are sound; nothing is left pending.
//!
//! - `sender`, `sink` – the load, and what it is delivered to
//! - `moment` – when to kill
//! - `book` – what was seen, and what is wrong with it
//! - `verdict` – what is checked when all is over

mod book;
mod moment;
mod request;
mod sender;
mod sink;
mod verdict;

use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Handle;

use crate::built::{self, Profile};
use crate::gateway::Gateway;
use crate::say;
use book::Book;
use moment::Moment;
use sender::Senders;
use sink::Sink;

/// The sinks, which are the targets too.
pub(crate) const SINKS: [&str; 2] = ["inventory", "shipping"];
/// Attempts that may be in flight to each.
pub(crate) const CONCURRENCY: u64 = 16;
/// Who sends at the same time.
const SENDERS: u32 = 8;
/// How long a start may take: a limit for when something hangs.
const START: Duration = Duration::from_secs(60);
/// How long the rest of the load may take at the end.
const DRAIN: Duration = Duration::from_secs(120);

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often the gateway is killed
    #[arg(long, default_value = "10")]
    rounds: u32,

    /// What this program's own choices are drawn from; without it, from the time
    #[arg(long)]
    seed: Option<u64>,

    /// Run the debug build
    #[arg(long, conflicts_with = "fanway")]
    debug: bool,

    /// Run this binary, and build none
    #[arg(long)]
    fanway: Option<PathBuf>,

    /// What repeated attempts are measured by
    #[arg(long, value_enum, default_value_t = Bound::Clock)]
    bound: Bound,
}

/// What the number of repeated attempts is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bound {
    /// Outcomes of the last two ticks before the kill
    Clock,
    /// Outcomes since the begin of the last request that got a 202: whatever the machine's pace,
    /// those before are durable with it
    Order,
}

/// Runs it, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let fanway = match &options.fanway {
        Some(fanway) => fanway.clone(),
        None if options.debug => built::fanway(Profile::Debug)?,
        None => built::fanway(Profile::Release)?,
    };
    let seed = options.seed.unwrap_or_else(seed_of_the_time);
    let name = format!("crash-{seed}-{}", std::process::id());
    let folder = built::scratch(&name)?;
    say::note(format_args!("{} kills, seed {seed}", options.rounds));

    let mut run = Run::new(fanway, folder.clone(), seed)?;
    for round in 1..=options.rounds {
        run.round(round)?;
    }
    run.finish()?;
    let held = verdict::report(&run.book, options.bound);
    if held {
        fs::remove_dir_all(&folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    say::note(format_args!("logs and data are in target/{name}"));
    Ok(ExitCode::FAILURE)
}

fn seed_of_the_time() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| time.as_secs())
}

/// A run: one data folder, two sinks, some senders, and one gateway after the other.
struct Run {
    fanway: PathBuf,
    folder: PathBuf,
    rng: StdRng,
    book: Arc<Book>,
    sinks: Vec<Sink>,
    senders: Senders,
    runtime: Background,
}

impl Run {
    fn new(fanway: PathBuf, folder: PathBuf, seed: u64) -> anyhow::Result<Self> {
        let runtime = Background::start()?;
        let mut rng = StdRng::seed_from_u64(seed);
        let book = Arc::new(Book::default());
        let sinks = (0..SINKS.len())
            .map(|index| Sink::start(index, Arc::clone(&book), rng.random(), &runtime.handle))
            .collect::<anyhow::Result<Vec<_>>>()?;
        fs::write(folder.join("fanway.yaml"), config(&folder, &sinks))?;
        let senders = Senders::start(SENDERS, &book, rng.random(), &runtime.handle);
        Ok(Self {
            fanway,
            folder,
            rng,
            book,
            sinks,
            senders,
            runtime,
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn start(&self) -> anyhow::Result<Gateway> {
        let config = self.folder.join("fanway.yaml");
        Gateway::start(&self.fanway, &config, &self.folder.join("fanway.log"))
    }

    /// Starts a gateway and kills it.
    fn round(&mut self, round: u32) -> anyhow::Result<()> {
        let moment = Moment::draw(&mut self.rng);
        let mut gateway = self.start()?;
        let begun = Instant::now();
        if !moment.is_before_ready() {
            let addresses = gateway.wait_ready(START)?;
            self.senders.send_to(Some(addresses.gateway));
        }
        moment.wait(&self.data(), &gateway_asked(&mut gateway))?;
        let lived = begun.elapsed();
        let at = Instant::now();
        gateway.process().kill();
        self.senders.send_to(None);
        self.settle()?;
        let told = self.book.killed(at, moment.name());
        // One that was killed at once has none.
        if self.data().join("journal").exists() {
            verdict::verify_journal(&self.fanway, &self.data(), &self.book)?;
        }
        let moment = moment.name();
        let lived = lived.as_millis();
        say::line(format_args!(
            "kill {round}, {moment}, after {lived} ms: {told}"
        ));
        Ok(())
    }

    /// Waits until the sinks have seen all that the killed gateway has sent.
    fn settle(&self) -> anyhow::Result<()> {
        let all = async {
            for sink in &self.sinks {
                sink.settle().await?;
            }
            Ok(())
        };
        self.runtime.handle.block_on(all)
    }

    /// Lets a last gateway deliver all that is left, stops it, and looks at what it leaves.
    fn finish(&mut self) -> anyhow::Result<()> {
        let mut gateway = self.start()?;
        let addresses = gateway.wait_ready(START)?;
        self.senders.send_to(Some(addresses.gateway));
        self.runtime.handle.block_on(self.senders.finish());
        verdict::wait_until_done(addresses.admin, DRAIN, &self.book)?;
        if let Err(error) = gateway.stop(DRAIN) {
            self.book.wrong(format!("the last stop: {error:#}"));
        }
        verdict::verify_journal(&self.fanway, &self.data(), &self.book)?;
        verdict::check_ledger(&self.fanway, &self.data(), &self.book)
    }
}

/// A runtime on a thread of its own, on which sinks and senders run until the program ends.
struct Background {
    handle: Handle,
}

impl Background {
    fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(pending::<()>()));
        Ok(Self { handle })
    }
}

/// What asks a gateway to stop, for a kill while it does.
fn gateway_asked(gateway: &mut Gateway) -> impl Fn() -> anyhow::Result<()> {
    let process = gateway.process();
    || process.ask_to_end()
}

/// Small segments and short retention, so that recycling and pruning are always at work; quick
/// retries, so that there are always some.
fn config(folder: &Path, sinks: &[Sink]) -> String {
    let targets: String = SINKS
        .iter()
        .zip(sinks)
        .map(|(name, sink)| {
            let address = sink.address();
            format!(
                "  {name}:
    url: http://{address}/
    timeout: 60s
    concurrency: {CONCURRENCY}
    retry: {{ first: 20ms, max: 200ms, attempts: 1000, give_up_after: 1h }}
    breaker: {{ consecutive: 1000, failure_ratio: 1, minimum: 1000 }}
"
            )
        })
        .collect();
    let data = folder.join("data");
    format!(
        "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, drain: 1s }}
store:
  path: {data}
  segment: 1MiB
  keep: {{ messages: 1s, history: 1s, dead: 1h }}
targets:
{targets}routes:
  orders:
    match: POST /orders
    send: [{sinks}]
",
        data = serde_json::json!(data),
        sinks = SINKS.join(", "),
    )
}
