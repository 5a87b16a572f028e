//! What `cargo xtask bench` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::effort::Effort;
use super::steady::Part;

/// Messages that wait, where nobody says how many.
const SCALE: u64 = 1_000_000;
/// The same where a target is down and comes back, in each round.
const STEADY: u64 = 100_000;

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

    /// How steady it is too: targets in trouble and what others notice, limits that don't bind, order; all parts or these
    #[arg(long, value_name = "PARTS", num_args = 0.., require_equals = true, value_delimiter = ',')]
    steady: Option<Vec<Part>>,

    /// With --scale: the most messages that wait, without it a million; ten million take a quarter of an hour and some gigabytes of disk. With --steady: how many wait for the target that is down, without it 100,000
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1..))]
    waiting: Option<u64>,

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
        let is_more_named = self.latency || self.long > 0 || self.scale || self.million;
        self.only && !is_more_named && self.steady.is_none()
    }

    /// The parts of how steady it is that are asked for.
    pub(crate) fn steady(&self) -> Vec<Part> {
        match &self.steady {
            None => Vec::new(),
            Some(parts) if parts.is_empty() => Part::ALL.into(),
            Some(parts) => parts.clone(),
        }
    }

    /// The most messages that wait where it is measured how Fanway scales.
    pub(crate) fn scale_waiting(&self) -> u64 {
        self.waiting.unwrap_or(SCALE)
    }

    /// Messages that wait for a target that is down and comes back.
    pub(crate) fn steady_waiting(&self) -> u64 {
        self.waiting.unwrap_or(STEADY)
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

#[cfg(test)]
mod tests {
    use clap::{Parser, error::ErrorKind};

    use super::{Options, Part};

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        let arguments = ["bench"].iter().chain(arguments);
        Arguments::try_parse_from(arguments).map(|arguments| arguments.options)
    }

    #[track_caller]
    fn check(arguments: &[&str], expected: &[Part]) {
        assert_eq!(parse(arguments).expect("understood").steady(), expected);
    }

    #[test]
    fn all_parts_of_how_steady_it_is_are_measured_unless_some_are_named() {
        check(&[], &[]);
        check(&["--steady"], &Part::ALL);
        check(&["--only", "--steady"], &Part::ALL);
        check(&["--steady=order,drain"], &[Part::Order, Part::Drain]);
        let wrong = parse(&["--steady=orders"]).expect_err("no such part");
        assert_eq!(wrong.kind(), ErrorKind::InvalidValue);
    }

    #[test]
    fn how_many_wait_depends_on_what_is_measured_unless_it_is_said() {
        let options = parse(&["--steady", "--scale"]).expect("understood");
        assert_eq!(options.scale_waiting(), 1_000_000);
        assert_eq!(options.steady_waiting(), 100_000);
        let options = parse(&["--waiting", "7"]).expect("understood");
        assert_eq!([options.scale_waiting(), options.steady_waiting()], [7, 7]);
    }

    #[test]
    fn only_with_nothing_named_measures_nothing() {
        let is_nothing = |arguments: &[&str]| {
            let options = parse(arguments).expect("understood");
            options.is_nothing_measured()
        };
        assert!(is_nothing(&["--only"]));
        assert!(!is_nothing(&["--only", "--steady"]));
        assert!(!is_nothing(&["--steady"]));
    }
}
