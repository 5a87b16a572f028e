//! Threads on which expressions are evaluated, apart from those that serve connections.
//!
//! There are as many evaluations at a time as threads; who comes later waits for a permit. An
//! evaluation stops itself at its deadline (`meter`). One that doesn't, because it is stuck inside
//! one native function, is abandoned: its waiter gets [`ShapeError::Deadline`], and a new thread
//! takes its place. At [`ABANDONED_LIMIT`] abandoned ones no evaluation is begun until one of them
//! comes back; those that were running then may still get stuck, so there are never more than
//! the limit and twice the configured number of threads.

mod pool;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_types::{ByteCount, DeliveryId, Message, StepIndex};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::plan::CompiledPlan;
use crate::{Limits, OrderError, Predicate, PredicateError, ShapeError, Shaping};
use pool::{Answer, Job, Pool, Task};

/// How many abandoned evaluations there may be before no more are begun.
pub const ABANDONED_LIMIT: usize = 4;

/// What an evaluation gets beyond its deadline to stop by itself.
const GRACE: Duration = Duration::from_millis(250);

/// How evaluations are run.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Threads.
    pub threads: NonZeroUsize,
    /// Each thread's stack. Only what is used takes memory; three quarters of it are given to
    /// evaluations, whatever `limits` says.
    pub stack_size: ByteCount,
    /// The bounds of each evaluation.
    pub limits: Limits,
}

impl Default for Params {
    /// Two threads of 64 MiB, the default limits.
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::MIN.saturating_add(1),
            stack_size: ByteCount::mib(64),
            limits: Limits::default(),
        }
    }
}

/// Sees which evaluations run, so that one that takes the process down is known after the restart.
///
/// Called on the evaluation's thread. Slots are small numbers, each held by one thread until it ends.
pub trait Witness: Send + Sync {
    /// An evaluation for `delivery` begins on the thread that holds `slot`.
    fn began(&self, slot: usize, delivery: DeliveryId);
    /// It has ended, in whatever way.
    fn ended(&self, slot: usize);
}

/// Sees nothing.
impl Witness for () {
    fn began(&self, _slot: usize, _delivery: DeliveryId) {}
    fn ended(&self, _slot: usize) {}
}

/// Evaluates expressions on threads of its own. Clones share them; they end when the last is dropped.
#[derive(Clone)]
pub struct Evaluator {
    pool: Arc<Pool>,
    patience: Duration,
}

/// Why there is no word of an evaluation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lost {
    /// Too many are stuck for it to begin.
    Overloaded,
    /// It has become stuck itself.
    Deadline,
}

impl Evaluator {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where a thread can't be made.
    pub fn start(params: Params, witness: Arc<dyn Witness>) -> io::Result<Self> {
        let patience = params.limits.deadline.saturating_add(GRACE);
        Ok(Self {
            pool: Pool::start(params, witness)?,
            patience,
        })
    }

    /// Shapes a step for a message, as [`shape`](crate::shape) does. `delivery` is what the witness
    /// is told.
    ///
    /// To be driven to its end: dropped before, a stuck evaluation keeps its thread's place until it
    /// comes back.
    ///
    /// # Errors
    /// Where an expression fails or breaks a limit; [`ShapeError::Overloaded`] where too many
    /// evaluations are stuck.
    pub async fn shape(
        &self,
        plan: Arc<CompiledPlan>,
        step: StepIndex,
        message: Arc<Message>,
        delivery: DeliveryId,
    ) -> Result<Shaping, ShapeError> {
        self.evaluate(delivery, |answer| Task::Shape {
            plan,
            step,
            message,
            answer,
        })
        .await
    }

    /// Tests an answer's body. `delivery` is what the witness is told; to be driven to its end too.
    ///
    /// # Errors
    /// Where the body is no JSON, or the predicate fails or breaks a limit;
    /// [`PredicateError::Overloaded`] where too many evaluations are stuck.
    pub async fn test(
        &self,
        predicate: Predicate,
        body: Bytes,
        delivery: DeliveryId,
    ) -> Result<bool, PredicateError> {
        self.evaluate(delivery, |answer| Task::Test {
            predicate,
            body,
            answer,
        })
        .await
    }

    /// The values by which a message's deliveries are kept in order, as
    /// [`order_values`](crate::order_values) gives them. To be driven to its end too.
    ///
    /// # Errors
    /// As [`order_values`](crate::order_values); [`ShapeError::Overloaded`] where too many
    /// evaluations are stuck.
    pub async fn order_values(
        &self,
        plan: Arc<CompiledPlan>,
        message: Arc<Message>,
    ) -> Result<Vec<(StepIndex, String)>, OrderError> {
        let delivery = DeliveryId::first(message.id, 0);
        self.evaluate(delivery, |answer| Task::Order {
            plan,
            message,
            answer,
        })
        .await
    }

    async fn evaluate<T, E: From<Lost>>(
        &self,
        delivery: DeliveryId,
        task: impl FnOnce(Answer<T, E>) -> Task,
    ) -> Result<T, E> {
        if self.pool.abandoned() >= ABANDONED_LIMIT {
            return Err(Lost::Overloaded.into());
        }
        let permit = self.pool.permit().await.ok_or(Lost::Overloaded)?;
        if self.pool.abandoned() >= ABANDONED_LIMIT {
            return Err(Lost::Overloaded.into());
        }
        let (answer, mut answered) = oneshot::channel();
        let task = task(answer);
        let begun = self.pool.begin(Job { delivery, task }, permit);
        match timeout(self.patience, &mut answered).await {
            Ok(result) => result.unwrap_or_else(|_| Err(Lost::Overloaded.into())),
            Err(_) => {
                self.pool.abandon(&begun);
                // It may have come to its end just now.
                let answered = answered.try_recv();
                answered.unwrap_or_else(|_| Err(Lost::Deadline.into()))
            }
        }
    }

    /// Evaluations that are stuck now, for metrics.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.pool.abandoned()
    }
}

#[cfg(test)]
mod tests;
