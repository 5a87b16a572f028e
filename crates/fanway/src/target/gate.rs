//! Whether a target may be attempted now, and what follows from an attempt: the policies, brought
//! together. It waits for nothing and makes no attempts.

use std::time::Duration;

use fanway_policy::breaker::{self, Breaker, Permit, Sign, State};
use fanway_policy::concurrency::Concurrency;
use fanway_policy::credentials::Watch;
use fanway_policy::exchange::{self, Class, Exchange, Rules};
use fanway_policy::limits::{Bearing, Limits, Over};
use fanway_policy::pace::{Opening, Pace};
use fanway_policy::quota::Quota;
use fanway_policy::rate;
use fanway_policy::retry::{self, Decision, Failure, Used};
use fanway_types::Timestamp;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::outcome::Hold;

/// What a target's builder says.
pub(super) struct Policies {
    pub(super) answers: exchange::Params,
    pub(super) retry: retry::Params,
    pub(super) breaker: breaker::Params,
    pub(super) concurrency: Concurrency,
    pub(super) rate: Option<rate::Params>,
}

/// A moment by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Timestamp,
    pub(super) steady: Instant,
}

/// The right to make one attempt. It comes back by [`Gate::judge`] or [`Gate::hand_back`].
#[must_use]
pub(super) struct Pass {
    permit: Permit,
    /// Whether the breaker is half-open: if the attempt fails, it uses nothing up.
    is_probe: bool,
    began: Instant,
}

/// Why there is no pass, and until when, where that is a matter of time alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) by: Hold,
    pub(super) until: Option<Instant>,
}

/// An attempt that is over.
pub(super) struct Attempt<'a> {
    pub(super) exchange: Exchange<'a>,
    /// What the target has said of its limits.
    pub(super) told: Option<Quota>,
    pub(super) took: Duration,
    /// What its delivery had used up before it.
    pub(super) before: Used,
}

/// What follows from an attempt for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Delivered,
    Refused,
    GiveUp,
    /// Another attempt after that wait.
    Again {
        wait: Duration,
        used: Used,
    },
    /// Another attempt, when the gate is open again.
    AtGate {
        used: Used,
    },
}

pub(super) struct Gate {
    answers: Rules,
    retry: retry::Params,
    breaker: Breaker,
    pace: Pace,
    credentials: Watch,
    limits: Limits,
    /// Until when the target has asked for time by 429.
    pushback: Option<Instant>,
    /// How often it has in a row, with no other answer between.
    pushbacks: u32,
    in_flight: usize,
    rng: StdRng,
}

