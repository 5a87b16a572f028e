//! Whether a lane may make an attempt, and what follows from one that is over.
//!
//! It brings the policy's parts together: the breaker with the watch over our credentials, the
//! pause that a target asks for, the schedule of retries. It makes no attempts itself, and knows
//! nothing of stores.

use std::time::Duration;

use fanway_policy::breaker::{self, Breaker, Cause, Permit, Sign, State};
use fanway_policy::credentials;
use fanway_policy::exchange::{Class, Exchange};
use fanway_policy::retry::{self, Decision, Failure, Used};
use fanway_types::{AgainCause, DeadReason, End, HeldBy, Timestamp};
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::metrics::AttemptEnd;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The wall clock's.
    pub(super) wall: Timestamp,
    /// The monotonic one's.
    pub(super) steady: Instant,
}

/// An attempt that is over.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) exchange: Exchange<'a>,
    /// When it began.
    pub(super) began: Instant,
    pub(super) took: Duration,
    /// What its delivery had used up before it.
    pub(super) before: Used,
}

/// What follows from an attempt for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) next: Next,
    /// What the delivery has used up.
    pub(super) used: Used,
    /// How metrics count the attempt.
    pub(super) attempt: AttemptEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    End(End),
    Again { wait: Duration, cause: AgainCause },
}

#[derive(Debug)]
pub(super) struct Gate {
    retry: retry::Params,
    breaker: Breaker,
    credentials: credentials::Watch,
    pause: Pause,
    rng: StdRng,
}

/// What a target has asked for by 429.
#[derive(Debug, Default)]
struct Pause {
    /// Set at the first request, and left as it is when the pause is over.
    until: Option<Instant>,
    /// Pauses in a row, with no other answer between.
    in_a_row: u32,
}

impl Gate {
    pub(super) fn new(
        retry: retry::Params,
        breaker: breaker::Params,
        rng: StdRng,
        now: Instant,
    ) -> Self {
        Self {
            retry,
            breaker: Breaker::new(breaker, now.into_std()),
            credentials: credentials::Watch::default(),
            pause: Pause::default(),
            rng,
        }
    }

    /// Allows one attempt, where one may be made now. The permit has to come back, by
    /// [`judge`](Self::judge) or [`hand_back`](Self::hand_back).
    pub(super) fn admit(&mut self, now: Instant) -> Option<Permit> {
        if self.paused_until(now).is_some() {
            return None;
        }
        self.breaker.admit(now.into_std())
    }

    /// Takes back the permit of an attempt that wasn't made.
    pub(super) fn hand_back(&mut self, permit: Permit, now: Instant) {
        self.breaker.observe(permit, Sign::Nothing, now.into_std());
    }

    /// When an attempt may be made again, where that is a matter of time.
    pub(super) fn opens_at(&self, now: Instant) -> Option<Instant> {
        let breaker = match self.breaker.state() {
            State::Open { until, .. } => Some(Instant::from_std(until)),
            State::Closed | State::HalfOpen { .. } => None,
        };
        breaker.max(self.paused_until(now))
    }

    /// What it is closed by.
    pub(super) fn held_by(&self, now: Instant) -> Option<HeldBy> {
        match self.cause() {
            Some(Cause::Credentials) => Some(HeldBy::Credentials),
            Some(Cause::Failures) => Some(HeldBy::Breaker),
            None => self.paused_until(now).map(|_| HeldBy::Limit),
        }
    }

