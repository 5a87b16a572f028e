//! A delivery in flight: shaped, then attempted, then its answer tested where that is asked.
//!
//! It is a future that the lane drives itself, so that an attempt costs no task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fanway_store::lane::Work;
use fanway_target::{Answer, AttemptRequest};
use fanway_transform::evaluator::Evaluator;
use fanway_transform::plan::CompiledPlan;
use fanway_transform::{Limits, ShapeError, Shaping, shape};
use fanway_types::{DeliveryId, Timestamp};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::check::{self, Attempted, Look, Test};
use super::gate::Pass;
use super::request::{Stamp, outgoing};
use super::way::Line;
use super::{detail, window};
use crate::clock::Clock;
use crate::endpoints::{Reached, Sending};

/// A delivery in flight.
pub(super) struct Flight {
    /// Taken when it lands.
    cargo: Option<Cargo>,
    stage: Stage,
}

/// What it brings back.
struct Cargo {
    work: Work,
    pass: Pass,
    began: Instant,
    is_called_off: bool,
    /// What is looked for in the answer's body.
    look: Look,
}

enum Stage {
    Shaping {
        evaluation: BoxFuture<'static, Result<Shaping, ShapeError>>,
        line: Line,
        span: u64,
        /// When it expires, and by which clock.
        expiry: Option<(Timestamp, Clock)>,
    },
    Attempting(BoxFuture<'static, Answer>),
    /// Its answer is there, and its body is looked at.
    Testing {
        test: Test,
        answer: Option<Answer>,
    },
    /// At one of several endpoints, with whatever is to be found of the answer's body.
    Reaching(BoxFuture<'static, Reached>),
    /// It ended without an attempt.
    Landed(Option<End>),
}

/// A delivery that has come back.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) work: Work,
    pub(super) pass: Pass,
    pub(super) began: Instant,
    /// Whether it was called off meanwhile.
    pub(super) is_called_off: bool,
    pub(super) end: End,
}

/// How a flight ended.
#[derive(Debug)]
pub(super) enum End {
    /// Its attempt was made.
    Attempted(Reached),
    /// The step's `when` says that there is nothing to do.
    Skipped,
    /// The step makes no request of its message.
    Unshaped(Arc<str>),
    /// No evaluation can be made at the moment.
    Overloaded,
    /// It was called off before its attempt began.
    CalledOff,
    /// It expired before its attempt began.
    Expired,
}

/// What a flight needs.
pub(super) struct Departure<'a> {
    pub(super) work: Work,
    pub(super) pass: Pass,
    pub(super) plan: &'a Arc<CompiledPlan>,
    pub(super) line: &'a Line,
    pub(super) look: &'a Look,
    pub(super) evaluator: &'a Evaluator,
    pub(super) clock: &'a Clock,
    /// The attempt's own span.
    pub(super) span: u64,
}

impl Flight {
    /// Begins it: a step without expressions is shaped at once.
    pub(super) fn begin(departure: Departure<'_>, began: Instant) -> Self {
        let Departure {
            work,
            pass,
            plan,
            line,
            look,
            evaluator,
            clock,
            span,
        } = departure;
        let stage = if usize::from(work.step) >= plan.plan().steps.len() {
            Stage::unshaped("the plan has no such step")
        } else if plan.step(work.step).is_static() {
            let shaping = shape(plan.step(work.step), &work.message, &Limits::default());
            Stage::shaped(shaping, &work, line, look, span)
        } else {
            Stage::Shaping {
                evaluation: evaluate(evaluator.clone(), Arc::clone(plan), &work),
                line: line.clone(),
                span,
                expiry: window::expiry(&work).map(|at| (at, clock.clone())),
            }
        };
        let cargo = Some(Cargo {
            work,
            pass,
            began,
            is_called_off: false,
            look: look.clone(),
        });
        Self { cargo, stage }
    }

    /// Notes that it was called off, where it is one of these: no attempt is begun any more, and one
    /// that was decides.
    pub(super) fn call_off(&mut self, ids: &[DeliveryId]) {
        if let Some(cargo) = &mut self.cargo {
            cargo.is_called_off |= ids.contains(&cargo.work.delivery);
        }
    }
}

