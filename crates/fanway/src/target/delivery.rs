//! One delivery: attempts, and the waits between them, until it has ended or its time is over.
//!
//! Each wait is also a wait for the deadline, and what it can't outlast isn't waited for.

use std::time::{Duration, SystemTime};

use fanway_policy::exchange::{Body, Exchange as Judged};
use fanway_policy::quota::{Fields, Quota};
use fanway_policy::retry::Used;
use fanway_target::{AttemptRequest, Exchange, FailureKind, Sent};
use fanway_types::{DeliveryId, Timestamp};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::gate::{Attempt, Held, Next, Now, Pass};
use super::{Shared, Target};
use crate::outcome::{Answer, End, Failure, Hold, Outcome};
use crate::{Request, headers};

/// A delivery under way.
struct Run<'a> {
    target: &'a Shared,
    request: &'a Request,
    delivery: DeliveryId,
    deadline: Instant,
    attempts: u32,
    used: Used,
    last: Option<Failure>,
}

/// A pass that goes back to the gate, whatever becomes of the attempt.
struct Admission<'a> {
    target: &'a Shared,
    pass: Option<Pass>,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.target.gate().hand_back(pass, Instant::now());
        }
        self.target.changed.notify_one();
    }
}

impl Target {
    pub(crate) async fn deliver(
        &self,
        request: &Request,
        delivery: DeliveryId,
        deadline: Instant,
    ) -> Outcome {
        let mut run = Run {
            target: &self.0,
            request,
            delivery,
            deadline,
            attempts: 0,
            used: Used::default(),
            last: None,
        };
        let end = run.until_its_end().await;
        Outcome {
            target: self.0.name.clone(),
            delivery,
            attempts: run.attempts,
            end,
        }
    }
}

impl<'a> Run<'a> {
    async fn until_its_end(&mut self) -> End {
        loop {
            let admission = match self.admission().await {
                Ok(admission) => admission,
                Err(by) => {
                    let last = self.last.take();
                    return End::Held { by, last };
                }
            };
            let next = match self.attempt(admission).await {
                Ok(next) => next,
                Err(end) => return end,
            };
            match next {
                Next::Again { wait, used } => {
                    self.used = used;
                    let due = Instant::now() + wait;
                    if due >= self.deadline {
                        return self.at_deadline(false);
                    }
                    sleep_until(due).await;
                }
                Next::AtGate { used } => self.used = used,
                Next::Delivered | Next::Refused | Next::GiveUp => {
                    unreachable!("an end was returned above")
                }
            }
        }
    }

    /// Waits for the right to make an attempt; what it is held by, where none comes in time.
    async fn admission(&self) -> Result<Admission<'a>, Hold> {
        let held = self.target.gate().held(Instant::now());
        if let Some(by) = held.and_then(|held| self.outlasts(held)) {
            return Err(by);
        }
        let Ok(_turn) = timeout_at(self.deadline, self.target.turn.lock()).await else {
            let held = self.target.gate().held(Instant::now());
            return Err(held.map_or(Hold::Limit, |held| held.by));
        };
        loop {
            // A change between this look and the wait for it is kept by `notify_one`.
            let held = match self.target.gate().admit(Instant::now()) {
                Ok(pass) => {
                    return Ok(Admission {
                        target: self.target,
                        pass: Some(pass),
                    });
                }
                Err(held) => held,
            };
            if let Some(by) = self.outlasts(held) {
                return Err(by);
            }
            let until = held.until.unwrap_or(self.deadline);
            // Either way it looks again.
            let _changed = timeout_at(until, self.target.changed.notified()).await;
            if Instant::now() >= self.deadline {
                return Err(held.by);
            }
        }
    }

    /// What holds it, where that lasts until the deadline.
    fn outlasts(&self, held: Held) -> Option<Hold> {
        let is_too_late = held.until.is_some_and(|until| until >= self.deadline);
        is_too_late.then_some(held.by)
    }

    /// Makes an attempt. `Err` is the end of the delivery.
    async fn attempt(&mut self, mut admission: Admission<'_>) -> Result<Next, End> {
        let number = self.attempts.saturating_add(1);
        let span = rand::random();
        let Some(headers) = headers::of_attempt(self.request, self.delivery, number, span) else {
            return Err(End::Refused(unsendable()));
        };
        let request = AttemptRequest {
            method: self.request.method.clone(),
            path_and_query: self.request.path_and_query.clone(),
            headers,
            body: self.request.body.clone(),
            capture: self.target.capture,
        };
        self.attempts = number;
        let attempt = self.target.wire.attempt(request);
        let Ok(answer) = timeout_at(self.deadline, attempt).await else {
            return Err(self.at_deadline(true));
        };
        if is_unsendable(&answer.exchange) {
            self.attempts = number - 1;
            return Err(End::Refused(failure_of(answer.exchange)));
        }
        let next = self.judged(&answer.exchange, answer.took, &mut admission);
        match (next, answer.exchange) {
            (Next::Delivered, Exchange::Answered { status, body, .. }) => {
                Err(End::Delivered(Answer { status, body }))
            }
            (Next::Refused, exchange) => Err(End::Refused(failure_of(exchange))),
            (Next::GiveUp, exchange) => Err(End::GaveUp(failure_of(exchange))),
            (next, exchange) => {
                self.last = Some(failure_of(exchange));
                Ok(next)
            }
        }
    }

    fn judged(&self, exchange: &Exchange, took: Duration, admission: &mut Admission<'_>) -> Next {
        let now = Now {
            wall: SystemTime::now().into(),
            steady: Instant::now(),
        };
        let attempt = Attempt {
            exchange: judged(exchange),
            told: quota_of(exchange, now.wall),
            took,
            before: self.used,
        };
        let pass = admission.pass.take().expect("an attempt has a pass");
        self.target.gate().judge(&attempt, pass, now)
    }

    fn at_deadline(&mut self, is_broken_off: bool) -> End {
        End::Deadline {
            last: self.last.take(),
            is_broken_off,
        }
    }
}

/// What policy is shown of an exchange.
fn judged(exchange: &Exchange) -> Judged<'_> {
    match exchange {
        Exchange::Answered {
            status,
            retry_after,
            ..
        } => Judged::Answered {
            status: *status,
            retry_after: retry_after.as_deref(),
            body: Body::Good,
        },
        Exchange::Failed {
            kind: FailureKind::Egress,
            ..
        } => Judged::Forbidden,
        Exchange::Failed { .. } => Judged::Unanswered,
    }
}

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

fn is_unsendable(exchange: &Exchange) -> bool {
    matches!(
        exchange,
        Exchange::Failed {
            kind: FailureKind::Request,
            ..
        }
    )
}

fn unsendable() -> Failure {
    Failure::Unanswered {
        kind: FailureKind::Request,
        sent: Sent::Nothing,
        detail: "a header is longer than 65,535 bytes".to_owned(),
    }
}

fn failure_of(exchange: Exchange) -> Failure {
    match exchange {
        Exchange::Answered { status, body, .. } => Failure::Answered(Answer { status, body }),
        Exchange::Failed { kind, sent, detail } => Failure::Unanswered { kind, sent, detail },
    }
}