    /// Why the breaker isn't closed.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.breaker.cause()
    }

    pub(super) fn breaker(&self) -> State {
        self.breaker.state()
    }

    fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.until.filter(|until| *until > now)
    }

    /// Decides what follows from an attempt, for its delivery and for those after it.
    pub(super) fn judge(&mut self, attempt: &Attempt<'_>, permit: Permit, now: Now) -> Judgement {
        let class = self.classify(&attempt.exchange, now.wall);
        if !matches!(class, Class::Pushback { .. }) {
            self.pause.in_a_row = 0;
        }
        let is_probe = permit.is_probe();
        let sign = match class {
            Class::Success | Class::Final => Sign::Well,
            Class::Transient { .. } => Sign::Ill,
            Class::CredentialsRefused => Sign::CredentialsRefused,
            Class::Pushback { .. } => Sign::Nothing,
        };
        self.breaker.observe(permit, sign, now.steady.into_std());
        match class {
            Class::Success => counted(attempt, End::Delivered, AttemptEnd::Delivered),
            Class::Final => {
                let end = End::Dead(DeadReason::Refused);
                counted(attempt, end, AttemptEnd::Refused)
            }
            Class::Pushback { asked } => self.push_back(attempt, asked, now),
            Class::CredentialsRefused => self.probe_again(attempt, AttemptEnd::Credentials, now),
            Class::Transient { .. } if is_probe => {
                self.probe_again(attempt, AttemptEnd::Failed, now)
            }
            Class::Transient { asked } => self.retry(attempt, asked, now.wall),
        }
    }

    fn classify(&mut self, exchange: &Exchange<'_>, now: Timestamp) -> Class {
        if let Exchange::Answered { status, .. } = exchange {
            let is_suspected = self.breaker.cause() == Some(Cause::Credentials);
            if self.credentials.observe(*status, is_suspected) {
                return Class::CredentialsRefused;
            }
        }
        exchange.classify(self.retry.on, now)
    }

    fn retry(
        &mut self,
        attempt: &Attempt<'_>,
        asked: Option<Timestamp>,
        now: Timestamp,
    ) -> Judgement {
        let failure = Failure {
            before: attempt.before,
            took: attempt.took,
            asked,
        };
        let (next, used) = match self.retry.next(&failure, now, &mut self.rng) {
            Decision::Again { wait, used } => {
                let cause = AgainCause::Failed;
                (Next::Again { wait, cause }, used)
            }
            Decision::GiveUp { used } => (Next::End(End::Dead(DeadReason::Exhausted)), used),
        };
        Judgement {
            next,
            used,
            attempt: AttemptEnd::Failed,
        }
    }

    /// Pauses the lane, and the delivery with it.
    fn push_back(
        &mut self,
        attempt: &Attempt<'_>,
        asked: Option<Timestamp>,
        now: Now,
    ) -> Judgement {
        // Attempts that were in flight when the pause began are part of the same request.
        let is_new = self.pause.until.is_none_or(|until| attempt.began >= until);
        if is_new {
            self.pause.in_a_row = self.pause.in_a_row.saturating_add(1);
        }
        let pause = self.retry.pause(asked, self.pause.in_a_row, now.wall);
        let until = (now.steady + pause).max(self.pause.until.unwrap_or(now.steady));
        self.pause.until = Some(until);
        Judgement {
            next: Next::Again {
                wait: until - now.steady,
                cause: AgainCause::Pushback,
            },
            used: attempt.before,
            attempt: AttemptEnd::Pushback,
        }
    }

    /// Nothing of the delivery is used up; it waits until the next probe, behind the others.
    fn probe_again(&self, attempt: &Attempt<'_>, end: AttemptEnd, now: Now) -> Judgement {
        let until = self.opens_at(now.steady).unwrap_or(now.steady);
        Judgement {
            next: Next::Again {
                wait: until - now.steady,
                cause: AgainCause::Probe,
            },
            used: attempt.before,
            attempt: end,
        }
    }
}

/// The end of a delivery by an attempt that counts.
fn counted(attempt: &Attempt<'_>, end: End, metric: AttemptEnd) -> Judgement {
    let before = attempt.before;
    Judgement {
        next: Next::End(end),
        used: Used {
            attempts: before.attempts.saturating_add(1),
            time: before.time.saturating_add(attempt.took),
        },
        attempt: metric,
    }
}
