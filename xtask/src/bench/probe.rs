//! What the machine and its disk did meanwhile: threads that note when either stood still.
//!
//! A hiccup meter sleeps a millisecond at a time and notes by how much it overslept: that much
//! anybody on this machine may have had to wait for a processor. A disk probe writes 4 KiB and
//! syncs them, twenty times a second, in the folder that the gateway keeps its data in. As often the
//! gateway is asked what its journal's syncs took: a disk that is slow for a second delays a hundred
//! of them, of which the probe sees a few.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::quantiles::{Micros, Quantiles};
use crate::plain_http::figures;

/// How long the hiccup meter sleeps.
const NAP: Duration = Duration::from_millis(1);
/// How often the disk is probed, and the gateway asked.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes of a write.
const PAGE: [u8; 4096] = [1; 4096];

/// Something that took so long, from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// By the clock of [`clock`].
    pub(crate) begun: Duration,
    pub(crate) took: Duration,
}

impl Wait {
    fn overlaps(self, other: Self) -> bool {
        self.begun <= other.end() && other.begun <= self.end()
    }

    /// How long both lasted at the same time.
    fn shared(self, other: Self) -> Duration {
        let end = self.end().min(other.end());
        end.saturating_sub(self.begun.max(other.begun))
    }

    fn end(self) -> Duration {
        self.begun + self.took
    }
}

/// What the journal had synced by a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Synced {
    /// By the clock of [`clock`].
    pub(crate) at: Duration,
    pub(crate) syncs: f64,
    pub(crate) seconds: f64,
}

/// What the probes noted while a request waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meanwhile {
    /// The longest hiccup.
    pub(crate) hiccup: Micros,
    /// All hiccups together, as far as the request waited then.
    pub(crate) hiccups: Micros,
    /// The longest write with its sync.
    pub(crate) disk: Micros,
    /// What the journal's syncs took beyond what as many take in the mean of the whole run, and no
    /// more than the request waited.
    pub(crate) syncs: Micros,
}

/// The time since the machine started: the sender reads the same clock.
pub(crate) fn clock() -> Duration {
    // Both parts are positive: this clock begins at zero and goes on.
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// Probes that run until they are stopped.
#[derive(Debug)]
pub(crate) struct Probes {
    stop: Arc<AtomicBool>,
    hiccups: JoinHandle<Vec<Wait>>,
    disk: JoinHandle<std::io::Result<Vec<Wait>>>,
    synced: JoinHandle<anyhow::Result<Vec<Synced>>>,
}

/// What they noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    /// By how much naps were too long.
    pub(crate) hiccups: Vec<Wait>,
    /// Writes with their syncs.
    pub(crate) disk: Vec<Wait>,
    /// What the journal had synced, from the first look to the last.
    pub(crate) synced: Vec<Synced>,
}

impl Probes {
    /// Starts them; the disk's on a file in `folder`, the journal's by the gateway's admin API.
    pub(crate) fn start(folder: &Path, admin: SocketAddr) -> anyhow::Result<Self> {
        let file = File::create(folder.join("disk-probe"))?;
        file.write_all_at(&PAGE, 0)?;
        file.sync_all()?;
        let stop = Arc::new(AtomicBool::new(false));
        let [meter, prober, asker] = [(); 3].map(|()| Arc::clone(&stop));
        Ok(Self {
            stop,
            hiccups: thread::spawn(move || nap(&meter)),
            disk: thread::spawn(move || write(&file, &prober)),
            synced: thread::spawn(move || ask(admin, &asker)),
        })
    }

    /// Stops them.
    pub(crate) fn stop(self) -> anyhow::Result<Noted> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(Noted {
            hiccups: self.hiccups.join().expect("the meter doesn't panic"),
            disk: self.disk.join().expect("the probe doesn't panic")?,
            synced: self.synced.join().expect("who asks doesn't panic")?,
        })
    }
}

fn nap(stop: &AtomicBool) -> Vec<Wait> {
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begun = clock() + NAP;
        sleep(NAP);
        let took = clock().saturating_sub(begun);
        waits.push(Wait { begun, took });
    }
    waits
}

fn write(file: &File, stop: &AtomicBool) -> std::io::Result<Vec<Wait>> {
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begun = clock();
        file.write_all_at(&PAGE, 0)?;
        file.sync_data()?;
        let took = clock() - begun;
        waits.push(Wait { begun, took });
        sleep(LOOK.saturating_sub(took));
    }
    Ok(waits)
}