fn evaluate(
    evaluator: Evaluator,
    plan: Arc<CompiledPlan>,
    work: &Work,
) -> BoxFuture<'static, Result<Shaping, ShapeError>> {
    let (step, delivery) = (work.step, work.delivery);
    let message = Arc::clone(&work.message);
    Box::pin(async move { evaluator.shape(plan, step, message, delivery).await })
}

impl Stage {
    /// The stage that follows from shaping.
    fn shaped(
        shaping: Result<Shaping, ShapeError>,
        work: &Work,
        line: &Line,
        look: &Look,
        span: u64,
    ) -> Self {
        let shaped = match shaping {
            Ok(Shaping::Send(shaped)) => shaped,
            Ok(Shaping::Skip) => return Self::Landed(Some(End::Skipped)),
            Err(ShapeError::Overloaded) => return Self::Landed(Some(End::Overloaded)),
            Err(error) => return Self::unshaped(&error.to_string()),
        };
        let stamp = Stamp {
            key: work.key,
            number: work.progress.attempts.saturating_add(1),
            span,
        };
        match line {
            Line::One(target) => {
                let request = AttemptRequest {
                    capture: look.capture,
                    ..outgoing(shaped, &work.message, stamp)
                };
                Self::Attempting(target.attempt(request))
            }
            Line::Many(endpoints) => {
                let sending = Sending {
                    delivery: work.delivery,
                    message: Arc::clone(&work.message),
                    shaped,
                    stamp,
                    look: look.clone(),
                };
                Self::Reaching(Box::pin(Arc::clone(endpoints).attempt(sending)))
            }
        }
    }

    fn unshaped(reason: &str) -> Self {
        Self::Landed(Some(End::Unshaped(detail::of_text(reason))))
    }

    fn poll(&mut self, cx: &mut Context<'_>, cargo: &Cargo) -> Poll<End> {
        if let Self::Shaping {
            evaluation,
            line,
            span,
            expiry,
        } = self
        {
            let shaping = ready!(evaluation.as_mut().poll(cx));
            let is_expired = expiry
                .as_ref()
                .is_some_and(|(at, clock)| clock.now() >= *at);
            *self = if cargo.is_called_off {
                Self::Landed(Some(End::CalledOff))
            } else if is_expired {
                Self::Landed(Some(End::Expired))
            } else {
                Self::shaped(shaping, &cargo.work, line, &cargo.look, *span)
            };
        }
        if let Self::Attempting(attempt) = self {
            let answer = ready!(attempt.as_mut().poll(cx));
            let found = match &cargo.look.check {
                None => None,
                Some(check) => match check.begin(&answer, cargo.work.delivery) {
                    Ok(test) => {
                        let answer = Some(answer);
                        *self = Self::Testing { test, answer };
                        return self.poll_test(cx);
                    }
                    Err(found) => found,
                },
            };
            return Poll::Ready(End::Attempted(Attempted { answer, found }.into()));
        }
        match self {
            Self::Testing { .. } => self.poll_test(cx),
            Self::Reaching(attempt) => attempt.as_mut().poll(cx).map(End::Attempted),
            Self::Landed(end) => Poll::Ready(end.take().expect("a flight lands once")),
            Self::Shaping { .. } | Self::Attempting(_) => unreachable!("it was left above"),
        }
    }

    fn poll_test(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Self::Testing { test, answer } = self else {
            unreachable!("only a test is polled");
        };
        let found = check::finding(ready!(test.as_mut().poll(cx)));
        let answer = answer.take().expect("a flight lands once");
        Poll::Ready(End::Attempted(Attempted { answer, found }.into()))
    }
}

impl Future for Flight {
    type Output = Landed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landed> {
        let Self { cargo, stage } = &mut *self;
        let end = ready!(stage.poll(cx, cargo.as_ref().expect("a flight lands once")));
        let Cargo {
            work,
            pass,
            began,
            is_called_off,
            look: _,
        } = cargo.take().expect("it was there above");
        Poll::Ready(Landed {
            work,
            pass,
            began,
            is_called_off,
            end,
        })
    }
}
