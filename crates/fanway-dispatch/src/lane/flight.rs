//! A delivery in flight: shaped, then attempted.
//!
//! It is a future that the lane drives itself, so that an attempt costs no task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fanway_policy::breaker::Permit;
use fanway_store::lane::Work;
use fanway_target::{Answer, Target};
use fanway_transform::evaluator::Evaluator;
use fanway_transform::plan::CompiledPlan;
use fanway_transform::{Limits, ShapeError, Shaping, shape};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{detail, request};

/// A delivery in flight.
pub(super) struct Flight {
    /// Taken when it lands.
    cargo: Option<Cargo>,
    stage: Stage,
}

/// What it brings back.
struct Cargo {
    work: Work,
    permit: Permit,
    began: Instant,
}

enum Stage {
    Shaping {
        evaluation: BoxFuture<'static, Result<Shaping, ShapeError>>,
        target: Arc<dyn Target>,
        span: u64,
    },
    Attempting(BoxFuture<'static, Answer>),
    /// It ended without an attempt.
    Landed(Option<End>),
}

/// A delivery that has come back.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) work: Work,
    pub(super) permit: Permit,
    pub(super) began: Instant,
    pub(super) end: End,
}

/// How a flight ended.
#[derive(Debug)]
pub(super) enum End {
    /// Its attempt was made.
    Attempted(Answer),
    /// The step's `when` says that there is nothing to do.
    Skipped,
    /// The step makes no request of its message.
    Unshaped(Arc<str>),
    /// No evaluation can be made at the moment.
    Overloaded,
}

/// What a flight needs.
pub(super) struct Departure<'a> {
    pub(super) work: Work,
    pub(super) permit: Permit,
    pub(super) plan: &'a Arc<CompiledPlan>,
    pub(super) target: &'a Arc<dyn Target>,
    pub(super) evaluator: &'a Evaluator,
    /// The attempt's own span.
    pub(super) span: u64,
}

impl Flight {
    /// Begins it: a step without expressions is shaped at once.
    pub(super) fn begin(departure: Departure<'_>, began: Instant) -> Self {
        let Departure {
            work,
            permit,
            plan,
            target,
            evaluator,
            span,
        } = departure;
        let stage = if usize::from(work.step) >= plan.plan().steps.len() {
            Stage::unshaped("the plan has no such step")
        } else if plan.step(work.step).is_static() {
            let shaping = shape(plan.step(work.step), &work.message, &Limits::default());
            Stage::shaped(shaping, &work, target, span)
        } else {
            Stage::Shaping {
                evaluation: evaluate(evaluator.clone(), Arc::clone(plan), &work),
                target: Arc::clone(target),
                span,
            }
        };
        let cargo = Some(Cargo {
            work,
            permit,
            began,
        });
        Self { cargo, stage }
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
        target: &Arc<dyn Target>,
        span: u64,
    ) -> Self {
        let shaped = match shaping {
            Ok(Shaping::Send(shaped)) => shaped,
            Ok(Shaping::Skip) => return Self::Landed(Some(End::Skipped)),
            Err(ShapeError::Overloaded) => return Self::Landed(Some(End::Overloaded)),
            Err(error) => return Self::unshaped(&error.to_string()),
        };
        match request::build(shaped, work, span) {
            Ok(request) => Self::Attempting(target.attempt(request)),
            Err(error) => Self::unshaped(&error.to_string()),
        }
    }

    fn unshaped(reason: &str) -> Self {
        Self::Landed(Some(End::Unshaped(detail::of_text(reason))))
    }

    fn poll(&mut self, cx: &mut Context<'_>, work: &Work) -> Poll<End> {
        if let Self::Shaping {
            evaluation,
            target,
            span,
        } = self
        {
            let shaping = ready!(evaluation.as_mut().poll(cx));
            *self = Self::shaped(shaping, work, target, *span);
        }
        match self {
            Self::Attempting(attempt) => attempt.as_mut().poll(cx).map(End::Attempted),
            Self::Landed(end) => Poll::Ready(end.take().expect("a flight lands once")),
            Self::Shaping { .. } => unreachable!("it was left above"),
        }
    }
}

impl Future for Flight {
    type Output = Landed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landed> {
        let Self { cargo, stage } = &mut *self;
        let work = &cargo.as_ref().expect("a flight lands once").work;
        let end = ready!(stage.poll(cx, work));
        let Cargo {
            work,
            permit,
            began,
        } = cargo.take().expect("it was there above");
        Poll::Ready(Landed {
            work,
            permit,
            began,
            end,
        })
    }
}
