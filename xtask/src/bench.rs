//! `cargo xtask bench`: Fanway against what a user would do without it, in one go.
//!
//! All candidates are up at the same time and get their load in turn, round by round, so that
//! what else the machine does meets all of them alike. What is told are medians over the rounds,
//! of ratios within a round. What a user would do without Fanway is built from `baselines/`.
//!
//! - `rig`, `sinks`, `setup`, `nginx`, `candidate` – sinks, and what is measured
//! - `load`, `disk`, `probe` – what it is measured with
//! - `round` – one measurement of one candidate
//! - `comparison`, `hanging`, `million`, `latency`, `long`, `scale`, `steady` – the sections
//! - `quantiles`, `figures`, `row`, `ratios` – medians, ratios, and what they must be
//! - `archive`, `machine`, `page`, `axis`, `chart` – what is kept of it, and what
//!   `docs/benchmarks.md` says

mod archive;
mod axis;
mod candidate;
mod chart;
mod comparison;
mod disk;
mod effort;
mod figures;
mod hanging;
mod latency;
mod load;
mod long;
mod machine;
mod million;
mod nginx;
mod options;
mod page;
mod probe;
mod quantiles;
mod ratios;
mod rig;
mod round;
mod row;
mod scale;
mod setup;
mod sinks;
mod steady;

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::built::{self, Profile};
use crate::say;
use archive::{Archive, Section};
use comparison::Comparison;
pub(crate) use options::Options;
use ratios::Ratios;
use rig::Rig;
use steady::Part;

/// Bytes of a body.
pub(crate) const BODY: usize = 1024;
/// Connections: where throughput is measured, and where latency is.
pub(crate) const MANY: u32 = 64;
/// See [`MANY`].
pub(crate) const FEW: u32 = 4;
/// What warms a candidate up before the first round.
const WARM_UP: Duration = Duration::from_secs(2);

/// Measures, and writes `docs/benchmarks.md` or holds what it finds to what is written down.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.is_nothing_measured() {
        let docs = Archive::within(&built::root().join("docs"));
        docs.publish(&page::page(&docs)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let fanway = match &options.fanway {
        Some(fanway) => fanway.clone(),
        None => built::fanway(Profile::Release)?,
    };
    let baselines = built::baselines()?;
    let folder = built::scratch("bench")?;
    let rig = Rig::start(fanway, baselines, folder.clone())?;
    let code = if options.check {
        check(options, &rig)?
    } else {
        measure(options, &rig)?;
        ExitCode::SUCCESS
    };
    drop(rig);
    fs::remove_dir_all(&folder)?;
    Ok(code)
}

/// Measures the ratios, and compares them with those that are written down.
fn check(options: &Options, rig: &Rig) -> anyhow::Result<ExitCode> {
    let archive = Archive::within(&built::root().join("docs"));
    let written: Option<Ratios> = archive.read(ratios::NAME)?;
    let written = written.context("nothing is written down yet: `cargo xtask bench` does that")?;
    let mut found = row::of_comparison(&comparison::measure(rig, options.effort())?);
    if options.million {
        found = found.over(&row::of_million(&million::measure(rig)?));
    }
    let (parts, waiting) = (options.steady(), options.steady_waiting());
    steady::measure(rig, options.effort(), &parts, waiting, |_, figures| {
        found = figures.ratios().over(&found);
        Ok(())
    })?;
    let check = ratios::check(&written, &found);
    say::line(check.table);
    if check.broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say::note(format_args!(
        "out of tolerance: {}",
        check.broken.join(", ")
    ));
    Ok(ExitCode::FAILURE)
}

/// Measures what is asked for. Each section is kept as soon as it is there.
fn measure(options: &Options, rig: &Rig) -> anyhow::Result<()> {
    let folder = if options.quick {
        built::scratch("bench-quick")?
    } else {
        built::root().join("docs")
    };
    let keeper = Keeper {
        archive: Archive::within(&folder),
        machine: machine::describe(&rig.folder),
        options,
    };
    let effort = options.effort();
    if !options.only {
        let figures = comparison::measure(rig, effort)?;
        keeper.reached(row::of_comparison(&figures))?;
        keeper.keep(comparison::NAME, "", Comparison::new(&figures, rig))?;
    }
    if options.latency {
        let figures = latency::measure(rig, effort)?;
        keeper.keep(latency::NAME, " --only --latency", figures)?;
    }
    if options.long > 0 {
        let figures = long::measure(rig, options.long, effort)?;
        let flags = format!(" --only --long {}", options.long);
        keeper.keep(long::NAME, &flags, figures)?;
    }
    if options.scale {
        let waiting = options.scale_waiting();
        let flags = format!(" --only --scale --waiting {waiting}");
        scale::measure(rig, effort, waiting, |axis, figures| {
            let svg = page::scale::chart(axis, &figures).svg();
            keeper.archive.draw(axis.name(), &svg)?;
            keeper.keep(axis.name(), &flags, figures)
        })?;
    }
    let (parts, waiting) = (options.steady(), options.steady_waiting());
    steady::measure(rig, effort, &parts, waiting, |part, figures| {
        let mut flags = format!(" --only --steady={}", part.word());
        if part == Part::Drain {
            flags += &format!(" --waiting {waiting}");
        }
        keeper.reached(figures.ratios())?;
        keeper.keep(&part.name(), &flags, figures)
    })?;
    if options.million {
        let figures = million::measure(rig)?;
        keeper.reached(row::of_million(&figures))?;
        keeper.keep(million::NAME, " --only --million", figures)?;
    }
    say::line(page::page(&keeper.archive)?);
    Ok(())
}

/// Keeps what is measured, and the page up to date with it.
struct Keeper<'a> {
    archive: Archive,
    machine: String,
    options: &'a Options,
}

impl Keeper<'_> {
    /// Keeps a section, which these flags ask for.
    fn keep(&self, name: &str, flags: &str, figures: impl Serialize) -> anyhow::Result<()> {
        let section = Section {
            command: self.options.command(flags),
            machine: self.machine.clone(),
            figures,
        };
        self.archive.keep(name, &section)?;
        self.archive.publish(&page::page(&self.archive)?)
    }

    /// Keeps what was reached of the measures.
    fn reached(&self, ratios: Ratios) -> anyhow::Result<()> {
        let former = self.archive.read(ratios::NAME)?.unwrap_or_default();
        self.archive.keep(ratios::NAME, &ratios.over(&former))
    }
}
