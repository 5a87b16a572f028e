//! How a delivery comes back: from the end of its attempt to the outcome that is recorded.

use std::sync::Arc;
use std::time::Duration;

use fanway_policy::quota::{Fields, Quota};
use fanway_policy::retry::Used;
use fanway_store::lane::{Hold, Work};
use fanway_target::{Answer, Exchange, FailureKind};
use fanway_types::{AgainCause, DeadReason, End, Outcome, Timestamp, Verdict};

use super::check::Attempted;
use super::flight::{self, Landed};
use super::gate::{Attempt, Judgement, Next, Now};
use super::{Lane, detail, window};
use crate::endpoints::Reached;
use crate::metrics::AttemptEnd;

/// How long a delivery waits that no evaluation could be made for, or that got no connection.
const CROWDED_PAUSE: Duration = Duration::from_millis(100);

/// What is written down of a delivery that expired without an attempt under way.
const EXPIRED: &str = "the message's time was over";

impl Lane {
    /// Takes a delivery back, and records how it went.
    pub(super) fn land(&mut self, landed: Landed) {
        let Landed {
            mut work,
            pass,
            began,
            is_called_off,
            end,
        } = landed;
        let now = self.now();
        match end {
            flight::End::Attempted(reached) if is_unsendable(&reached.attempted.answer) => {
                let answer = reached.attempted.answer;
                self.gate.hand_back(pass, now.steady);
                self.metrics.attempted(AttemptEnd::Unsendable, answer.took);
                let detail = detail::of_exchange(&answer.exchange, None);
                self.end_unattempted(&work, End::Dead(DeadReason::Expression), detail);
            }
            flight::End::Attempted(reached) if reached.attempted.has_no_connection() => {
                self.gate.hand_back(pass, now.steady);
                if is_called_off {
                    self.end_unattempted(&work, End::Cancelled, None);
                } else {
                    self.window.wait(work, now.steady + CROWDED_PAUSE);
                }
            }
            flight::End::Attempted(reached) => {
                let Reached {
                    attempted,
                    made,
                    is_set_aside,
                } = reached;
                let answer = &attempted.answer;
                let attempt = Attempt {
                    exchange: attempted.exchange(),
                    told: quota_of(&answer.exchange, now.wall),
                    began,
                    is_set_aside,
                    took: answer.took,
                    in_flight: self.in_flight() + 1,
                    before: Used {
                        attempts: work.progress.used,
                        time: work.progress.spent,
                    },
                };
                let judgement = self.gate.judge(&attempt, pass, now);
                self.metrics.attempted(judgement.attempt, answer.took);
                let judgement = Judgement {
                    next: within_its_time(judgement.next, &work, is_called_off, now.wall),
                    ..judgement
                };
                let judgement = self.with_fallback(judgement, &work, is_called_off);
                work.progress.attempts = work.progress.attempts.saturating_add(made);
                self.record_attempt(work, &attempted, judgement, now);
            }
            flight::End::Skipped => {
                self.gate.hand_back(pass, now.steady);
                self.end_unattempted(&work, End::Skipped, None);
            }
            flight::End::Unshaped(reason) => {
                self.gate.hand_back(pass, now.steady);
                let end = End::Dead(DeadReason::Expression);
                self.end_unattempted(&work, end, Some(reason));
            }
            flight::End::Overloaded => {
                self.gate.hand_back(pass, now.steady);
                self.window.wait(work, now.steady + CROWDED_PAUSE);
            }
            flight::End::CalledOff => {
                self.gate.hand_back(pass, now.steady);
                self.end_unattempted(&work, End::Cancelled, None);
            }
            flight::End::Expired => {
                self.gate.hand_back(pass, now.steady);
                self.end_expired(&work);
            }
        }
    }

