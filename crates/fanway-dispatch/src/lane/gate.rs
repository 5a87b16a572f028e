//! Whether a lane may make an attempt; what follows from one that is over is in `judging`.
//!
//! It brings the policy's parts together: the breaker with the watch over our credentials, the
//! time that a target asks for and the pace that it says it bears, the limits, the schedule of
//! retries; and over them what an operator has set. It makes no attempts itself, and calls no store.

mod judging;
mod limits;
mod trouble;

use std::time::Duration;

use fanway_policy::breaker::{self, Breaker, Permit, Sign, State};
use fanway_policy::concurrency::Concurrency;
use fanway_policy::credentials;
use fanway_policy::exchange::Rules;
use fanway_policy::limits::Limits;
use fanway_policy::pace::{Opening, Pace};
use fanway_policy::rate::{self, Token};
use fanway_policy::retry;
use fanway_store::change::{Control, Force, PauseCause};
use fanway_store::trouble::Trouble;
use fanway_types::{HeldBy, Timestamp};
use rand::rngs::StdRng;
use tokio::time::Instant;

pub(super) use judging::{Attempt, Judgement, Next};
use trouble::Known;
pub(super) use trouble::kept_cause;

use crate::handle;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The wall clock's.
    pub(super) wall: Timestamp,
    /// The monotonic one's.
    pub(super) steady: Instant,
}

/// The right to make one attempt. It has to come back, by [`Gate::judge`] or [`Gate::hand_back`].
#[derive(Debug)]
#[must_use]
pub(super) struct Pass {
    /// The breaker's own; `None` where that gave none, and was passed over.
    permit: Option<Permit>,
    /// The rate's own; `None` where there is no rate.
    token: Option<Token>,
    /// Whether an operator held the breaker closed: a failure counts, whatever the breaker says.
    is_forced: bool,
    /// Which config the attempt is made by.
    config: u32,
}

/// What a config says.
#[derive(Debug)]
pub(super) struct Policies {
    /// What answers mean.
    pub(super) answers: Rules,
    pub(super) retry: retry::Params,
    pub(super) breaker: breaker::Params,
    pub(super) concurrency: Concurrency,
    pub(super) rate: Option<rate::Params>,
}

#[derive(Debug)]
pub(super) struct Gate {
    answers: Rules,
    retry: retry::Params,
    breaker_params: breaker::Params,
    breaker: Breaker,
    pace: Pace,
    credentials: credentials::Watch,
    earlier: Earlier,
    pushback: Pushback,
    /// Why the target is paused, where it is.
    pause: Option<PauseCause>,
    limits: Limits,
    /// The trouble that the store keeps, or is being told.
    kept: Known,
    /// Whether the trouble may have changed since.
    has_news: bool,
    /// What an operator has the breaker do.
    force: Force,
    /// Counted up by each config: an attempt by an earlier one says nothing of the target.
    config: u32,
    rng: StdRng,
}

/// How the credentials of the config before stood when it ended: for attempts that come back since.
#[derive(Debug, Default)]
struct Earlier {
    credentials: credentials::Watch,
    is_suspected: bool,
}

/// What a target has asked for by 429.
#[derive(Debug, Default)]
struct Pushback {
    /// Set at the first request, and left as it is when the time is over.
    until: Option<Instant>,
    /// Requests in a row, with no other answer between.
    in_a_row: u32,
}

impl Gate {
    /// A gate that goes on where the process before has left off, by what it has kept.
    pub(super) fn new(
        policies: Policies,
        control: &Control,
        trouble: &Trouble,
        rng: StdRng,
        now: Now,
    ) -> Self {
        let Policies {
            answers,
            retry,
            breaker,
            concurrency,
            rate,
        } = policies;
        let known = Known::recalled(trouble, breaker.open_for, retry.max_pause, now);
        let mut limits = Limits::new(concurrency, rate, now.steady.into_std());
        if let Some(until) = known.pushback {
            limits.ramp_up(until.into_std());
        }
        Self {
            answers,
            retry,
            breaker: known.breaker(breaker.clone(), now.steady),
            breaker_params: breaker,
            pace: Pace::default(),
            credentials: credentials::Watch::default(),
            earlier: Earlier::default(),
            pushback: Pushback {
                until: known.pushback,
                in_a_row: known.pushback.is_some().into(),
            },
            limits,
            kept: known,
            has_news: false,
            pause: cause_of(control),
            force: control.breaker,
            config: 0,
            rng,
        }
    }

    /// Takes over what an operator has set.
    pub(super) fn control(&mut self, control: &Control, now: Instant) {
        let was_open = self.lets_all_through();
        self.pause = cause_of(control);
        self.force = control.breaker;
        self.ramp_up_after(was_open, now);
    }

