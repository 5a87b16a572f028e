//! When a target may be attempted that says how much it still takes.
//!
//! Where something remains, attempts are spread over the time that it has to last, so that it
//! doesn't run dry: up to a tenth of it may go out at once, the rest evenly. Where nothing remains,
//! nothing is attempted until the time is over. What is in flight counts as taken, since the target
//! may not have counted it when it answered. When the time is over nobody knows what it takes then:
//! one attempt goes ahead, and its answer tells.
//!
//! A target that says nothing of the kind isn't held.

use std::time::{Duration, Instant};

use crate::quota::Quota;

/// Resets are told in whole seconds: one that is no later than this is the one that is known.
const RESOLUTION: Duration = Duration::from_secs(1);

/// No time is longer, so that moments can be reckoned with.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// This part of what remains may go out at once.
const AT_ONCE: u64 = 10;

/// How a target is paced.
#[derive(Debug, Default)]
pub struct Pace {
    state: State,
    /// Attempts that have begun and aren't over.
    in_flight: u64,
}

#[derive(Debug, Default)]
enum State {
    /// The target hasn't said anything.
    #[default]
    Free,
    Known(Known),
    /// What it said was for a time that is over.
    Over {
        /// Whether the attempt is under way whose answer is to tell.
        is_asking: bool,
    },
}

/// What a target still takes, for a time that isn't over when it was last looked at.
#[derive(Debug)]
struct Known {
    /// The least that it has said within this time, less what was taken without a word.
    remaining: u64,
    until: Instant,
    /// When the next attempt would be, were all evenly spread.
    even: Instant,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Now.
    Now,
    /// Not before this.
    At(Instant),
    /// When the one that is under way has told what the target takes.
    AfterAnswer,
}

impl Pace {
    /// Whether an attempt may be made at `now`.
    #[must_use]
    pub fn opening(&self, now: Instant) -> Opening {
        match &self.state {
            State::Free => Opening::Now,
            State::Over { is_asking: false } => Opening::Now,
            State::Over { is_asking: true } => Opening::AfterAnswer,
            State::Known(known) if now >= known.until => Opening::Now,
            State::Known(known) => known.opening(self.in_flight, now),
        }
    }

    /// An attempt begins, which [`opening`](Self::opening) has allowed or which is made all the same.
    pub fn begin(&mut self, now: Instant) {
        match &mut self.state {
            State::Free => {}
            State::Known(known) if now < known.until => known.begin(self.in_flight, now),
            State::Known(_) | State::Over { .. } => self.state = State::Over { is_asking: true },
        }
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// Whether the target has said nothing that holds yet.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self.state, State::Free)
    }

    /// An attempt is made of which nothing will be learnt: it counts as taken from now on.
    pub fn beside(&mut self, now: Instant) {
        if let State::Known(known) = &mut self.state
            && now < known.until
        {
            known.begin(self.in_flight, now);
            known.remaining = known.remaining.saturating_sub(1);
        }
    }

    /// An attempt that had begun was not made.
    pub fn unmade(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let State::Over { is_asking } = &mut self.state {
            *is_asking = false;
        }
    }

    /// An attempt is over, and the target has said this. No time is longer than `longest`.
    pub fn end(&mut self, told: Option<Quota>, longest: Duration, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match (&mut self.state, told) {
            (State::Known(known), Some(quota)) if known.is_same(quota, longest, now) => {
                known.remaining = known.remaining.min(quota.remaining);
            }
            (State::Known(known), None) => known.remaining = known.remaining.saturating_sub(1),
            (_, Some(quota)) if !longest.is_zero() => {
                self.state = State::Known(Known {
                    remaining: quota.remaining,
                    until: until(quota, longest, now),
                    even: now,
                });
            }
            (State::Over { .. }, _) => self.state = State::Free,
            (State::Free | State::Known(_), _) => {}
        }
    }
}

impl Known {
    /// What can be sent beside what is in flight.
    fn left(&self, in_flight: u64) -> u64 {
        self.remaining.saturating_sub(in_flight)
    }

    /// How far apart attempts are, where so many are left.
    fn interval(&self, left: u64, now: Instant) -> Duration {
        let time = self.until.saturating_duration_since(now);
        let nanos = time.as_nanos() / u128::from(left.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn opening(&self, in_flight: u64, now: Instant) -> Opening {
        let left = self.left(in_flight);
        if left == 0 {
            return Opening::At(self.until);
        }
        let ahead = u32::try_from((left / AT_ONCE).saturating_sub(1)).unwrap_or(u32::MAX);
        let ahead = self.interval(left, now).saturating_mul(ahead);
        match self.even.checked_sub(ahead) {
            Some(at) if at > now => Opening::At(at.min(self.until)),
            _ => Opening::Now,
        }
    }

    fn begin(&mut self, in_flight: u64, now: Instant) {
        let interval = self.interval(self.left(in_flight), now);
        self.even = self.even.max(now) + interval;
    }

    /// Whether a quota is for the time that is known, and not for a later one.
    fn is_same(&self, quota: Quota, longest: Duration, now: Instant) -> bool {
        let until = until(quota, longest, now);
        now < self.until && until <= self.until + RESOLUTION && until + RESOLUTION >= self.until
    }
}

/// When the time of a quota is over: no later than in `longest`, or in a year.
fn until(quota: Quota, longest: Duration, now: Instant) -> Instant {
    now + quota.reset.min(longest).min(YEAR)
}

#[cfg(test)]
mod tests;
