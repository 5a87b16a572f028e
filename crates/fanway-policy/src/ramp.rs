//! How a target that was left alone is taken up again: with few attempts at a time, and more as
//! they succeed.
//!
//! A ramp begins with [`FIRST`] attempts at a time; each success allows one more, so that their
//! number doubles with each round trip (the slow start of RFC 5681, section 3.1). A failure takes
//! one off. It is over when it allows as many as the target may have anyhow: what remains of it then is
//! a branch.

use std::time::Instant;

/// Attempts at a time that a ramp begins with.
pub const FIRST: usize = 4;

/// A target's ramp.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ramp(Option<Climb>);

#[derive(Clone, Copy, Debug)]
struct Climb {
    /// What began before says nothing about the target since.
    since: Instant,
    allowed: usize,
}

impl Ramp {
    /// Begins it anew.
    pub fn begin(&mut self, now: Instant) {
        self.0 = Some(Climb {
            since: now,
            allowed: FIRST,
        });
    }

    /// How many attempts may be in flight where `most` may anyhow.
    #[must_use]
    pub fn allowed(&self, most: usize) -> usize {
        self.0.map_or(most, |climb| climb.allowed.min(most))
    }

    /// Whether it allows less than `most`.
    #[must_use]
    pub fn binds(&self, most: usize) -> bool {
        self.0.is_some_and(|climb| climb.allowed < most)
    }

    /// Learns from an attempt that began at `began` and succeeded, or failed; `most` may be in flight
    /// anyhow.
    pub fn observe(&mut self, began: Instant, is_success: bool, most: usize) {
        let Some(climb) = &mut self.0 else { return };
        if began < climb.since {
            return;
        }
        if is_success {
            climb.allowed += 1;
        } else {
            climb.allowed = (climb.allowed - 1).max(FIRST);
        }
        if climb.allowed >= most {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Ramp;

    /// What a ramp toward `most` allows after each round trip in which all that it allows succeeds.
    #[track_caller]
    fn check(most: usize, expected: &[usize]) {
        let now = Instant::now();
        let mut ramp = Ramp::default();
        ramp.begin(now);
        let mut allowed = vec![ramp.allowed(most)];
        while ramp.binds(most) {
            for _ in 0..ramp.allowed(most) {
                ramp.observe(now, true, most);
            }
            allowed.push(ramp.allowed(most));
        }
        assert_eq!(allowed, expected);
    }

    #[test]
    fn it_doubles_with_each_round_trip_until_all_is_allowed() {
        check(64, &[4, 8, 16, 32, 64]);
        check(10, &[4, 8, 10]);
        check(4, &[4]);
        check(1, &[1]);
    }

    #[test]
    fn without_one_all_is_allowed() {
        let mut ramp = Ramp::default();
        assert_eq!(ramp.allowed(64), 64);
        ramp.observe(Instant::now(), false, 64);
        assert!(!ramp.binds(64));
    }

    #[test]
    fn a_failure_takes_one_off_and_never_falls_below_where_it_began() {
        let now = Instant::now();
        let mut ramp = Ramp::default();
        ramp.begin(now);
        for _ in 0..16 {
            ramp.observe(now, true, 64);
        }
        ramp.observe(now, false, 64);
        assert_eq!(ramp.allowed(64), 19);
        for _ in 0..100 {
            ramp.observe(now, false, 64);
        }
        assert_eq!(ramp.allowed(64), 4);
    }

    #[test]
    fn a_target_that_fails_now_and_then_is_given_all_the_same() {
        let now = Instant::now();
        let mut ramp = Ramp::default();
        ramp.begin(now);
        for attempt in 0..100 {
            ramp.observe(now, attempt % 10 != 0, 64);
        }
        assert!(!ramp.binds(64));
    }

    #[test]
    fn what_began_before_it_says_nothing() {
        let now = Instant::now();
        let mut ramp = Ramp::default();
        ramp.begin(now + Duration::from_secs(1));
        for _ in 0..100 {
            ramp.observe(now, true, 64);
        }
        assert_eq!(ramp.allowed(64), 4);
    }
}
