//! Whether a target is well enough to be attempted.
//!
//! A breaker is closed while the target is well. It opens after a run of failures, when failures
//! or slow answers prevail within its window, or at once when the target refuses our credentials.
//! While it is open
//! nothing is attempted; when [`Params::open_for`] is over it is half-open and lets one attempt
//! through at a time, a probe. One bad probe opens it again; enough good ones, or a single one
//! where it was only about credentials, close it.
//!
//! An attempt that began before the breaker last changed says nothing about the target since, and
//! is ignored when it ends.

mod window;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use window::Window;

/// When a target's breaker opens, and how it closes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// Failures in a row that open it.
    pub consecutive: NonZeroU32,
    /// The share of failures within the window that opens it, above 0 and at most 1.
    pub failure_ratio: f64,
    /// How long an attempt takes at least that is slow, whatever comes of it; `None` where none is.
    pub slow: Option<Duration>,
    /// The share of slow attempts within the window that opens it, above 0 and at most 1.
    pub slow_ratio: f64,
    /// Attempts within the window below which the shares say nothing.
    pub minimum: u32,
    /// How far back the shares look.
    pub window: Duration,
    /// How long it stays open before it lets probes through.
    pub open_for: Duration,
    /// Probes that must succeed, one after the other, before it closes.
    pub probes: NonZeroU32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            consecutive: NonZeroU32::new(10).expect("10 is not 0"),
            failure_ratio: 0.5,
            slow: None,
            slow_ratio: 0.8,
            minimum: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(30),
            probes: NonZeroU32::new(3).expect("3 is not 0"),
        }
    }
}

/// What an attempt, now over, says about its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It does its work. A request that it refuses for good is the message's fault, not its own.
    Well,
    /// It failed in a way that may pass: no answer, or one that is worth another attempt.
    Ill,
    /// It refuses our credentials.
    CredentialsRefused,
    /// Nothing: the attempt wasn't made, or the target asked for time.
    Nothing,
}

/// Why a breaker isn't closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The target failed too often.
    Failures,
    /// The target refuses our credentials.
    Credentials,
    /// The target was too slow too often.
    Slow,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Attempts are made.
    Closed,
    /// None is.
    Open {
        /// Why.
        cause: Cause,
        /// When probes begin.
        until: Instant,
    },
    /// One probe at a time is.
    HalfOpen {
        /// Why it was open.
        cause: Cause,
        /// Probes that have succeeded since.
        succeeded: u32,
        /// Whether one is under way.
        probing: bool,
    },
}

/// The right to make one attempt. It has to be handed back to [`Breaker::observe`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    /// The state's number in which it was given.
    era: u64,
    probe: bool,
}

impl Permit {
    /// Whether the attempt is a probe: if it fails, it uses nothing of its delivery up.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe
    }
}

/// A target's breaker.
#[derive(Debug)]
pub struct Breaker {
    params: Params,
    state: State,
    /// Counted up by each opening and closing.
    era: u64,
    /// Failures in a row, while closed.
    in_a_row: u32,
    window: Window,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(params: Params, now: Instant) -> Self {
        Self {
            window: Window::new(params.window, now),
            params,
            state: State::Closed,
            era: 0,
            in_a_row: 0,
        }
    }

    /// A breaker that is open until then, as it was before the process began.
    #[must_use]
    pub fn opened(params: Params, cause: Cause, until: Instant, now: Instant) -> Self {
        Self {
            state: State::Open { cause, until },
            ..Self::new(params, now)
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it isn't closed; `None` where it is.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self.state {
            State::Closed => None,
            State::Open { cause, .. } | State::HalfOpen { cause, .. } => Some(cause),
        }
    }

    /// Allows one attempt, where one may be made now.
    #[must_use]
    pub fn admit(&mut self, now: Instant) -> Option<Permit> {
        if let State::Open { cause, until } = self.state
            && now >= until
        {
            self.state = State::HalfOpen {
                cause,
                succeeded: 0,
                probing: false,
            };
        }
        let probe = match &mut self.state {
            State::Closed => false,
            State::HalfOpen { probing, .. } if !*probing => {
                *probing = true;
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => return None,
        };
        Some(Permit {
            era: self.era,
            probe,
        })
    }

    /// Learns from an attempt that is over, and took so long.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn observe(&mut self, permit: Permit, sign: Sign, took: Duration, now: Instant) {
        if permit.era != self.era {
            return;
        }
        if sign == Sign::CredentialsRefused {
            self.open(Cause::Credentials, now);
            return;
        }
        let is_slow = self.params.slow.is_some_and(|slow| took >= slow);
        match self.state {
            State::Closed => self.observe_closed(sign, is_slow, now),
            // One that is slow is no better than one that fails: it would open the breaker again.
            State::HalfOpen { .. } if is_slow && sign == Sign::Well => self.open(Cause::Slow, now),
            State::HalfOpen {
                cause, succeeded, ..
            } => self.observe_probe(cause, succeeded, sign, now),
            State::Open { .. } => {}
        }
    }

    fn observe_closed(&mut self, sign: Sign, is_slow: bool, now: Instant) {
        let is_failure = match sign {
            Sign::Well => false,
            Sign::Ill => true,
            Sign::Nothing | Sign::CredentialsRefused => return,
        };
        self.in_a_row = if is_failure {
            self.in_a_row.saturating_add(1)
        } else {
            0
        };
        self.window.add(is_failure, is_slow, now);
        // Only what counts for it can open it.
        if is_failure && self.fails_too_often() {
            self.open(Cause::Failures, now);
        } else if is_slow && self.is_too_slow() {
            self.open(Cause::Slow, now);
        }
    }

    fn observe_probe(&mut self, cause: Cause, succeeded: u32, sign: Sign, now: Instant) {
        let succeeded = match sign {
            Sign::Well => succeeded.saturating_add(1),
            Sign::Ill | Sign::CredentialsRefused => return self.open(cause, now),
            Sign::Nothing => succeeded,
        };
        let wanted = match cause {
            Cause::Failures | Cause::Slow => self.params.probes.get(),
            Cause::Credentials => 1,
        };
        if succeeded >= wanted {
            return self.close(now);
        }
        self.state = State::HalfOpen {
            cause,
            succeeded,
            probing: false,
        };
    }

    fn fails_too_often(&self) -> bool {
        let counts = self.window.counts();
        self.in_a_row >= self.params.consecutive.get()
            || self.prevail(counts.failures, counts.total, self.params.failure_ratio)
    }

    fn is_too_slow(&self) -> bool {
        let counts = self.window.counts();
        self.prevail(counts.slow, counts.total, self.params.slow_ratio)
    }

    fn prevail(&self, some: u32, total: u32, ratio: f64) -> bool {
        let share = f64::from(some) / f64::from(total.max(1));
        total >= self.params.minimum && share >= ratio
    }

    fn open(&mut self, cause: Cause, now: Instant) {
        // An end that no clock reaches is as good as a year.
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let until = now + self.params.open_for.min(YEAR);
        self.change(State::Open { cause, until }, now);
    }

    fn close(&mut self, now: Instant) {
        self.change(State::Closed, now);
    }

    fn change(&mut self, state: State, now: Instant) {
        self.state = state;
        self.era += 1;
        self.in_a_row = 0;
        self.window = Window::new(self.params.window, now);
    }
}

#[cfg(test)]
mod tests;
