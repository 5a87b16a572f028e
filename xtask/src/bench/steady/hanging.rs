//! One of ten targets hangs until its time-out, again and again: what the nine others notice of it.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::pairs::{self, Instances, Stand};
use super::{Over, SENT};
use crate::bench::MANY;
use crate::bench::candidate::Candidate;
use crate::bench::effort::Effort;
use crate::bench::figures::median;
use crate::bench::hanging::Seen;
use crate::bench::load::{Rate, Requests};
use crate::bench::ratios::Ratios;
use crate::bench::rig::Rig;
use crate::bench::round::Load;
use crate::bench::setup::{Route, Setup};
use crate::bench::sinks::Sink;
use crate::say;

/// Targets, the first of which hangs.
const TARGETS: usize = 10;
/// Its time-out, short so that it is reached again and again, and a breaker that stays closed: an
/// open one would spare Fanway the trouble that is to be measured.
const HANGS: &str = "timeout: 1s, breaker: { consecutive: 1000000000, minimum: 1000000000 }";

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hanging {
    /// Requests that were due in a second.
    pub(crate) rate: u32,
    /// Each of the others, in the order of their names.
    pub(crate) others: Vec<Other>,
}

/// A target beside the one that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Other {
    /// While all are well.
    pub(crate) well: Seen,
    /// While one hangs.
    pub(crate) beside: Seen,
    /// Deliveries a second beside it by those without.
    pub(crate) deliveries: Over,
    /// The same of the deliveries' 99th percentile.
    pub(crate) p99: Over,
}

impl Hanging {
    /// The worst of all others.
    pub(crate) fn ratios(&self) -> Ratios {
        let others = || self.others.iter();
        let deliveries = others().map(|other| other.deliveries.median);
        let p99 = others().map(|other| other.p99.median);
        Ratios::of(&[
            (
                "steady-hanging-deliveries",
                deliveries.fold(f64::NAN, f64::min),
            ),
            ("steady-hanging-p99", p99.fold(f64::NAN, f64::max)),
        ])
    }
}

/// Measures.
pub(super) fn measure(rig: &Rig, effort: Effort) -> anyhow::Result<Hanging> {
    let hanging = Sink::start_hanging(&rig.baselines)?;
    let well = setup("ten-well", rig);
    let mut beside = setup("ten-beside", rig);
    beside.targets[0] = hanging.url();
    beside.settings.insert(0, HANGS.to_owned());
    let load = Load {
        deliveries: [TARGETS.div_ceil(2) as u64, (TARGETS / 2) as u64],
        ..Load::new(MANY, effort.load)
    };
    let stand = Stand {
        rig,
        effort,
        load: &load,
    };
    let rate = Rate {
        per_second: stand.half_of_capacity(&well)?,
        duration: effort.load,
    };
    let per_second = rate.per_second;
    say::note(format_args!(
        "one of ten targets hangs: {per_second} requests a second"
    ));
    let sides = [&well, &beside];
    let rounds = pairs::in_rounds(sides, Instances::Kept, stand, |fanway| {
        see(fanway, rate, rig)
    })?;
    let others = (0..TARGETS - 1).map(|other| {
        let seen = rounds.iter();
        let seen = seen.map(|[well, beside]| [well[other], beside[other]]);
        Other::over(&seen.collect::<Vec<_>>())
    });
    Ok(Hanging {
        rate: per_second,
        others: others.collect(),
    })
}

fn setup(name: &str, rig: &Rig) -> Setup {
    let mut setup = Setup::standard(name, rig.sinks.urls());
    setup.targets = rig.sinks.urls_of(TARGETS);
    setup.routes = vec![Route::new("/orders", 0..TARGETS)];
    setup.forward = Some(SENT);
    setup
}

/// What the targets beside the first see of a load.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a measurement are far below 2 to the 52"
)]
fn see(fanway: &Candidate, rate: Rate, rig: &Rig) -> anyhow::Result<Vec<Seen>> {
    rig.sinks.wait_until_quiet()?;
    fanway.wait_until_posted()?;
    rig.disk.settle()?;
    let others = 1..TARGETS;
    for other in others.clone() {
        rig.sinks.ways_of(other)?;
    }
    let begun = Instant::now();
    rig.loader
        .run_at_rate(fanway.gateway, &Requests::default(), rate)?;
    let (_, end) = rig.sinks.wait_until_quiet()?;
    let took = (end - begun).as_secs_f64();
    let seen: Vec<Seen> = others
        .map(|other| {
            let ways = rig.sinks.ways_of(other)?;
            Ok(Seen {
                deliveries_per_second: ways.count as f64 / took,
                p99: ways.took.p99,
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let deliveries = median(seen.iter().map(|seen| seen.deliveries_per_second));
    let p99 = median(seen.iter().map(|seen| seen.p99.millis()));
    say::note(format_args!(
        "{deliveries:.0} deliveries/s to each other, p99 {p99:.2} ms"
    ));
    Ok(seen)
}

impl Other {
    /// Of what was seen of it in each round, while all were well and while one hung.
    fn over(rounds: &[[Seen; 2]]) -> Self {
        let side = |side: usize| Seen::over(rounds.iter().map(move |round| round[side]));
        let ratio = |of: fn(&Seen) -> f64| {
            let ratios = rounds.iter();
            Over::rounds(ratios.map(move |[well, beside]| of(beside) / of(well)))
        };
        Self {
            well: side(0),
            beside: side(1),
            deliveries: ratio(|seen| seen.deliveries_per_second),
            p99: ratio(|seen| seen.p99.seconds()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hanging, Other, Seen};
    use crate::bench::quantiles::Micros;

    fn seen(deliveries_per_second: f64, p99: u64) -> Seen {
        Seen {
            deliveries_per_second,
            p99: Micros::new(p99),
        }
    }

    #[test]
    fn the_worst_of_the_others_is_what_counts() {
        let well = seen(1_000.0, 2_000);
        let rounds = |beside: Seen| [[well, beside], [seen(500.0, 1_000), seen(500.0, 1_000)]];
        let unharmed = Other::over(&rounds(well));
        let harmed = Other::over(&rounds(seen(800.0, 4_000)));
        let figures = Hanging {
            rate: 1,
            others: vec![unharmed, harmed],
        };
        let ratios = figures.ratios();
        assert_eq!(ratios.get("steady-hanging-deliveries"), Some(0.9));
        assert_eq!(ratios.get("steady-hanging-p99"), Some(1.5));
    }
}
