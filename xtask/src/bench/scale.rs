//! How Fanway scales: events a second and processor time for an event, by the size of a body, by
//! targets of a route, by routes, and by messages that wait.

pub(crate) mod waiting;

use serde::{Deserialize, Serialize};

use super::MANY;
use super::axis::Axis;
use super::candidate::Candidate;
use super::comparison::warm_up;
use super::effort::Effort;
use super::figures::median;
use super::load::Requests;
use super::rig::Rig;
use super::round::{self, Load, Sample};
use super::setup::{Route, Setup};
use crate::say;

/// Bytes of a body.
const BODIES: [usize; 5] = [100, 1 << 10, 10 << 10, 100 << 10, 1 << 20];
/// Targets of a route.
const TARGETS: [usize; 5] = [1, 2, 4, 8, 16];
/// Routes of a config.
const ROUTES: [u32; 3] = [1, 100, 10_000];

/// What is kept of one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scale {
    pub(crate) points: Vec<Point>,
    /// What this machine takes to copy 1 KiB in memory, in microseconds, where that is of interest.
    pub(crate) copy: Option<f64>,
}

/// What was measured at one point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Bytes, targets, routes, or messages that wait.
    pub(crate) at: u64,
    pub(crate) events_per_second: f64,
    /// Processor time for an event, in microseconds.
    pub(crate) cpu: f64,
    pub(crate) failed: u64,
    /// Bytes of the data folder and of resident memory, where messages wait.
    pub(crate) kept: Option<Kept>,
}

/// What is kept for messages that wait, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) disk: u64,
    pub(crate) memory: u64,
}

impl Point {
    fn over(at: u64, rounds: &[Sample]) -> Self {
        Self {
            at,
            events_per_second: median(rounds.iter().map(|sample| sample.events_per_second)),
            cpu: median(rounds.iter().map(|sample| sample.cpu)),
            failed: rounds.iter().map(|sample| sample.answered.failed).sum(),
            kept: None,
        }
    }
}

/// Measures all axes, each of which `keep` is told as soon as it is there.
pub(crate) fn measure(
    rig: &Rig,
    effort: Effort,
    most: u64,
    mut keep: impl FnMut(Axis, Scale) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    keep(Axis::Bodies, bodies(rig, effort)?)?;
    keep(Axis::Targets, targets(rig, effort)?)?;
    if rig.loader.can_spread() {
        keep(Axis::Routes, routes(rig, effort)?)?;
    } else {
        say::note("wrk isn't installed, and nothing else sends to many routes in turn: left out");
    }
    keep(Axis::Waiting, waiting::measure(rig, effort, most)?)
}

/// A gateway, the load that it gets, and where on the axis that is.
struct Stand<'a> {
    at: u64,
    fanway: &'a Candidate,
    load: Load,
}

/// All points in turn, round by round.
fn in_rounds(axis: Axis, stands: &[Stand<'_>], rig: &Rig, effort: Effort) -> anyhow::Result<Scale> {
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); stands.len()];
    for _ in 0..effort.rounds {
        for (stand, samples) in stands.iter().zip(&mut samples) {
            let sample = round::measure(stand.fanway, rig, &stand.load)?;
            say::note(format_args!("{} {}: {sample}", stand.at, axis.unit()));
            samples.push(sample);
        }
    }
    let points = stands.iter().zip(&samples);
    Ok(Scale {
        points: points
            .map(|(stand, samples)| Point::over(stand.at, samples))
            .collect(),
        copy: None,
    })
}

fn bodies(rig: &Rig, effort: Effort) -> anyhow::Result<Scale> {
    let setup = Setup::standard("bodies", rig.sinks.urls());
    let candidates = [Candidate::fanway(&setup, rig)?];
    warm_up(&candidates, rig)?;
    let stands = BODIES.map(|size| Stand {
        at: size as u64,
        fanway: &candidates[0],
        load: Load {
            requests: Requests::to("/orders", size),
            ..Load::new(MANY, effort.load)
        },
    });
    let scale = in_rounds(Axis::Bodies, &stands, rig, effort)?;
    Ok(Scale {
        copy: Some(copy()),
        ..scale
    })
}

/// What it takes to copy 1 KiB, in microseconds: of a block that the caches of a core don't hold,
/// as bodies come and go.
fn copy() -> f64 {
    const BLOCK: usize = 64 << 20;
    let from = vec![1_u8; BLOCK];
    let mut to = vec![0_u8; BLOCK];
    let took = (0..5).map(|_| {
        let begun = std::time::Instant::now();
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
        begun.elapsed().as_secs_f64() * 1e6
    });
    median(took) / f64::from(u32::try_from(BLOCK >> 10).unwrap_or(u32::MAX))
}

/// Targets are two sinks under many names, in turn.
fn targets(rig: &Rig, effort: Effort) -> anyhow::Result<Scale> {
    let mut setup = Setup::standard("targets", rig.sinks.urls());
    let most = TARGETS.into_iter().max().unwrap_or_default();
    setup.targets = rig.sinks.urls().into_iter().cycle().take(most).collect();
    let route = |count: usize| Route::new(&format!("/to-{count}"), 0..count);
    setup.routes = TARGETS.map(route).into_iter().collect();
    setup.routes.push(Route::new("/orders", [0, 1]));
    let candidates = [Candidate::fanway(&setup, rig)?];
    warm_up(&candidates, rig)?;
    let stands = TARGETS.map(|count| Stand {
        at: count as u64,
        fanway: &candidates[0],
        load: Load {
            requests: Requests::to(&format!("/to-{count}"), super::BODY),
            deliveries: [count.div_ceil(2) as u64, (count / 2) as u64],
            ..Load::new(MANY, effort.load)
        },
    });
    in_rounds(Axis::Targets, &stands, rig, effort)
}

fn routes(rig: &Rig, effort: Effort) -> anyhow::Result<Scale> {
    let start = |count: &u32| {
        let mut setup = Setup::standard(&format!("routes-{count}"), rig.sinks.urls());
        let route = |index: u32| Route::new(&format!("/orders/{index}"), [0, 1]);
        setup.routes = (0..*count).map(route).collect();
        setup.routes.push(Route::new("/orders", [0, 1]));
        Candidate::fanway(&setup, rig)
    };
    let candidates: Vec<Candidate> = ROUTES.iter().map(start).collect::<Result<_, _>>()?;
    warm_up(&candidates, rig)?;
    let stands: Vec<Stand<'_>> = ROUTES
        .iter()
        .zip(&candidates)
        .map(|(count, fanway)| {
            let mut load = Load::new(MANY, effort.load);
            load.requests.path = "/orders/".to_owned();
            load.requests.spread = Some(*count);
            Stand {
                at: (*count).into(),
                fanway,
                load,
            }
        })
        .collect();
    in_rounds(Axis::Routes, &stands, rig, effort)
}
