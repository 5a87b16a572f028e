//! What follows from an attempt that is over: for its delivery, and for those after it.

use std::time::Duration;

use fanway_policy::breaker::{self, Permit, Sign};
use fanway_policy::exchange::{Class, Exchange};
use fanway_policy::limits::{Bearing, Over};
use fanway_policy::quota::Quota;
use fanway_policy::retry::{Decision, Failure, Used};
use fanway_store::change::PauseCause;
use fanway_types::{AgainCause, DeadReason, End, Timestamp};
use tokio::time::Instant;

use super::{Earlier, Gate, Now, Pass};
use crate::metrics::AttemptEnd;

/// An attempt that is over.
#[derive(Debug)]
pub(in crate::lane) struct Attempt<'a> {
    pub(in crate::lane) exchange: Exchange<'a>,
    /// What the target has said of its limits.
    pub(in crate::lane) told: Option<Quota>,
    /// When it began.
    pub(in crate::lane) began: Instant,
    /// Whether it says nothing of the target as a whole, only of an endpoint that is left out now.
    pub(in crate::lane) is_set_aside: bool,
    pub(in crate::lane) took: Duration,
    /// With it so many were in flight.
    pub(in crate::lane) in_flight: usize,
    /// What its delivery had used up before it.
    pub(in crate::lane) before: Used,
}

/// What follows from an attempt for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) struct Judgement {
    pub(in crate::lane) next: Next,
    /// What the delivery has used up.
    pub(in crate::lane) used: Used,
    /// How metrics count the attempt.
    pub(in crate::lane) attempt: AttemptEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) enum Next {
    End(End),
    Again { wait: Duration, cause: AgainCause },
}

impl Gate {
    /// Decides what follows from an attempt, for its delivery and for those after it.
    pub(in crate::lane) fn judge(
        &mut self,
        attempt: &Attempt<'_>,
        pass: Pass,
        now: Now,
    ) -> Judgement {
        let is_current = pass.config == self.config;
        let class = self.classify(&attempt.exchange, is_current, now.wall);
        self.learn_pace(attempt, is_current, now.steady);
        if !matches!(class, Class::Pushback { .. }) {
            self.pushback.in_a_row = 0;
        }
        if is_current && !attempt.is_set_aside {
            let over = Over {
                began: attempt.began.into_std(),
                took: attempt.took,
                in_flight: attempt.in_flight,
            };
            self.limits
                .observe(over, Bearing::from(&class), now.steady.into_std());
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
            Class::Pushback { .. } | Class::Gone | Class::Forbidden => Sign::Nothing,
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
            Class::Forbidden => {
                let end = End::Dead(DeadReason::Egress);
                counted(attempt, end, AttemptEnd::Unsendable)
            }
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
        self.limits.ramp_up(until.into_std());
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
