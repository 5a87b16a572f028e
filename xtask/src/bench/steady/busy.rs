//! A target that refuses one request of twenty with 503: what it still gets.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Over;
use super::pairs::{self, Instances, Stand};
use crate::bench::MANY;
use crate::bench::candidate::Candidate;
use crate::bench::effort::Effort;
use crate::bench::figures::median;
use crate::bench::load::{Rate, Requests};
use crate::bench::ratios::Ratios;
use crate::bench::rig::Rig;
use crate::bench::round::Load;
use crate::bench::setup::Setup;
use crate::bench::sinks::Sink;
use crate::say;

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Busy {
    /// Requests that were due in a second.
    pub(crate) rate: u32,
    /// Deliveries a second that it took, while it refused none.
    pub(crate) well: f64,
    /// The same while it refused some.
    pub(crate) busy: f64,
    pub(crate) deliveries: Over,
}

impl Busy {
    pub(crate) fn ratios(&self) -> Ratios {
        Ratios::of(&[("steady-busy-deliveries", self.deliveries.median)])
    }
}

/// Measures.
pub(super) fn measure(rig: &Rig, effort: Effort) -> anyhow::Result<Busy> {
    let well = Sink::start(&rig.baselines)?;
    let busy = Sink::start_busy(&rig.baselines)?;
    let [_, other] = rig.sinks.urls();
    let sides = [&well, &busy];
    let setup = |name, sink: &Sink| Setup::standard(name, [sink.url(), other.clone()]);
    let setups = [setup("one-well", &well), setup("one-busy", &busy)];
    let load = Load {
        deliveries: [0, 1],
        ..Load::new(MANY, effort.load)
    };
    let stand = Stand {
        rig,
        effort,
        load: &load,
    };
    let rate = Rate {
        per_second: stand.half_of_capacity(&setups[0])?,
        duration: effort.load,
    };
    let per_second = rate.per_second;
    say::note(format_args!(
        "5 % of answers are 503: {per_second} requests a second"
    ));
    let [one, two] = &setups;
    let rounds = pairs::in_rounds([one, two], Instances::Kept, stand, |fanway| {
        see(sides, fanway, rate, rig)
    })?;
    let side = |side: usize| median(rounds.iter().map(|round| round[side]));
    Ok(Busy {
        rate: per_second,
        well: side(0),
        busy: side(1),
        deliveries: Over::rounds(rounds.iter().map(|[well, busy]| busy / well)),
    })
}

/// Deliveries a second that were taken while the load lasted, by whichever of both this gateway
/// sends to: what comes later, when it is attempted again, doesn't count.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a measurement are far below 2 to the 52"
)]
fn see(sides: [&Sink; 2], fanway: &Candidate, rate: Rate, rig: &Rig) -> anyhow::Result<f64> {
    let taken = || Ok::<u64, anyhow::Error>(sides[0].delivered()? + sides[1].delivered()?);
    rig.sinks.wait_until_quiet()?;
    fanway.wait_until_delivered()?;
    fanway.wait_until_posted()?;
    rig.disk.settle()?;
    let before = taken()?;
    let begun = Instant::now();
    rig.loader
        .run_at_rate(fanway.gateway, &Requests::default(), rate)?;
    let more = taken()? - before;
    let deliveries = more as f64 / begun.elapsed().as_secs_f64();
    say::note(format_args!("{deliveries:.0} deliveries/s"));
    Ok(deliveries)
}
