//! A rate limit and a breaker that don't bind: what they cost.
//!
//! There is no target without a breaker: what is measured is one that looks for slow answers, too,
//! against the default.

use serde::{Deserialize, Serialize};

use super::Over;
use super::pairs::{self, Instances, Stand};
use crate::bench::MANY;
use crate::bench::effort::Effort;
use crate::bench::figures::median;
use crate::bench::ratios::Ratios;
use crate::bench::rig::Rig;
use crate::bench::round::{self, Load};
use crate::bench::setup::Setup;
use crate::say;

/// Limits that no load here reaches.
const LIMITS: &str = "rate: { limit: 1000000/s, burst: 1000000 }, \
                      breaker: { consecutive: 1000, slow: 9s, slow_ratio: 0.9 }";

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Requests that were due in a second.
    pub(crate) rate: u32,
    /// Processor time for an event without them, in microseconds.
    pub(crate) without: f64,
    /// The same with them.
    pub(crate) with: f64,
    pub(crate) cpu: Over,
}

impl Limits {
    pub(crate) fn ratios(&self) -> Ratios {
        Ratios::of(&[("steady-limits-cpu", self.cpu.median)])
    }
}

/// Measures.
pub(super) fn measure(rig: &Rig, effort: Effort) -> anyhow::Result<Limits> {
    let without = Setup::standard("without-limits", rig.sinks.urls());
    let mut with = Setup::standard("with-limits", rig.sinks.urls());
    with.settings = [0, 1].map(|target| (target, LIMITS.to_owned())).into();
    let stand = Stand {
        rig,
        effort,
        load: &Load::new(MANY, effort.load),
    };
    let rate = stand.half_of_capacity(&without)?;
    let load = Load {
        rate: Some(rate),
        ..stand.load.clone()
    };
    say::note(format_args!(
        "limits that don't bind: {rate} requests a second"
    ));
    let sides = [&without, &with];
    let rounds = pairs::in_rounds(sides, Instances::Anew, stand, |fanway| {
        let sample = round::measure(fanway, rig, &load)?;
        say::note(sample);
        Ok(sample.cpu)
    })?;
    let side = |side: usize| median(rounds.iter().map(|round| round[side]));
    Ok(Limits {
        rate,
        without: side(0),
        with: side(1),
        cpu: Over::rounds(rounds.iter().map(|[without, with]| with / without)),
    })
}
