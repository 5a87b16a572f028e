//! `cargo xtask bench`: Fanway against what a user would do without it, in one go.
//!
//! All candidates are up at the same time and get their load in turn, round by round, so that
//! what else the machine does meets all of them alike. What is told are medians over the rounds,
//! of ratios within a round. What a user would do without Fanway is built from `baselines/`.
//!
//! - `rig`, `candidate` – sinks, and what is measured
//! - `load`, `disk` – what it is measured with
//! - `round` – one measurement of one candidate
//! - `hanging`, `million` – a target that hangs; a million messages that wait
//! - `figures`, `row` – medians, ratios, and what they must be
//! - `machine`, `page` – what `docs/benchmarks.md` says

mod candidate;
mod disk;
mod figures;
mod hanging;
mod load;
mod machine;
mod million;
mod page;
mod rig;
mod round;
mod row;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::built::{self, Profile};
use crate::process::peak;
use crate::say;
use candidate::{Candidate, Kind};
use figures::Figures;
use rig::Rig;

/// Bytes of a body.
pub(crate) const BODY: usize = 1024;
/// Connections: where throughput is measured, and where latency is.
pub(crate) const MANY: u32 = 64;
/// See [`MANY`].
pub(crate) const FEW: u32 = 4;
/// What warms a candidate up before the first round.
const WARM_UP: Duration = Duration::from_secs(2);

/// What to measure
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds, of which medians are taken
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Seconds of load for each measurement
    #[arg(long, default_value = "4", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,

    /// One short round, to see whether all works; docs/benchmarks.md stays as it is
    #[arg(long)]
    quick: bool,

    /// Let a million messages wait, too: some minutes, and some gigabytes of disk
    #[arg(long)]
    million: bool,

    /// Run this binary, and don't build one
    #[arg(long)]
    fanway: Option<PathBuf>,
}

impl Options {
    fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    fn load(&self) -> Duration {
        let seconds = if self.quick { 1 } else { self.seconds };
        Duration::from_secs(seconds.into())
    }
}

/// Measures, prints, and writes `docs/benchmarks.md`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let fanway = match &options.fanway {
        Some(fanway) => fanway.clone(),
        None => built::fanway(Profile::Release)?,
    };
    let baselines = built::baselines()?;
    let folder = built::scratch("bench")?;
    let rig = Rig::start(fanway, baselines, folder.clone())?;
    let figures = measure(options, &rig)?;
    let page = page::page(&figures, &machine::describe(&folder), &rig);
    say::line(&page);
    if !options.quick {
        fs::write(built::root().join("docs/benchmarks.md"), page)?;
    }
    drop(rig);
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn measure(options: &Options, rig: &Rig) -> anyhow::Result<Figures> {
    let mut figures = Figures::new(options.rounds(), options.load());
    compare(&mut figures, rig)?;
    let capacity = figures.events_per_second(Kind::Fanway, MANY);
    figures.hanging = hanging::measure(rig, capacity / 2.0, options.rounds(), options.load())?;
    if options.million {
        figures.million = million::measure(rig)?;
    }
    Ok(figures)
}

/// All candidates, round by round.
fn compare(figures: &mut Figures, rig: &Rig) -> anyhow::Result<()> {
    let mut candidates = Vec::new();
    for kind in Kind::ALL {
        candidates.extend(Candidate::start(kind, rig)?);
    }
    for candidate in &candidates {
        rig.loader.run(candidate.gateway, MANY, WARM_UP)?;
    }
    for round in 0..figures.rounds {
        for connections in [MANY, FEW] {
            for candidate in &candidates {
                let kind = candidate.kind;
                if kind == Kind::Fanway && connections == FEW {
                    figures.disk.push(rig.disk.probe()?);
                }
                let sample = round::measure(candidate, rig, connections, figures.load)?;
                say::note(format_args!(
                    "round {}: {} at {connections}: {sample}",
                    round + 1,
                    kind.name()
                ));
                figures
                    .samples
                    .entry((kind, connections))
                    .or_default()
                    .push(sample);
            }
        }
        // Who comes first is another one in the next round.
        candidates.rotate_left(1);
    }
    for candidate in &candidates {
        let peaks = candidate.processes.iter().filter_map(|id| peak(*id));
        figures.peaks.insert(candidate.kind, peaks.sum());
    }
    Ok(())
}