    /// Records what an attempt has come to, and keeps the delivery where it is to wait here.
    fn record_attempt(
        &mut self,
        mut work: Work,
        attempted: &Attempted,
        judgement: Judgement,
        now: Now,
    ) {
        work.progress.used = judgement.used.attempts;
        work.progress.spent = judgement.used.time;
        let verdict = match judgement.next {
            Next::End(end) => Verdict::Ended(end),
            Next::Again { wait, cause } => Verdict::Again {
                due: now.wall.saturating_add(wait),
                cause,
            },
        };
        let exchange = &attempted.answer.exchange;
        let status = match exchange {
            Exchange::Answered { status, .. } => Some(*status),
            Exchange::Failed { .. } => None,
        };
        let is_success = verdict == Verdict::Ended(End::Delivered);
        let outcome = Outcome {
            fallback: self.fallback_after(judgement.next),
            status,
            detail: (!is_success)
                .then(|| detail::of_exchange(exchange, attempted.why()))
                .flatten(),
            ..outcome(&work, verdict, now)
        };
        match judgement.next {
            Next::Again { wait, cause } if self.hold(wait, cause, &work) == Hold::Keep => {
                self.reader.record(&work, outcome, Hold::Keep);
                let until = now.steady + wait;
                match cause {
                    AgainCause::Probe => self.window.wait_for_probe(work, until),
                    AgainCause::Failed | AgainCause::Pushback | AgainCause::Fallback => {
                        self.window.wait(work, until);
                    }
                }
            }
            Next::Again { .. } | Next::End(_) => {
                self.reader.record(&work, outcome, Hold::LetGo);
                self.window.let_go(&work);
            }
        }
    }

    fn hold(&self, wait: Duration, cause: AgainCause, work: &Work) -> Hold {
        match cause {
            AgainCause::Failed => self.window.hold_for(wait, work),
            // The whole lane waits as long, so its place is of no use to others.
            AgainCause::Pushback | AgainCause::Probe => Hold::Keep,
            AgainCause::Fallback => Hold::LetGo,
        }
    }

    /// Ends a delivery without an attempt, or without one that reached the target.
    pub(super) fn end_unattempted(&mut self, work: &Work, end: End, detail: Option<Arc<str>>) {
        let now = self.now();
        let outcome = Outcome {
            detail,
            ..outcome(work, Verdict::Ended(end), now)
        };
        self.reader.record(work, outcome, Hold::LetGo);
        self.window.let_go(work);
    }

    /// Ends a delivery whose message's time is over.
    fn end_expired(&mut self, work: &Work) {
        let end = End::Dead(DeadReason::Expired);
        self.end_unattempted(work, end, Some(EXPIRED.into()));
    }
}

/// Deliveries that are not attempted any more.
impl Lane {
    /// Ends what was called off; what is in flight ends as it lands.
    pub(super) fn end_called_off(&mut self) {
        let ids = std::mem::take(&mut self.called_off);
        for work in self.window.take_called_off(&ids) {
            self.end_unattempted(&work, End::Cancelled, None);
        }
        for flight in &mut self.flights {
            flight.call_off(&ids);
        }
    }

    /// Ends what has expired and isn't in flight.
    pub(super) fn end_all_expired(&mut self, now: Timestamp) {
        if self.window.next_expiry().is_none_or(|next| next > now) {
            return;
        }
        for work in self.window.take_expired(now) {
            self.end_expired(&work);
        }
    }
}

/// What follows from an attempt, where its delivery was called off meanwhile or has a time within
/// which it has to end: no other attempt of the one, and none of the other after that time.
fn within_its_time(next: Next, work: &Work, is_called_off: bool, now: Timestamp) -> Next {
    let Next::Again { wait, cause } = next else {
        return next;
    };
    if is_called_off {
        return Next::End(End::Cancelled);
    }
    match window::expiry(work) {
        None => next,
        Some(at) if at <= now => Next::End(End::Dead(DeadReason::Expired)),
        Some(at) => Next::Again {
            wait: wait.min(at.since(now)),
            cause,
        },
    }
}

pub(super) fn outcome(work: &Work, verdict: Verdict, now: Now) -> Outcome {
    Outcome {
        delivery: work.delivery,
        at: now.wall,
        verdict,
        attempts: work.progress.attempts,
        used: work.progress.used,
        spent: work.progress.spent,
        status: None,
        detail: None,
        fallback: None,
    }
}

/// Whether no request could be made of what the step shaped: that is the step's fault, and no
/// other attempt would end otherwise.
fn is_unsendable(answer: &Answer) -> bool {
    matches!(
        answer.exchange,
        Exchange::Failed {
            kind: FailureKind::Request,
            ..
        }
    )
}

/// What the target has said of its limits.
fn quota_of(exchange: &Exchange, now: Timestamp) -> Option<Quota> {
    let Exchange::Answered {
        limits: Some(limits),
        ..
    } = exchange
    else {
        return None;
    };
    let fields = Fields {
        limit: limits.limit.as_deref(),
        policy: limits.policy.as_deref(),
        remaining: limits.remaining.as_deref(),
        reset: limits.reset.as_deref(),
    };
    fields.quota(now)
}
