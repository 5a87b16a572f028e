//! Deliveries in order by one of many keys: what that costs.

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

/// Keys, of which each request has one at random.
const KEYS: u32 = 10_000;
/// What the requests hold their key in.
const KEY: &str = ".customer_id";

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) keys: u32,
    pub(crate) unordered: Side,
    pub(crate) ordered: Side,
    pub(crate) events: Over,
}

/// Medians.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) events_per_second: f64,
    /// Processor time for an event, in microseconds.
    pub(crate) cpu: f64,
}

impl Order {
    pub(crate) fn ratios(&self) -> Ratios {
        Ratios::of(&[("steady-order-events", self.events.median)])
    }
}

/// Measures.
pub(super) fn measure(rig: &Rig, effort: Effort) -> anyhow::Result<Order> {
    let unordered = Setup::standard("unordered", rig.sinks.urls());
    let mut ordered = Setup::standard("ordered", rig.sinks.urls());
    ordered.order_by = Some(KEY);
    let mut load = Load::new(MANY, effort.load);
    load.requests.keys = Some(KEYS);
    let stand = Stand {
        rig,
        effort,
        load: &load,
    };
    let sides = [&unordered, &ordered];
    let rounds = pairs::in_rounds(sides, Instances::Anew, stand, |fanway| {
        let sample = round::measure(fanway, rig, &load)?;
        say::note(sample);
        Ok(Side {
            events_per_second: sample.events_per_second,
            cpu: sample.cpu,
        })
    })?;
    let side = |side: usize| Side {
        events_per_second: median(rounds.iter().map(|round| round[side].events_per_second)),
        cpu: median(rounds.iter().map(|round| round[side].cpu)),
    };
    let ratios = rounds.iter();
    let ratios =
        ratios.map(|[unordered, ordered]| ordered.events_per_second / unordered.events_per_second);
    Ok(Order {
        keys: KEYS,
        unordered: side(0),
        ordered: side(1),
        events: Over::rounds(ratios),
    })
}
