//! The threads behind an `Evaluator`: begun, abandoned, replaced, come back.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use bytes::Bytes;
use fanway_types::{ByteCount, DeliveryId, Message, StepIndex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{ABANDONED_LIMIT, Params, Witness};
use crate::meter::contain;
use crate::order::{OrderError, order_values};
use crate::plan::CompiledPlan;
use crate::predicate::{Predicate, PredicateError};
use crate::shape::{Limits, ShapeError, Shaping, shape};

/// Who waits for an evaluation.
pub(super) type Answer<T, E> = oneshot::Sender<Result<T, E>>;

/// The values of a message's steps that have one.
type OrderValues = Vec<(StepIndex, String)>;

/// One evaluation.
pub(super) struct Job {
    pub(super) delivery: DeliveryId,
    pub(super) task: Task,
}

/// What is evaluated.
pub(super) enum Task {
    /// A step's expressions.
    Shape {
        plan: Arc<CompiledPlan>,
        step: StepIndex,
        message: Arc<Message>,
        answer: Answer<Shaping, ShapeError>,
    },
    /// Each step's `order_by`.
    Order {
        plan: Arc<CompiledPlan>,
        message: Arc<Message>,
        answer: Answer<OrderValues, OrderError>,
    },
    /// A predicate.
    Test {
        predicate: Predicate,
        body: Bytes,
        answer: Answer<bool, PredicateError>,
    },
}

/// What came of it, for who waits.
enum Done {
    Shaped(Answer<Shaping, ShapeError>, Result<Shaping, ShapeError>),
    Ordered(
        Answer<OrderValues, OrderError>,
        Result<OrderValues, OrderError>,
    ),
    Tested(Answer<bool, PredicateError>, Result<bool, PredicateError>),
}

impl Task {
    fn run(self, limits: &Limits) -> Done {
        match self {
            Self::Shape {
                plan,
                step,
                message,
                answer,
            } => {
                let shaping = contain(|| shape(plan.step(step), &message, limits));
                Done::Shaped(answer, shaping.unwrap_or_else(|thrown| Err(thrown.into())))
            }
            Self::Order {
                plan,
                message,
                answer,
            } => Done::Ordered(answer, order_values(&plan, &message, limits)),
            Self::Test {
                predicate,
                body,
                answer,
            } => {
                let verdict = contain(|| predicate.test(&body, limits));
                Done::Tested(answer, verdict.unwrap_or_else(|thrown| Err(thrown.into())))
            }
        }
    }
}

impl Done {
    /// Tells who waits, where somebody still does.
    fn tell(self) {
        match self {
            Self::Shaped(answer, shaping) => drop(answer.send(shaping)),
            Self::Ordered(answer, values) => drop(answer.send(values)),
            Self::Tested(answer, verdict) => drop(answer.send(verdict)),
        }
    }
}

/// Names an evaluation that was begun.
pub(super) struct Begun {
    number: u64,
}

struct Assigned {
    number: u64,
    job: Job,
    permit: OwnedSemaphorePermit,
}

pub(super) struct Pool {
    params: Params,
    witness: Arc<dyn Witness>,
    /// One permit for each thread that isn't abandoned: who has one finds a thread waiting.
    permits: Arc<Semaphore>,
    jobs: SyncSender<Assigned>,
    waiting: Arc<Mutex<Receiver<Assigned>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_number: u64,
    /// Evaluations that are running or abandoned.
    running: BTreeSet<u64>,
    abandoned: BTreeSet<u64>,
    slots: BTreeSet<usize>,
}

impl Pool {
    pub(super) fn start(params: Params, witness: Arc<dyn Witness>) -> io::Result<Arc<Self>> {
        let threads = params.threads.get();
        // There are never more permits than this, abandoned threads and their replacements together.
        let (jobs, waiting) = sync_channel(2 * threads + ABANDONED_LIMIT);
        let pool = Arc::new(Self {
            params,
            witness,
            permits: Arc::new(Semaphore::new(threads)),
            jobs,
            waiting: Arc::new(Mutex::new(waiting)),
            state: Mutex::default(),
        });
        for _ in 0..threads {
            pool.start_thread(&mut pool.state())?;
        }
        Ok(pool)
    }

    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    pub(super) fn abandoned(&self) -> usize {
        self.state().abandoned.len()
    }

    pub(super) fn begin(&self, job: Job, permit: OwnedSemaphorePermit) -> Begun {
        let number = {
            let mut state = self.state();
            state.last_number += 1;
            let number = state.last_number;
            state.running.insert(number);
            number
        };
        // There is room; were there none, the answer would be dropped and the waiter told so.
        let _taken = self.jobs.try_send(Assigned {
            number,
            job,
            permit,
        });
        Begun { number }
    }

    /// Leaves an evaluation behind and puts a thread in its thread's place. Where it has just ended,
    /// or no thread can be made, all stays as it is.
    pub(super) fn abandon(self: &Arc<Self>, begun: &Begun) {
        let mut state = self.state();
        if state.running.contains(&begun.number) && self.start_thread(&mut state).is_ok() {
            state.running.remove(&begun.number);
            state.abandoned.insert(begun.number);
            self.permits.add_permits(1);
        }
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let slot = (0..)
            .find(|slot| !state.slots.contains(slot))
            .expect("there are fewer threads than numbers");
        let stack = self.params.stack_size.get();
        let worker = Worker {
            slot,
            limits: Limits {
                stack: ByteCount::new(stack / 4 * 3),
                ..self.params.limits
            },
            witness: Arc::clone(&self.witness),
            waiting: Arc::clone(&self.waiting),
            pool: Arc::downgrade(self),
        };
        let thread = thread::Builder::new()
            .name(format!("evaluate-{slot}"))
            .stack_size(self.params.stack_size.as_usize());
        thread.spawn(move || worker.run())?;
        state.slots.insert(slot);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; a poisoned one would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    slot: usize,
    limits: Limits,
    witness: Arc<dyn Witness>,
    waiting: Arc<Mutex<Receiver<Assigned>>>,
    /// Weak, so that the pool, and with it the channel, ends with its last handle.
    pool: Weak<Pool>,
}

impl Worker {
    fn run(self) {
        while let Some(assigned) = self.next() {
            let Assigned {
                number,
                job,
                permit,
            } = assigned;
            let done = self.evaluate(job);
            if !self.put_back(number, permit) {
                return;
            }
            done.tell();
        }
    }

    fn next(&self) -> Option<Assigned> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv()
            .ok()
    }

    fn evaluate(&self, job: Job) -> Done {
        self.witness.began(self.slot, job.delivery);
        let done = job.task.run(&self.limits);
        self.witness.ended(self.slot);
        done
    }

    /// Notes that an evaluation has ended; false where the thread was replaced meanwhile.
    fn put_back(&self, number: u64, permit: OwnedSemaphorePermit) -> bool {
        let Some(pool) = self.pool.upgrade() else {
            return false;
        };
        let mut state = pool.state();
        state.running.remove(&number);
        if state.abandoned.remove(&number) {
            state.slots.remove(&self.slot);
            permit.forget();
            return false;
        }
        true
    }
}
