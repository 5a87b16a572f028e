//! One of two targets hangs: what the other one and the senders notice of it.

use std::time::{Duration, Instant};

use super::candidate::start_fanway;
use super::rig::{Rig, Sink};
use crate::gateway::Addresses;
use crate::say;

/// One round: the healthy target's deliveries a second and the accept's 99th percentile, while
/// both targets are well and while the other one hangs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hanging {
    pub(crate) well: Seen,
    pub(crate) beside: Seen,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) deliveries_per_second: f64,
    pub(crate) p99: Duration,
}

impl Hanging {
    /// Deliveries beside a hanging target by those without.
    pub(crate) fn deliveries(&self) -> f64 {
        self.beside.deliveries_per_second / self.well.deliveries_per_second
    }

    /// The same of the accept's 99th percentile.
    pub(crate) fn accept(&self) -> f64 {
        self.beside.p99.as_secs_f64() / self.well.p99.as_secs_f64()
    }
}

/// Measures both in turn, at `rate` requests a second.
pub(crate) fn measure(
    rig: &Rig,
    rate: f64,
    rounds: u32,
    load: Duration,
) -> anyhow::Result<Vec<Hanging>> {
    let hanging = Sink::start_hanging(&rig.baselines)?;
    let [inventory, shipping] = rig.urls();
    let (_well, well) = start_fanway("well", "always", &[inventory.clone(), shipping], rig)?;
    let beside = [inventory, hanging.url()];
    let (_beside, beside) = start_fanway("beside", "always", &beside, rig)?;
    let rate = round(rate);
    say::note(format_args!(
        "one of two targets hangs: {rate} requests a second"
    ));
    for addresses in [well, beside] {
        see(rig, addresses, rate, super::WARM_UP)?;
    }
    let mut all = Vec::new();
    for _ in 0..rounds {
        let round = Hanging {
            well: see(rig, well, rate, load)?,
            beside: see(rig, beside, rate, load)?,
        };
        say::note(format_args!("{round:?}"));
        all.push(round);
    }
    Ok(all)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive and small"
)]
fn round(rate: f64) -> u32 {
    rate.max(1.0).round() as u32
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a measurement are far below 2 to the 52"
)]
fn see(rig: &Rig, addresses: Addresses, rate: u32, load: Duration) -> anyhow::Result<Seen> {
    let ([before, _], _) = rig.wait_until_quiet()?;
    let begun = Instant::now();
    let answered = rig.loader.run_at_rate(addresses.gateway, rate, load)?;
    let ([after, _], end) = rig.wait_until_quiet()?;
    Ok(Seen {
        deliveries_per_second: (after - before) as f64 / (end - begun).as_secs_f64(),
        p99: answered.p99,
    })
}
