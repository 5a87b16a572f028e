//! When an endpoint is left out because its attempts fail, and for how long.
//!
//! So many failures in a row eject it. The time for which they do grows with each ejection that
//! follows soon upon the last, up to [`LONGEST`] times the first. Once it is back a single failure
//! ejects it again, since a success is still owed; a success makes it whole.
//!
//! An attempt that began before an endpoint was ejected, or while it was, says nothing against it
//! when it ends: it is part of what it was ejected for.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// By how much an ejection can be longer than the first.
pub const LONGEST: u32 = 10;

/// When an endpoint is ejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Failures in a row that eject it.
    pub consecutive: NonZeroU32,
    /// For how long they do, the first time.
    pub duration: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            consecutive: NonZeroU32::new(5).expect("5 is not 0"),
            duration: Duration::from_secs(30),
        }
    }
}

/// What its attempts have told of an endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Failures in a row. They stay counted while it is ejected.
    in_a_row: u32,
    last: Option<Ejection>,
}

#[derive(Clone, Debug)]
struct Ejection {
    since: Instant,
    until: Instant,
    /// How many times as long as the first it is.
    times: u32,
}

impl Watch {
    /// Until when it is ejected, where it is.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        let last = self.last.as_ref()?;
        Some(last.until).filter(|until| *until > now)
    }

    /// An attempt has succeeded. While it is ejected that ends it: attempts are made then only
    /// where no endpoint is up.
    pub(super) fn succeeded(&mut self, began: Instant) {
        if self.last.as_ref().is_some_and(|last| began < last.since) {
            return;
        }
        self.in_a_row = 0;
        if let Some(last) = &mut self.last {
            last.until = last.until.min(began);
        }
    }

    /// An attempt has failed, which ejects it only where it `may` be.
    pub(super) fn failed(&mut self, params: &Params, began: Instant, now: Instant, may: bool) {
        if self.last.as_ref().is_some_and(|last| began < last.until) {
            return;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if may && self.in_a_row >= params.consecutive.get() {
            self.eject(params, now);
        }
    }

    /// An attempt has failed such that no other needs to: the same as the last of so many in a row.
    pub(super) fn gone(&mut self, params: &Params, began: Instant, now: Instant, may: bool) {
        self.in_a_row = self.in_a_row.max(params.consecutive.get() - 1);
        self.failed(params, began, now, may);
    }

    fn eject(&mut self, params: &Params, now: Instant) {
        let times = match &self.last {
            // It has been well for no longer than it was ejected.
            Some(last) if now.saturating_duration_since(last.until) <= last.until - last.since => {
                (last.times + 1).min(LONGEST)
            }
            _ => 1,
        };
        let duration = params.duration.saturating_mul(times).min(YEAR);
        self.last = Some(Ejection {
            since: now,
            until: now + duration,
            times,
        });
    }
}

/// An end that no clock reaches is as good as a year.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LONGEST, Params, Watch};

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets so many attempts fail, each of which begins and ends at once.
    fn fail(watch: &mut Watch, times: u32, now: Instant) {
        for _ in 0..times {
            watch.failed(&Params::default(), now, now, true);
        }
    }

    #[test]
    fn so_many_failures_in_a_row_eject() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        fail(&mut watch, 4, now);
        watch.succeeded(now);
        fail(&mut watch, 4, now);
        assert_eq!(watch.until(now), None);
        fail(&mut watch, 1, now);
        assert_eq!(watch.until(now), Some(now + 30 * SECOND));
        assert_eq!(watch.until(now + 30 * SECOND), None);
    }

    #[test]
    fn one_that_is_gone_is_ejected_at_once_unless_it_is_the_last() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        watch.gone(&Params::default(), now, now, false);
        assert_eq!(watch.until(now), None);
        watch.gone(&Params::default(), now, now, true);
        assert_eq!(watch.until(now), Some(now + 30 * SECOND));
    }

    #[test]
    fn the_last_one_is_ejected_as_soon_as_it_isnt_the_last() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        for _ in 0..9 {
            watch.failed(&Params::default(), now, now, false);
        }
        assert_eq!(watch.until(now), None);
        fail(&mut watch, 1, now);
        assert!(watch.until(now).is_some());
    }

    #[test]
    fn each_ejection_that_follows_soon_is_longer_up_to_a_bound() {
        let (mut watch, mut now) = (Watch::default(), Instant::now());
        fail(&mut watch, 5, now);
        for times in 2..20 {
            now = watch.until(now).expect("it is ejected");
            fail(&mut watch, 1, now);
            let expected = now + 30 * SECOND * times.min(LONGEST);
            assert_eq!(watch.until(now), Some(expected), "{times}");
        }
    }

    #[test]
    fn one_that_was_well_for_longer_than_it_was_ejected_begins_anew() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        fail(&mut watch, 5, now);
        let well = now + 61 * SECOND;
        watch.succeeded(well);
        fail(&mut watch, 5, well);
        assert_eq!(watch.until(well), Some(well + 30 * SECOND));
    }

    #[test]
    fn what_began_before_it_was_back_says_nothing_against_it() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        fail(&mut watch, 5, now);
        let back = now + 30 * SECOND;
        watch.failed(&Params::default(), now + SECOND, back, true);
        assert_eq!(watch.until(back), None);
        watch.failed(&Params::default(), back, back, true);
        assert!(watch.until(back).is_some(), "a success was owed");
    }

    #[test]
    fn a_success_ends_an_ejection_that_it_began_in() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        fail(&mut watch, 5, now);
        watch.succeeded(now - SECOND);
        assert!(watch.until(now).is_some(), "it began before");
        watch.succeeded(now + SECOND);
        assert_eq!(watch.until(now + SECOND), None);
        fail(&mut watch, 4, now + SECOND);
        assert_eq!(watch.until(now + SECOND), None, "it is whole again");
    }
}