    /// Takes over what another config says.
    ///
    /// What the breaker has learnt is kept, unless it is another breaker, or what it has learnt is
    /// that the credentials are refused: there may be others now, and if not that shows at once.
    pub(super) fn reconfigure(&mut self, policies: Policies, now: Instant) {
        let Policies {
            answers,
            retry,
            breaker,
            concurrency,
            rate,
        } = policies;
        let was_open = self.lets_all_through();
        let is_suspected = self.breaker.cause() == Some(breaker::Cause::Credentials);
        if is_suspected || breaker != self.breaker_params {
            self.breaker = Breaker::new(breaker.clone(), now.into_std());
            self.has_news = true;
        }
        self.limits.reconfigure(concurrency, rate, now.into_std());
        self.ramp_up_after(was_open, now);
        self.answers = answers;
        self.retry = retry;
        self.breaker_params = breaker;
        self.earlier = Earlier {
            credentials: std::mem::take(&mut self.credentials),
            is_suspected,
        };
        self.config = self.config.wrapping_add(1);
    }

    /// Allows one attempt, where one may be made now.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Pass> {
        if self.is_shut()
            || self.pushed_back_until(now).is_some()
            || self.limits.held_until(now.into_std()).is_some()
        {
            return None;
        }
        let steady = now.into_std();
        if self.pace.opening(steady) != Opening::Now {
            return None;
        }
        let permit = self.breaker.admit(steady);
        let is_forced = self.force == Force::Closed;
        if permit.is_none() && !is_forced {
            return None;
        }
        self.pace.begin(steady);
        Some(Pass {
            permit,
            token: self.limits.take(now.into_std()),
            is_forced,
            config: self.config,
        })
    }

    /// Takes back the pass of an attempt that wasn't made.
    pub(super) fn hand_back(&mut self, pass: Pass, now: Instant) {
        self.pace.unmade();
        self.limits.give_back(pass.token);
        self.learn(pass.permit, Sign::Nothing, Duration::ZERO, now);
    }

    fn learn(&mut self, permit: Option<Permit>, sign: Sign, took: Duration, now: Instant) {
        let Some(permit) = permit else { return };
        let was_closed = self.breaker.state() == State::Closed;
        self.breaker.observe(permit, sign, took, now.into_std());
        match self.breaker.state() {
            State::Closed if was_closed => {}
            State::Closed => {
                self.has_news = true;
                self.limits.ramp_up(now.into_std());
            }
            State::Open { .. } => self.has_news = true,
            State::HalfOpen { .. } => {}
        }
    }

    /// When an attempt may be made again, where that is a matter of time alone.
    pub(super) fn opens_at(&self, now: Instant) -> Option<Instant> {
        if self.is_shut() {
            return None;
        }
        let breaker = self.breaker_opens_at();
        let breaker = breaker.filter(|_| self.force == Force::Auto);
        let paced = match self.pace.opening(now.into_std()) {
            Opening::At(at) => Some(Instant::from_std(at)),
            Opening::Now | Opening::AfterAnswer => None,
        };
        let pushback = self.pushed_back_until(now);
        let limited = self.limits.held_until(now.into_std());
        let limited = limited.map(Instant::from_std);
        breaker.max(pushback).max(limited).max(paced)
    }

    /// What it is closed by, but for the limits.
    pub(super) fn held_by(&self) -> Option<HeldBy> {
        if self.pause.is_some() {
            return Some(HeldBy::Pause);
        }
        let cause = match self.force {
            Force::Auto => self.breaker.cause(),
            Force::Open => Some(breaker::Cause::Failures),
            Force::Closed => None,
        };
        match cause {
            Some(breaker::Cause::Credentials) => Some(HeldBy::Credentials),
            Some(breaker::Cause::Failures | breaker::Cause::Slow) => Some(HeldBy::Breaker),
            None => None,
        }
    }

    /// Whether the target's own fields have it called later.
    fn is_paced(&self, now: Instant) -> bool {
        self.pace.opening(now.into_std()) != Opening::Now
    }

    /// Whether deliveries pass without being probes first.
    pub(super) fn is_closed(&self) -> bool {
        self.breaker() == handle::Breaker::Closed
    }

    /// The breaker as it is in force.
    pub(super) fn breaker(&self) -> handle::Breaker {
        match (self.force, self.breaker.state()) {
            (Force::Open, _) | (Force::Auto, State::Open { .. }) => handle::Breaker::Open,
            (Force::Auto, State::HalfOpen { .. }) => handle::Breaker::HalfOpen,
            (Force::Closed, _) | (Force::Auto, State::Closed) => handle::Breaker::Closed,
        }
    }

    /// Whether nothing passes because of how the target is, and not because of what an operator
    /// says or it asks for.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.held_by(), Some(HeldBy::Breaker | HeldBy::Credentials))
    }

    /// What the breaker has learnt that isn't well.
    pub(super) fn cause(&self) -> Option<breaker::Cause> {
        self.breaker.cause()
    }

    pub(super) fn force(&self) -> Force {
        self.force
    }

    /// Why the target is paused, where it is.
    pub(super) fn pause(&self) -> Option<PauseCause> {
        self.pause
    }

    /// Whether only an operator opens it again.
    fn is_shut(&self) -> bool {
        self.pause.is_some() || self.force == Force::Open
    }

    fn breaker_opens_at(&self) -> Option<Instant> {
        match self.breaker.state() {
            State::Open { until, .. } => Some(Instant::from_std(until)),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    fn pushed_back_until(&self, now: Instant) -> Option<Instant> {
        self.pushback.until.filter(|until| *until > now)
    }
}

fn cause_of(control: &Control) -> Option<PauseCause> {
    control.pause.as_ref().map(|pause| pause.cause)
}
