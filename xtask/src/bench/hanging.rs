//! One of two targets hangs: what the other one and the senders notice of it.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::effort::Effort;
use super::figures::{median, rounded};
use super::load::{Rate, Requests};
use super::quantiles::Micros;
use super::rig::Rig;
use super::setup::Setup;
use super::sinks::Sink;
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) deliveries_per_second: f64,
    pub(crate) p99: Micros,
}

impl Hanging {
    /// Deliveries beside a hanging target by those without.
    pub(crate) fn deliveries(&self) -> f64 {
        self.beside.deliveries_per_second / self.well.deliveries_per_second
    }

    /// The same of the accept's 99th percentile.
    pub(crate) fn accept(&self) -> f64 {
        self.beside.p99.seconds() / self.well.p99.seconds()
    }
}

impl Seen {
    /// The medians of several rounds.
    pub(crate) fn over(rounds: impl Iterator<Item = Self> + Clone) -> Self {
        let p99 = median(rounds.clone().map(|seen| seen.p99.seconds() * 1e6));
        Self {
            deliveries_per_second: median(rounds.map(|seen| seen.deliveries_per_second)),
            p99: Micros::new(u64::from(rounded(p99))),
        }
    }
}

/// Measures both in turn, at `rate` requests a second.
pub(crate) fn measure(rig: &Rig, rate: f64, effort: Effort) -> anyhow::Result<Vec<Hanging>> {
    let hanging = Sink::start_hanging(&rig.baselines)?;
    let [inventory, shipping] = rig.sinks.urls();
    let (_well, well) = Setup::standard("well", [inventory.clone(), shipping]).start(rig)?;
    let beside = [inventory, hanging.url()];
    let (_beside, beside) = Setup::standard("beside", beside).start(rig)?;
    let mut rate = Rate {
        per_second: rounded(rate).max(1),
        duration: super::WARM_UP,
    };
    say::note(format_args!(
        "one of two targets hangs: {} requests a second",
        rate.per_second
    ));
    for addresses in [well, beside] {
        see(rig, addresses, rate)?;
    }
    rate.duration = effort.load;
    let mut all = Vec::new();
    for _ in 0..effort.rounds {
        let round = Hanging {
            well: see(rig, well, rate)?,
            beside: see(rig, beside, rate)?,
        };
        say::note(format_args!("{round:?}"));
        all.push(round);
    }
    Ok(all)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a measurement are far below 2 to the 52"
)]
fn see(rig: &Rig, addresses: Addresses, rate: Rate) -> anyhow::Result<Seen> {
    let ([before, _], _) = rig.sinks.wait_until_quiet()?;
    let begun = Instant::now();
    let requests = Requests::default();
    let (answered, _) = rig.loader.run_at_rate(addresses.gateway, &requests, rate)?;
    let ([after, _], end) = rig.sinks.wait_until_quiet()?;
    Ok(Seen {
        deliveries_per_second: (after - before) as f64 / (end - begun).as_secs_f64(),
        p99: answered.quantiles.p99,
    })
}
