//! One long run at half of capacity, and its slowest moments beside what the machine and the disk
//! did in them.

use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MANY;
use super::candidate::Candidate;
use super::comparison::warm_up;
use super::effort::Effort;
use super::figures::rounded;
use super::load::{Rate, Requests};
use super::probe::{Meanwhile, Noted, Probes, Wait, clock};
use super::quantiles::{Micros, Quantiles};
use super::rig::Rig;
use super::round::{self, Load};
use super::setup::Setup;
use crate::say;

/// Its figures' name.
pub(crate) const NAME: &str = "long";
/// How long everything is kept, so that from then on as much is pruned as comes.
pub(crate) const KEEP: &str = "1m";

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Long {
    pub(crate) minutes: u32,
    /// Requests that were due in a second.
    pub(crate) rate: u32,
    pub(crate) accepted: Quantiles,
    pub(crate) failed: u64,
    /// By how much naps of a millisecond were too long.
    pub(crate) hiccups: Quantiles,
    /// A write of 4 KiB and its sync.
    pub(crate) disk: Quantiles,
    pub(crate) moments: Vec<Moment>,
}

/// A slow moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// Seconds since the begin.
    pub(crate) at: f64,
    /// The slowest request.
    pub(crate) accepted: Micros,
    pub(crate) meanwhile: Meanwhile,
}

impl Moment {
    /// Whose it is: what stood still for at least half of the time explains it.
    pub(crate) fn whose(&self) -> &'static str {
        let explains = |probe: Micros| probe.get() * 2 >= self.accepted.get();
        let Meanwhile {
            hiccups,
            disk,
            syncs,
            ..
        } = self.meanwhile;
        match (explains(hiccups), explains(disk) || explains(syncs)) {
            (true, true) => "the machine's and the disk's",
            (true, false) => "the machine's",
            (false, true) => "the disk's",
            (false, false) => "Fanway's",
        }
    }
}

/// Measures.
pub(crate) fn measure(rig: &Rig, minutes: u32, effort: Effort) -> anyhow::Result<Long> {
    let mut setup = Setup::standard("long", rig.sinks.urls());
    setup.keep = Some(KEEP);
    let candidates = [Candidate::fanway(&setup, rig)?];
    warm_up(&candidates, rig)?;
    let [fanway] = candidates;
    let capacity = round::measure(&fanway, rig, &Load::new(MANY, effort.load))?;
    let rate = Rate {
        per_second: rounded(capacity.events_per_second / 2.0).max(1),
        duration: Duration::from_secs(u64::from(minutes) * 60),
    };
    say::note(format_args!(
        "{minutes} minutes at {} requests a second",
        rate.per_second
    ));
    let admin = fanway.admin.context("only Fanway has a journal")?;
    let probes = Probes::start(&rig.folder, admin)?;
    let begun = clock();
    let requests = Requests::default();
    let (answered, report) = rig.loader.run_at_rate(fanway.gateway, &requests, rate)?;
    let noted = probes.stop()?;
    let (hiccups, disk) = noted.quantiles();
    Ok(Long {
        minutes,
        rate: rate.per_second,
        accepted: answered.quantiles,
        failed: answered.failed,
        hiccups,
        disk,
        moments: moments(&report, begun, &noted).context("the sender told no moments")?,
    })
}

/// Reads the slowest moments, and looks up what the probes noted in them.
fn moments(report: &Value, begun: Duration, noted: &Noted) -> Option<Vec<Moment>> {
    let moment = |slow: &Value| {
        let request = Wait {
            begun: Duration::from_nanos(slow["due_nanos"].as_u64()?),
            took: Duration::from_micros(slow["micros"].as_u64()?),
        };
        Some(Moment {
            at: request.begun.saturating_sub(begun).as_secs_f64(),
            accepted: request.took.into(),
            meanwhile: noted.during(request),
        })
    };
    report["slowest"].as_array()?.iter().map(moment).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Micros, Noted, Wait, moments};

    #[test]
    fn a_moment_is_whose_probe_stood_still_with_it() {
        let report = json!({"slowest": [
            {"due_nanos": 12_000_000_000_u64, "micros": 80_000},
            {"due_nanos": 15_000_000_000_u64, "micros": 40_000},
            {"due_nanos": 17_000_000_000_u64, "micros": 10_000},
        ]});
        let wait = |begun, took| Wait {
            begun: Duration::from_millis(begun),
            took: Duration::from_millis(took),
        };
        let noted = Noted {
            hiccups: vec![wait(12_001, 20), wait(12_030, 25), wait(17_001, 4)],
            disk: vec![wait(15_010, 25), wait(17_001, 4)],
            synced: Vec::new(),
        };
        let begun = Duration::from_secs(10);
        let moments = moments(&report, begun, &noted).expect("they are told");
        let whose: Vec<_> = moments.iter().map(super::Moment::whose).collect();
        assert_eq!(whose, ["the machine's", "the disk's", "Fanway's"]);
        assert!(moments[0].at.total_cmp(&2.0).is_eq());
        assert_eq!(moments[1].meanwhile.disk, Micros::new(25_000));
    }
}