impl Gate {
    pub(super) fn new(policies: Policies) -> Self {
        let now = Instant::now().into_std();
        Self {
            // What 410 disables in the gateway until a person sees to it is a refusal here.
            answers: Rules::new(&policies.answers).from_data(),
            retry: policies.retry,
            breaker: Breaker::new(policies.breaker, now),
            pace: Pace::default(),
            credentials: Watch::default(),
            limits: Limits::new(policies.concurrency, policies.rate, now),
            pushback: None,
            pushbacks: 0,
            in_flight: 0,
            rng: rand::make_rng(),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Allows one attempt, or says what it is held by.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Pass, Held> {
        if let Some(held) = self.held(now) {
            return Err(held);
        }
        let steady = now.into_std();
        let Some(permit) = self.breaker.admit(steady) else {
            let by = self.breaker_hold();
            return Err(Held { by, until: None });
        };
        self.pace.begin(steady);
        // It isn't given back: each pass is for an attempt that is made.
        let _token = self.limits.take(steady);
        self.in_flight += 1;
        Ok(Pass {
            is_probe: permit.is_probe(),
            permit,
            began: now,
        })
    }

    /// What holds it, but for a probe that is under way.
    pub(super) fn held(&self, now: Instant) -> Option<Held> {
        let steady = now.into_std();
        let later = |by, at| Held {
            by,
            until: Some(at),
        };
        if let State::Open { until, .. } = self.breaker.state()
            && steady < until
        {
            return Some(later(self.breaker_hold(), Instant::from_std(until)));
        }
        if let Some(until) = self.pushback.filter(|until| *until > now) {
            return Some(later(Hold::Pushback, until));
        }
        if self.in_flight >= self.limits.concurrency() {
            let by = Hold::Limit;
            return Some(Held { by, until: None });
        }
        if let Some(until) = self.limits.held_until(steady) {
            return Some(later(Hold::Limit, Instant::from_std(until)));
        }
        let by = Hold::Pushback;
        match self.pace.opening(steady) {
            Opening::Now => None,
            Opening::At(at) => Some(later(by, Instant::from_std(at))),
            Opening::AfterAnswer => Some(Held { by, until: None }),
        }
    }

    fn breaker_hold(&self) -> Hold {
        match self.breaker.cause() {
            Some(breaker::Cause::Credentials) => Hold::Credentials,
            Some(breaker::Cause::Failures | breaker::Cause::Slow) | None => Hold::Breaker,
        }
    }

    /// Takes back the pass of an attempt that was broken off: nothing is learnt of it.
    pub(super) fn hand_back(&mut self, pass: Pass, now: Instant) {
        let longest = self.retry.max_pause;
        self.in_flight -= 1;
        self.pace.end(None, longest, now.into_std());
        self.learn(pass.permit, Sign::Nothing, Duration::ZERO, now);
    }

    /// Decides what follows from an attempt, for its delivery and for those after it.
    pub(super) fn judge(&mut self, attempt: &Attempt<'_>, pass: Pass, now: Now) -> Next {
        let class = self.classify(&attempt.exchange, now.wall);
        self.learn_pace(attempt, now.steady);
        if !matches!(class, Class::Pushback { .. }) {
            self.pushbacks = 0;
        }
        let over = Over {
            began: pass.began.into_std(),
            took: attempt.took,
            in_flight: self.in_flight,
        };
        let steady = now.steady.into_std();
        self.limits.observe(over, Bearing::from(&class), steady);
        self.in_flight -= 1;
        let sign = sign_of(&class, &attempt.exchange);
        self.learn(pass.permit, sign, attempt.took, now.steady);
        let used = attempt.before;
        match class {
            Class::Success => Next::Delivered,
            Class::Final | Class::Gone | Class::Forbidden => Next::Refused,
            Class::Pushback { asked } => {
                let reset = attempt.told;
                let reset = reset.map(|quota| now.wall.saturating_add(quota.reset));
                self.push_back(asked.or(reset), pass.began, now);
                Next::AtGate { used }
            }
            Class::CredentialsRefused => Next::AtGate { used },
            Class::Transient { .. } if pass.is_probe => Next::AtGate { used },
            Class::Transient { asked } => self.retry(attempt, asked, now.wall),
        }
    }

    fn classify(&mut self, exchange: &Exchange<'_>, now: Timestamp) -> Class {
        if let Exchange::Answered { status, .. } = exchange {
            let is_suspected = self.breaker.cause() == Some(breaker::Cause::Credentials);
            let status = self.answers.as_to_credentials(*status);
            if self.credentials.observe(status, is_suspected) {
                return Class::CredentialsRefused;
            }
        }
        exchange.classify(&self.answers, now)
    }

    /// A `Retry-After` wins over what the same answer says of its limits
    /// (draft-ietf-httpapi-ratelimit-headers-09).
    fn learn_pace(&mut self, attempt: &Attempt<'_>, now: Instant) {
        let is_overruled = matches!(
            attempt.exchange,
            Exchange::Answered {
                status: 429,
                retry_after: Some(_),
                ..
            }
        );
        let told = attempt.told.filter(|_| !is_overruled);
        self.pace.end(told, self.retry.max_pause, now.into_std());
    }

    fn learn(&mut self, permit: Permit, sign: Sign, took: Duration, now: Instant) {
        let was_closed = self.breaker.state() == State::Closed;
        self.breaker.observe(permit, sign, took, now.into_std());
        if !was_closed && self.breaker.state() == State::Closed {
            self.limits.ramp_up(now.into_std());
        }
    }

    fn retry(&mut self, attempt: &Attempt<'_>, asked: Option<Timestamp>, now: Timestamp) -> Next {
        let failure = Failure {
            before: attempt.before,
            took: attempt.took,
            asked,
        };
        match self.retry.next(&failure, now, &mut self.rng) {
            Decision::Again { wait, used } => Next::Again { wait, used },
            Decision::GiveUp { .. } => Next::GiveUp,
        }
    }

    fn push_back(&mut self, asked: Option<Timestamp>, began: Instant, now: Now) {
        // Attempts that were in flight when the time began are part of the same request.
        if self.pushback.is_none_or(|until| began >= until) {
            self.pushbacks = self.pushbacks.saturating_add(1);
        }
        let pause = self.retry.pause(asked, self.pushbacks, now.wall);
        let until = (now.steady + pause).max(self.pushback.unwrap_or(now.steady));
        self.pushback = Some(until);
        self.limits.ramp_up(until.into_std());
    }
}

fn sign_of(class: &Class, exchange: &Exchange<'_>) -> Sign {
    match class {
        Class::Final if exchange.is_silence() => Sign::Ill,
        Class::Success | Class::Final => Sign::Well,
        Class::Transient { .. } => Sign::Ill,
        Class::CredentialsRefused => Sign::CredentialsRefused,
        Class::Pushback { .. } | Class::Gone | Class::Forbidden => Sign::Nothing,
    }
}
