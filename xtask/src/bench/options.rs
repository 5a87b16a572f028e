//! What `cargo xtask bench` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::effort::Effort;

/// What to measure
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds, of which medians are taken
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Seconds of load for each measurement
    #[arg(long, default_value = "4", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,

    /// One short round, to see whether all works: it writes into target/bench-quick, and docs stay as they are
    #[arg(long)]
    pub(crate) quick: bool,

    /// Latency too: closed loop at 1, 4, 64 and 512 connections, at fixed rates, and until deliveries are at their targets
    #[arg(long)]
    pub(crate) latency: bool,

    /// A run of so many minutes at half of capacity too, and what its slowest moments come from; 0 is none
    #[arg(long, value_name = "MINUTES", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=120))]
    pub(crate) long: u32,

    /// Scale too: bodies, targets of a route, routes, messages that wait; each with a chart
    #[arg(long)]
    pub(crate) scale: bool,

    /// With --scale: the most messages that wait; ten million take a quarter of an hour and some gigabytes of disk
    #[arg(long, value_name = "MESSAGES", default_value = "1000000")]
    pub(crate) waiting: u64,

    /// Memory and a restart with a million messages waiting too: some minutes, and some gigabytes of disk
    #[arg(long)]
    pub(crate) million: bool,

    /// Without the comparison: only what else is named. With nothing named the page is rendered anew, and that is all
    #[arg(long)]
    pub(crate) only: bool,

    /// Write nothing, but fail where a ratio is worse than docs/benchmarks/ratios.json by more than its tolerance
    #[arg(long, conflicts_with_all = ["latency", "long", "scale", "only"])]
    pub(crate) check: bool,

    /// Run this binary, and don't build one
    #[arg(long)]
    pub(crate) fanway: Option<PathBuf>,
}

impl Options {
    /// Whether only the page is wanted.
    pub(crate) fn is_nothing_measured(&self) -> bool {
        self.only && !self.latency && self.long == 0 && !self.scale && !self.million
    }

    /// How long is measured.
    pub(crate) fn effort(&self) -> Effort {
        let (rounds, seconds) = if self.quick {
            (1, 1)
        } else {
            (self.rounds, self.seconds)
        };
        Effort {
            rounds,
            load: Duration::from_secs(seconds.into()),
        }
    }

    /// The command that measures a section, which these flags ask for.
    pub(crate) fn command(&self, flags: &str) -> String {
        let Effort { rounds, load } = self.effort();
        let seconds = load.as_secs();
        format!("cargo xtask bench --rounds {rounds} --seconds {seconds}{flags}")
    }
}
