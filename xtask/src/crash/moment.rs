//! When a gateway is killed: at any time, or when something is going on in its data folder.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

/// How often the data folder is looked at.
const LOOK: Duration = Duration::from_micros(500);
/// How long to wait for something to go on there; then the kill comes all the same.
const PATIENCE: Duration = Duration::from_secs(3);

/// When to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long after the start, ready or not: recovery, and the first pruning.
    Starting(Duration),
    /// So long after it was ready.
    Running(Duration),
    /// So long after the ledger's log was written: posting, pruning, checkpoints.
    Posting(Duration),
    /// So long after a segment was begun, made or removed.
    Recycling(Duration),
    /// So long after it was asked to stop.
    Stopping(Duration),
}

impl Moment {
    /// Draws one.
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        let kind = rng.random_range(0..10);
        let mut within = |longest: u64| Duration::from_micros(rng.random_range(0..longest * 1000));
        match kind {
            0 => Self::Starting(within(80)),
            1..=3 => Self::Running(Duration::from_millis(5) + within(395)),
            4..=6 => Self::Posting(within(10)),
            7 | 8 => Self::Recycling(within(5)),
            _ => Self::Stopping(within(60)),
        }
    }

    /// Whether it may come before the gateway is ready.
    pub(crate) fn is_before_ready(self) -> bool {
        matches!(self, Self::Starting(_))
    }

    /// What it is called in a report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting(_) => "starting",
            Self::Running(_) => "running",
            Self::Posting(_) => "posting",
            Self::Recycling(_) => "recycling",
            Self::Stopping(_) => "stopping",
        }
    }

    /// Waits until it has come. `stop` asks the gateway to stop.
    pub(crate) fn wait(
        self,
        data: &Path,
        stop: &impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let after = match self {
            Self::Starting(after) | Self::Running(after) => after,
            Self::Posting(after) => {
                wait_for_change(|| written(&data.join("ledger.sqlite-wal")));
                after
            }
            Self::Recycling(after) => {
                wait_for_change(|| names(&data.join("journal")));
                after
            }
            Self::Stopping(after) => {
                sleep(after);
                stop()?;
                after
            }
        };
        sleep(after);
        Ok(())
    }
}

fn wait_for_change<T: PartialEq>(look: impl Fn() -> T) {
    let begun = Instant::now();
    let first = look();
    while look() == first && begun.elapsed() < PATIENCE {
        sleep(LOOK);
    }
}

fn written(file: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    names
}