fn ask(admin: SocketAddr, stop: &AtomicBool) -> anyhow::Result<Vec<Synced>> {
    let names = ["count", "sum"].map(|part| format!("fanway_journal_sync_seconds_{part}"));
    let mut looks = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let at = clock();
        let [syncs, seconds] = figures(admin, names.each_ref().map(String::as_str))?;
        looks.push(Synced { at, syncs, seconds });
        sleep(LOOK.saturating_sub(clock().saturating_sub(at)));
    }
    Ok(looks)
}

impl Noted {
    /// What was noted while a request waited.
    pub(crate) fn during(&self, request: Wait) -> Meanwhile {
        let shared = self.hiccups.iter().map(|wait| wait.shared(request));
        Meanwhile {
            hiccup: longest(&self.hiccups, request),
            hiccups: shared.sum::<Duration>().into(),
            disk: longest(&self.disk, request),
            syncs: self.beyond_the_mean(request).min(request.took).into(),
        }
    }

    /// What the journal's syncs took during a request beyond what as many take in the mean.
    fn beyond_the_mean(&self, request: Wait) -> Duration {
        let (Some(first), Some(last)) = (self.synced.first(), self.synced.last()) else {
            return Duration::ZERO;
        };
        let before = self.synced.iter().rfind(|look| look.at <= request.begun);
        let behind = self.synced.iter().find(|look| look.at >= request.end());
        let (before, behind) = (before.unwrap_or(first), behind.unwrap_or(last));
        let mean = (last.seconds - first.seconds) / (last.syncs - first.syncs).max(1.0);
        let usual = (behind.syncs - before.syncs) * mean;
        Duration::from_secs_f64((behind.seconds - before.seconds - usual).max(0.0))
    }

    /// Quantiles of both over the whole time.
    pub(crate) fn quantiles(&self) -> (Quantiles, Quantiles) {
        (quantiles(&self.hiccups), quantiles(&self.disk))
    }
}

fn longest(waits: &[Wait], request: Wait) -> Micros {
    let meanwhile = waits.iter().filter(|wait| wait.overlaps(request));
    let longest = meanwhile.map(|wait| wait.took).max();
    longest.unwrap_or_default().into()
}

fn quantiles(waits: &[Wait]) -> Quantiles {
    let mut took: Vec<Duration> = waits.iter().map(|wait| wait.took).collect();
    took.sort_unstable();
    let of = |per_mille: usize| {
        let rank = (took.len() * per_mille).div_ceil(1000).saturating_sub(1);
        took.get(rank).copied().unwrap_or_default().into()
    };
    Quantiles {
        p50: of(500),
        p99: of(990),
        p999: of(999),
        slowest: of(1000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Meanwhile, Micros, Noted, Synced, Wait};

    fn wait(begun: u64, took: u64) -> Wait {
        Wait {
            begun: Duration::from_millis(begun),
            took: Duration::from_millis(took),
        }
    }

    #[test]
    fn only_what_stood_still_while_a_request_waited_is_told_of_it() {
        let noted = Noted {
            hiccups: vec![wait(90, 5), wait(105, 2), wait(108, 15), wait(125, 50)],
            disk: vec![wait(50, 1), wait(200, 30)],
            synced: Vec::new(),
        };
        let expected = Meanwhile {
            hiccup: Micros::new(15_000),
            hiccups: Micros::new(2_000 + 12_000),
            ..Meanwhile::default()
        };
        assert_eq!(noted.during(wait(100, 20)), expected);
    }

    #[test]
    fn slow_syncs_count_as_far_as_they_are_slower_than_the_mean() {
        let look = |at, syncs, seconds| Synced {
            at: Duration::from_millis(at),
            syncs,
            seconds,
        };
        let noted = Noted {
            synced: vec![
                look(0, 0.0, 0.0),
                look(1000, 1000.0, 0.5),
                look(1100, 1010.0, 0.595),
                look(2000, 2000.0, 1.0),
            ],
            ..Noted::default()
        };
        // Of the mean, half a millisecond, ten take 5 ms; these took 95.
        assert_eq!(
            noted.during(wait(1020, 80)).syncs,
            Micros::new(90_000 - 10_000)
        );
        assert_eq!(noted.during(wait(1000, 100)).syncs, Micros::new(90_000));
        assert_eq!(noted.during(wait(0, 1000)).syncs, Micros::new(0));
    }

    #[test]
    fn quantiles_are_of_all_that_was_noted() {
        let noted = Noted {
            hiccups: (1..=1000).map(|took| wait(0, took)).collect(),
            ..Noted::default()
        };
        let (hiccups, disk) = noted.quantiles();
        assert_eq!(hiccups.p50, Micros::new(500_000));
        assert_eq!(hiccups.p999, Micros::new(999_000));
        assert_eq!(hiccups.slowest, Micros::new(1_000_000));
        assert_eq!(disk.slowest, Micros::default());
    }
}
