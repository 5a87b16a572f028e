//! What a lane looks for in answers' bodies: how much of them is wanted, and whether one is what a
//! success has to be.
//!
//! It says what was found. What an answer means by that is policy's to decide.

use std::sync::Arc;

use fanway_policy::exchange::{self, Body};
use fanway_policy::statuses::{StatusSet, Statuses};
use fanway_target::{Answer, Capture, Captured, Exchange, FailureKind};
use fanway_transform::evaluator::Evaluator;
use fanway_transform::{Predicate, PredicateError};
use fanway_types::DeliveryId;
use futures_util::future::BoxFuture;

use crate::counts::Counts;

/// What is looked for. Clones share it.
#[derive(Clone)]
pub(crate) struct Look {
    /// What is wanted of bodies.
    pub(crate) capture: Capture,
    /// What is tested, where anything is.
    pub(super) check: Option<Arc<Check>>,
}

/// A test of bodies.
pub(crate) struct Check {
    predicate: Predicate,
    /// The statuses of answers that are tested.
    success: StatusSet,
    evaluator: Evaluator,
}

/// What was found of a body that is no success, or isn't known to be.
#[derive(Debug)]
pub(crate) struct Found {
    body: Body,
    /// For an operator.
    why: String,
}

/// An attempt that was made, with what was found of its answer.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) answer: Answer,
    /// What was found of the body, where that isn't a success.
    pub(crate) found: Option<Box<Found>>,
}

impl Attempted {
    /// What was found of the answer's body.
    pub(crate) fn body(&self) -> Body {
        self.found.as_ref().map_or(Body::Good, |found| found.body)
    }

    /// Why the body is no success, where it isn't.
    pub(super) fn why(&self) -> Option<&str> {
        self.found.as_ref().map(|found| found.why.as_str())
    }

    /// As policy sees it.
    pub(crate) fn exchange(&self) -> exchange::Exchange<'_> {
        match &self.answer.exchange {
            Exchange::Answered {
                status,
                retry_after,
                ..
            } => exchange::Exchange::Answered {
                status: *status,
                retry_after: retry_after.as_deref(),
                body: self.body(),
            },
            Exchange::Failed {
                kind: FailureKind::Egress,
                ..
            } => exchange::Exchange::Forbidden,
            Exchange::Failed { .. } => exchange::Exchange::Unanswered,
        }
    }

    /// Whether it wasn't made since the process has no more connections: that says nothing of the
    /// target, and uses nothing up.
    pub(crate) fn has_no_connection(&self) -> bool {
        matches!(
            self.answer.exchange,
            Exchange::Failed {
                kind: FailureKind::NoConnection,
                ..
            }
        )
    }
}

/// A test that is under way.
pub(super) type Test = BoxFuture<'static, Result<bool, PredicateError>>;

impl Look {
    pub(super) fn new(counts: &Counts, evaluator: &Evaluator) -> Self {
        let success = counts.rules.success();
        let usual: StatusSet = Statuses::SUCCESSFUL.iter().collect();
        let check = counts.body.clone().map(|predicate| {
            let check = Check {
                predicate,
                success: success.clone(),
                evaluator: evaluator.clone(),
            };
            Arc::new(check)
        });
        let capture = match check {
            Some(_) => Capture::Whole,
            None if *success == usual => Capture::OnFailure,
            None => Capture::Excerpt,
        };
        Self { capture, check }
    }

    /// An attempt, and what is found of its answer once that is there.
    pub(crate) fn over(
        &self,
        attempt: BoxFuture<'static, Answer>,
        delivery: DeliveryId,
    ) -> BoxFuture<'static, Attempted> {
        let check = self.check.clone();
        Box::pin(async move {
            let answer = attempt.await;
            let test = check.map(|check| check.begin(&answer, delivery));
            let found = match test {
                None => None,
                Some(Ok(test)) => finding(test.await),
                Some(Err(found)) => found,
            };
            Attempted { answer, found }
        })
    }
}

impl Check {
    /// Begins to test an answer's body, where it is to be tested and there is a whole one; else
    /// what was found, where anything was.
    pub(super) fn begin(
        &self,
        answer: &Answer,
        delivery: DeliveryId,
    ) -> Result<Test, Option<Box<Found>>> {
        let Exchange::Answered { status, body, .. } = &answer.exchange else {
            return Err(None);
        };
        if !self.success.contains(*status) {
            return Err(None);
        }
        match body {
            Captured::Whole(body) => {
                let (evaluator, predicate) = (self.evaluator.clone(), self.predicate.clone());
                let body = body.clone();
                Ok(Box::pin(async move {
                    evaluator.test(predicate, body, delivery).await
                }))
            }
            Captured::Broken(_) => {
                let why = "the answer's body broke off".to_owned();
                Err(found(Body::Unknown, why))
            }
            Captured::Nothing | Captured::Beginning(_) | Captured::TooLong(_) => {
                let limit = Capture::WHOLE_LIMIT >> 10;
                let why = format!("`success` can't tell: the answer is longer than {limit} KiB");
                Err(found(Body::Refused, why))
            }
        }
    }
}

/// What a test has found, where that isn't a success.
pub(super) fn finding(tested: Result<bool, PredicateError>) -> Option<Box<Found>> {
    let error = match tested {
        Ok(true) => return None,
        Ok(false) => return found(Body::Refused, "`success` refuses the answer".to_owned()),
        Err(error) => error,
    };
    let body = match error {
        // That says nothing about the answer.
        PredicateError::Overloaded => Body::Unknown,
        _ => Body::Refused,
    };
    found(body, format!("`success` can't tell: {error}"))
}

#[expect(clippy::unnecessary_wraps, reason = "its callers have one or none")]
fn found(body: Body, why: String) -> Option<Box<Found>> {
    Some(Box::new(Found { body, why }))
}
