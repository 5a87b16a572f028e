//! Whether a lane may make an attempt, and what follows from one that is over.
//!
//! It brings the policy's parts together: the breaker with the watch over our credentials, the
//! time that a target asks for and the pace that it says it bears, the limits, the schedule of
//! retries; and over them what an operator has set. It makes no attempts itself, and calls no store.

mod limits;
mod trouble;

use std::time::Duration;

use fanway_policy::breaker::{self, Breaker, Permit, Sign, State};
use fanway_policy::concurrency::Concurrency;
use fanway_policy::credentials;
use fanway_policy::exchange::{Class, Exchange, Rules};
use fanway_policy::pace::{Opening, Pace};
use fanway_policy::quota::Quota;
use fanway_policy::rate::{self, Token};
use fanway_policy::retry::{self, Decision, Failure, Used};
use fanway_store::change::{Control, Force, PauseCause};
use fanway_store::trouble::Trouble;
use fanway_types::{AgainCause, DeadReason, End, HeldBy, Timestamp};
use rand::rngs::StdRng;
use tokio::time::Instant;

use limits::{Bearing, Limits, Over};
use trouble::Known;
pub(super) use trouble::kept_cause;

use crate::handle;
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
    /// What the target has said of its limits.
    pub(super) told: Option<Quota>,
    /// When it began.
    pub(super) began: Instant,
    /// Whether it says nothing of the target as a whole, only of an endpoint that is left out now.
    pub(super) is_set_aside: bool,
    pub(super) took: Duration,
    /// With it so many were in flight.
    pub(super) in_flight: usize,
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
        let mut limits = Limits::new(concurrency, rate, now.steady);
        if let Some(until) = known.pushback {
            limits.ramp_up(until);
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
        self.limits.reconfigure(concurrency, rate, now);
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
            || self.limits.held_until(now).is_some()
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
            token: self.limits.take(now),
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
                self.limits.ramp_up(now);
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
        let limited = self.limits.held_until(now);
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

    /// Decides what follows from an attempt, for its delivery and for those after it.
    pub(super) fn judge(&mut self, attempt: &Attempt<'_>, pass: Pass, now: Now) -> Judgement {
        let is_current = pass.config == self.config;
        let class = self.classify(&attempt.exchange, is_current, now.wall);
        self.learn_pace(attempt, is_current, now.steady);
        if !matches!(class, Class::Pushback { .. }) {
            self.pushback.in_a_row = 0;
        }
        if is_current && !attempt.is_set_aside {
            let over = Over {
                began: attempt.began,
                took: attempt.took,
                in_flight: attempt.in_flight,
            };
            self.limits.observe(over, bearing(&class), now.steady);
        }
        let Pass {
            permit, is_forced, ..
        } = pass;
        let is_probe = !is_forced && permit.as_ref().is_some_and(Permit::is_probe);
        let sign = match class {
            _ if !is_current || attempt.is_set_aside => Sign::Nothing,
            // Whatever follows for its delivery.
            Class::Final if attempt.exchange.is_silence() => Sign::Ill,
            Class::Success | Class::Final => Sign::Well,
            Class::Transient { .. } => Sign::Ill,
            Class::CredentialsRefused => Sign::CredentialsRefused,
            Class::Pushback { .. } | Class::Gone => Sign::Nothing,
        };
        self.learn(permit, sign, attempt.took, now.steady);
        match class {
            Class::Success => counted(attempt, End::Delivered, AttemptEnd::Delivered),
            Class::Final => {
                let end = End::Dead(DeadReason::Refused);
                counted(attempt, end, AttemptEnd::Refused)
            }
            Class::Pushback { asked } => {
                let reset = attempt
                    .told
                    .map(|quota| now.wall.saturating_add(quota.reset));
                self.push_back(attempt, asked.or(reset), now)
            }
            Class::Gone => self.disable(attempt, is_current),
            Class::CredentialsRefused if is_forced => Judgement {
                attempt: AttemptEnd::Credentials,
                ..self.retry(attempt, None, now.wall)
            },
            Class::CredentialsRefused => self.probe_again(attempt, AttemptEnd::Credentials, now),
            Class::Transient { .. } if is_probe => {
                self.probe_again(attempt, AttemptEnd::Failed, now)
            }
            Class::Transient { asked } => self.retry(attempt, asked, now.wall),
        }
    }

    fn classify(&mut self, exchange: &Exchange<'_>, is_current: bool, now: Timestamp) -> Class {
        if let Exchange::Answered { status, .. } = exchange {
            let status = &self.answers.as_to_credentials(*status);
            let refused = if is_current {
                let is_suspected = self.breaker.cause() == Some(breaker::Cause::Credentials);
                self.credentials.observe(*status, is_suspected)
            } else {
                let Earlier {
                    credentials,
                    is_suspected,
                } = &mut self.earlier;
                credentials.observe(*status, *is_suspected)
            };
            if refused {
                return Class::CredentialsRefused;
            }
        }
        exchange.classify(&self.answers, now)
    }

    /// Learns what the target says of its limits. A `Retry-After` of the same answer wins
    /// (draft-ietf-httpapi-ratelimit-headers-09).
    fn learn_pace(&mut self, attempt: &Attempt<'_>, is_current: bool, now: Instant) {
        let is_overruled = matches!(
            attempt.exchange,
            Exchange::Answered {
                status: 429,
                retry_after: Some(_),
                ..
            }
        );
        let told = attempt.told.filter(|_| is_current && !is_overruled);
        let longest = self.retry.max_pause;
        self.pace.end(told, longest, now.into_std());
    }

    /// Pauses the target, which wants nothing any more; the delivery waits with the others.
    fn disable(&mut self, attempt: &Attempt<'_>, is_current: bool) -> Judgement {
        if is_current {
            self.pause.get_or_insert(PauseCause::Gone);
        }
        Judgement {
            next: Next::Again {
                wait: Duration::ZERO,
                cause: AgainCause::Pushback,
            },
            used: attempt.before,
            attempt: AttemptEnd::Gone,
        }
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

    /// Leaves the target alone for a time, and the delivery with it.
    fn push_back(
        &mut self,
        attempt: &Attempt<'_>,
        asked: Option<Timestamp>,
        now: Now,
    ) -> Judgement {
        // Attempts that were in flight when the time began are part of the same request.
        let before = self.pushback.until;
        let is_new = before.is_none_or(|until| attempt.began >= until);
        if is_new {
            self.pushback.in_a_row = self.pushback.in_a_row.saturating_add(1);
        }
        let pause = self.retry.pause(asked, self.pushback.in_a_row, now.wall);
        let until = (now.steady + pause).max(before.unwrap_or(now.steady));
        self.pushback.until = Some(until);
        self.limits.ramp_up(until);
        self.has_news = true;
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
        let until = self.breaker_opens_at();
        let until = until.max(self.pushed_back_until(now.steady));
        let until = until.unwrap_or(now.steady);
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

fn cause_of(control: &Control) -> Option<PauseCause> {
    control.pause.as_ref().map(|pause| pause.cause)
}

/// What an answer says of how much the target bears.
fn bearing(class: &Class) -> Bearing {
    match class {
        Class::Success | Class::Final => Bearing::Well,
        Class::Transient { .. } | Class::Pushback { .. } => Bearing::Ill,
        Class::CredentialsRefused | Class::Gone => Bearing::Nothing,
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
