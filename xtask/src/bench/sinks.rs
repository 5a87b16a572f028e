//! Two sinks, which are processes of their own, and how much has come to them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::quantiles::Quantiles;
use crate::plain_http;
use crate::process::Process;

/// How often sinks are asked whether more is coming.
const LOOK: Duration = Duration::from_millis(5);
/// So often in a row nothing must have come, for the load to have been delivered.
const QUIET: u32 = 6;
/// How long what is left of a load may take.
const DRAIN: Duration = Duration::from_secs(60);

/// The two that all candidates deliver to.
#[derive(Debug)]
pub(crate) struct Sinks([Sink; 2]);

impl Sinks {
    /// Two that answer at once.
    pub(crate) fn start(baselines: &Path) -> anyhow::Result<Self> {
        Ok(Self([Sink::start(baselines)?, Sink::start(baselines)?]))
    }

    /// Two that also count how long what comes has been on its way.
    pub(crate) fn start_reading_stamps(baselines: &Path) -> anyhow::Result<Self> {
        let start = || Sink::in_mode(baselines, "stamps");
        Ok(Self([start()?, start()?]))
    }

    /// Their URLs.
    pub(crate) fn urls(&self) -> [String; 2] {
        [self.0[0].url(), self.0[1].url()]
    }

    /// How many deliveries have come to each.
    fn delivered(&self) -> anyhow::Result<[u64; 2]> {
        Ok([self.0[0].delivered()?, self.0[1].delivered()?])
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

    /// How long what came since the last question had been on its way, for each.
    pub(crate) fn ways(&self) -> anyhow::Result<[Quantiles; 2]> {
        Ok([self.0[0].ways("/")?.took, self.0[1].ways("/")?.took])
    }

    /// URLs of so many targets: both under many names, in turn.
    pub(crate) fn urls_of(&self, targets: usize) -> Vec<String> {
        let sinks = self.0.iter().cycle().take(targets).enumerate();
        sinks
            .map(|(target, sink)| format!("{}{target}", sink.url()))
            .collect()
    }

    /// What came since the last question to one of [`urls_of`](Self::urls_of).
    pub(crate) fn ways_of(&self, target: usize) -> anyhow::Result<Ways> {
        self.0[target % 2].ways(&format!("/{target}"))
    }
}

/// What came, and how long it had been on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    pub(crate) count: u64,
    pub(crate) took: Quantiles,
}

/// A sink.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    _process: Process,
}

impl Sink {
    /// One that answers at once.
    pub(crate) fn start(baselines: &Path) -> anyhow::Result<Self> {
        Self::of(Command::new(baselines.join("sink")))
    }

    /// The same at an address, at which nobody listens.
    pub(crate) fn start_at(baselines: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let mut command = Command::new(baselines.join("sink"));
        command.args(["stamps".to_owned(), address.to_string()]);
        Self::of(command)
    }

    /// One that answers each twentieth request with 503, and doesn't count it.
    pub(crate) fn start_busy(baselines: &Path) -> anyhow::Result<Self> {
        Self::in_mode(baselines, "busy")
    }

    /// One that takes everything and never answers.
    pub(crate) fn start_hanging(baselines: &Path) -> anyhow::Result<Self> {
        Self::in_mode(baselines, "hang")
    }

    fn in_mode(baselines: &Path, mode: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(baselines.join("sink"));
        command.arg(mode);
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

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many deliveries have come.
    pub(crate) fn delivered(&self) -> anyhow::Result<u64> {
        Ok(plain_http::get(self.address, "/")?.parse()?)
    }

    fn ways(&self, path: &str) -> anyhow::Result<Ways> {
        let ways = plain_http::get_json(self.address, &format!("/ways{path}"))?;
        read_ways(&ways).with_context(|| format!("a sink said {ways}"))
    }
}

fn read_ways(ways: &Value) -> Option<Ways> {
    Some(Ways {
        count: ways["count"].as_u64()?,
        took: Quantiles::read(ways)?,
    })
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
