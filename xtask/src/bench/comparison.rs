//! The comparison: all candidates in turn, round by round, and then a target that hangs.

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, Kind};
use super::effort::Effort;
use super::figures::{Figures, median, rounded};
use super::hanging::{self, Seen};
use super::quantiles::Micros;
use super::rig::Rig;
use super::round::{self, Load};
use super::{FEW, MANY, WARM_UP};
use crate::process::peak;
use crate::say;

/// Its figures' name.
pub(crate) const NAME: &str = "comparison";

/// What is kept of it: medians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// What made the load.
    pub(crate) loader: String,
    /// The 99th percentile of the disk's own `fdatasync`.
    pub(crate) disk: Micros,
    pub(crate) lines: Vec<Line>,
    pub(crate) well: Seen,
    pub(crate) beside_hanging: Seen,
}

/// A candidate's medians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) candidate: Kind,
    pub(crate) connections: u32,
    pub(crate) events_per_second: f64,
    /// Processor time for an event, in microseconds.
    pub(crate) cpu: f64,
    pub(crate) p50: Micros,
    pub(crate) p99: Micros,
    /// Bytes written to the disk for an event, where the disk counts them.
    pub(crate) written: Option<f64>,
    /// The most memory that was resident, in bytes.
    pub(crate) peak: u64,
    pub(crate) failed: u64,
}

/// Measures.
pub(crate) fn measure(rig: &Rig, effort: Effort) -> anyhow::Result<Figures> {
    let mut figures = compare(rig, effort)?;
    let capacity = figures.events_per_second(Kind::Fanway, MANY);
    figures.hanging = hanging::measure(rig, capacity / 2.0, effort)?;
    Ok(figures)
}

/// All candidates, round by round.
fn compare(rig: &Rig, effort: Effort) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let mut candidates = Candidate::start_all(&Kind::ALL, rig)?;
    warm_up(&candidates, rig)?;
    for round in 0..effort.rounds {
        for connections in [MANY, FEW] {
            for candidate in &candidates {
                let kind = candidate.kind;
                if kind == Kind::Fanway && connections == FEW {
                    figures.disk.push(rig.disk.probe()?);
                }
                let load = Load::new(connections, effort.load);
                let sample = round::measure(candidate, rig, &load)?;
                let name = kind.name();
                say::note(format_args!(
                    "round {}: {name} at {connections}: {sample}",
                    round + 1
                ));
                let samples = figures.samples.entry((kind, connections));
                samples.or_default().push(sample);
            }
        }
        // Who comes first is another one in the next round.
        candidates.rotate_left(1);
    }
    for candidate in &candidates {
        let peaks = candidate.processes.iter().filter_map(|id| peak(*id));
        figures.peaks.insert(candidate.kind, peaks.sum());
    }
    Ok(figures)
}

/// Gives each candidate some load, so that what it does only once is done.
pub(crate) fn warm_up(candidates: &[Candidate], rig: &Rig) -> anyhow::Result<()> {
    let Load { requests, .. } = Load::new(MANY, WARM_UP);
    for candidate in candidates {
        rig.loader
            .run(candidate.gateway, &requests, MANY, WARM_UP)?;
    }
    Ok(())
}

impl Comparison {
    /// What is kept of the figures.
    pub(crate) fn new(figures: &Figures, rig: &Rig) -> Self {
        let disk = median(figures.disk.iter().map(|p99| p99.as_secs_f64() * 1e6));
        let lines = [MANY, FEW].into_iter().flat_map(|connections| {
            let kinds = Kind::ALL.into_iter();
            kinds.filter_map(move |kind| Line::new(figures, kind, connections))
        });
        let rounds = || figures.hanging.iter();
        Self {
            loader: rig.loader.name().to_owned(),
            disk: Micros::new(rounded(disk).into()),
            lines: lines.collect(),
            well: Seen::over(rounds().map(|round| round.well)),
            beside_hanging: Seen::over(rounds().map(|round| round.beside)),
        }
    }
}

impl Line {
    fn new(figures: &Figures, kind: Kind, connections: u32) -> Option<Self> {
        figures.samples.get(&(kind, connections))?;
        let of = |figure| figures.median(kind, connections, figure);
        let micros = |seconds: f64| Micros::new(rounded(seconds * 1e6).into());
        let written = figures.written(kind, connections);
        Some(Self {
            candidate: kind,
            connections,
            events_per_second: of(|sample| sample.events_per_second),
            cpu: of(|sample| sample.cpu),
            p50: micros(of(|sample| sample.answered.quantiles.p50.seconds())),
            p99: micros(of(|sample| sample.answered.quantiles.p99.seconds())),
            written: Some(written).filter(|written| written.is_finite()),
            peak: figures.peaks.get(&kind).copied().unwrap_or_default(),
            failed: figures.failed(kind, connections),
        })
    }
}
