//! Evaluations on threads: their ends, and what happens when one doesn't end.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fanway_types::{ByteCount, DeliveryId, Message, MessageId, Plan, Request, Terms};

use super::{ABANDONED_LIMIT, Evaluator, Params, Witness};
use crate::plan::CompiledPlan;
use crate::{Limits, Predicate, PredicateError, ShapeError, Shaping};

const PARAMS: Params = Params {
    threads: NonZeroUsize::MIN,
    stack_size: ByteCount::mib(4),
    limits: Limits {
        deadline: Duration::from_secs(1),
        output: ByteCount::mib(1),
        input: crate::json::Limits {
            size: ByteCount::mib(1),
            depth: 128,
        },
        stack: ByteCount::mib(1),
    },
};

fn delivery() -> DeliveryId {
    DeliveryId::first(MessageId::from_bytes([1; 16]), 0)
}

fn sample(program: &str) -> (Arc<CompiledPlan>, Arc<Message>) {
    let body = serde_json::Value::from(program);
    let json = format!(
        r#"{{"route":"r","steps":[{{"name":"b","target":"t","method":"PUT","critical":true,"body":{body}}}]}}"#
    );
    let plan = Plan::from_json(&json).expect("a plan");
    let message = Message {
        id: delivery().message,
        route: plan.route.clone(),
        plan: plan.hash(),
        request: Request {
            body: Bytes::from_static(b"1"),
            ..Request::default()
        },
        terms: Terms::default(),
        reservation: None,
    };
    let plan = CompiledPlan::compile(&plan).expect("nothing is wrong with the plan");
    (Arc::new(plan), Arc::new(message))
}

async fn evaluate(evaluator: &Evaluator, program: &str) -> Result<Bytes, ShapeError> {
    let (plan, message) = sample(program);
    match evaluator.shape(plan, 0, message, delivery()).await? {
        Shaping::Send(shaped) => Ok(shaped.body),
        Shaping::Skip => panic!("nothing skips"),
    }
}

#[tokio::test]
async fn one_thread_outlives_whatever_it_is_given() {
    let evaluator = Evaluator::start(PARAMS, Arc::new(())).expect("threads");
    assert_eq!(
        evaluate(&evaluator, "def f: f; f").await,
        Err(ShapeError::Deadline)
    );
    assert_eq!(
        evaluate(&evaluator, "def f: 1 + f; f").await,
        Err(ShapeError::Recursion)
    );
    assert_eq!(
        evaluate(&evaluator, "def f: [f]; f").await,
        Err(ShapeError::Recursion)
    );
    assert_eq!(
        evaluate(&evaluator, "\"x\" * 100000000").await,
        Err(ShapeError::Value("too large"))
    );
    assert_eq!(
        evaluate(&evaluator, ". + 1").await,
        Ok(Bytes::from_static(b"2"))
    );
    assert_eq!(evaluator.abandoned(), 0, "each of them stopped by itself");
}

/// Blocks each evaluation until it is let go, as a native function that doesn't end would.
struct Gate {
    release: Mutex<Receiver<()>>,
    running: SyncSender<usize>,
    ended: SyncSender<usize>,
    open_after: AtomicUsize,
}

impl Witness for Gate {
    fn began(&self, slot: usize, _delivery: DeliveryId) {
        let closed = self
            .open_after
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        self.running.send(slot).expect("the test listens");
        if closed {
            self.release
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv()
                .expect("the test lets go");
        }
    }

    fn ended(&self, slot: usize) {
        self.ended.send(slot).expect("the test listens");
    }
}

struct Gated {
    evaluator: Evaluator,
    release: SyncSender<()>,
    running: Arc<Mutex<Receiver<usize>>>,
    ended: Receiver<usize>,
}

/// An evaluator whose first `stuck` evaluations block.
fn gated(stuck: usize) -> Gated {
    let (release, released) = sync_channel(64);
    let (began, running) = sync_channel(64);
    let (end, ended) = sync_channel(64);
    let gate = Gate {
        release: Mutex::new(released),
        running: began,
        ended: end,
        open_after: stuck.into(),
    };
    let evaluator = Evaluator::start(PARAMS, Arc::new(gate)).expect("threads");
    Gated {
        evaluator,
        release,
        running: Arc::new(Mutex::new(running)),
        ended,
    }
}

impl Gated {
    /// The answer, and the slot on which it was found, or not. Virtual time stands still while a
    /// blocking task is under way, so it comes to the deadline only when the evaluation is known to
    /// be running and all that is left to do is to wait for it.
    async fn evaluate(&self, program: &str) -> (Result<Bytes, ShapeError>, usize) {
        let running = Arc::clone(&self.running);
        let began = move || {
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv()
                .expect("it begins")
        };
        let (answer, slot) = tokio::join!(
            evaluate(&self.evaluator, program),
            tokio::task::spawn_blocking(began)
        );
        (answer, slot.expect("no panic"))
    }
}

/// Holds virtual time as long as the evaluation takes.
async fn evaluate_at_leisure(evaluator: &Evaluator, program: &str) -> Result<Bytes, ShapeError> {
    let (done, waiting) = sync_channel::<()>(0);
    let standstill = tokio::task::spawn_blocking(move || waiting.recv());
    let answer = evaluate(evaluator, program).await;
    drop(done);
    standstill
        .await
        .expect("no panic")
        .expect_err("nothing is sent");
    answer
}

#[tokio::test(start_paused = true)]
async fn a_stuck_thread_is_replaced_and_keeps_its_slot() {
    let gated = gated(1);
    assert_eq!(gated.evaluate("1").await, (Err(ShapeError::Deadline), 0));
    assert_eq!(gated.evaluator.abandoned(), 1);
    assert_eq!(
        evaluate_at_leisure(&gated.evaluator, "2").await,
        Ok(Bytes::from_static(b"2"))
    );
    assert_eq!(gated.ended.recv(), Ok(1));
    gated.release.send(()).expect("it waits");
    assert_eq!(gated.ended.recv(), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn too_many_stuck_threads_refuse_more_until_one_comes_back() {
    let gated = gated(ABANDONED_LIMIT);
    for slot in 0..ABANDONED_LIMIT {
        assert_eq!(gated.evaluate("1").await, (Err(ShapeError::Deadline), slot));
    }
    assert_eq!(
        evaluate(&gated.evaluator, "1").await,
        Err(ShapeError::Overloaded)
    );
    gated.release.send(()).expect("one of them waits");
    assert!(gated.ended.recv().expect("it ends") < ABANDONED_LIMIT);
    // It has told the witness; a moment later it tells the pool.
    while gated.evaluator.abandoned() == ABANDONED_LIMIT {
        std::thread::yield_now();
    }
    assert_eq!(
        evaluate_at_leisure(&gated.evaluator, "2").await,
        Ok(Bytes::from_static(b"2"))
    );
    for _ in 1..ABANDONED_LIMIT {
        gated.release.send(()).expect("they wait");
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_thread_goes_on() {
    let evaluator = Evaluator::start(PARAMS, Arc::new(())).expect("threads");
    let (plan, message) = sample("1");
    let no_such_step = evaluator.shape(plan, 9, message, delivery()).await;
    assert!(
        matches!(no_such_step, Err(ShapeError::Panicked(message)) if message.contains("out of bounds"))
    );
    assert_eq!(
        evaluate(&evaluator, ". + 1").await,
        Ok(Bytes::from_static(b"2"))
    );
}

#[test]
fn the_threads_end_with_the_last_handle() {
    let gated = gated(0);
    drop(gated.evaluator);
    assert!(
        gated.ended.recv().is_err(),
        "no thread holds the witness any more"
    );
}

#[tokio::test]
async fn a_predicate_runs_on_the_same_threads_within_the_same_bounds() {
    let evaluator = Evaluator::start(PARAMS, Arc::new(())).expect("threads");
    let test = async |source: &str, body: &'static str| {
        let predicate = Predicate::compile(source).expect("it compiles");
        let body = Bytes::from_static(body.as_bytes());
        evaluator.test(predicate, body, delivery()).await
    };
    let too_long = test("def f: f; f", "1").await;
    assert_eq!(too_long, Err(PredicateError::Deadline));
    let too_deep = test("def f: 1 + f; f", "1").await;
    assert_eq!(too_deep, Err(PredicateError::Recursion));
    assert_eq!(test(".ok", r#"{"ok": true}"#).await, Ok(true));
    assert_eq!(test(".ok", "{}").await, Ok(false));
    assert!(matches!(
        test(".", "{").await,
        Err(PredicateError::Input(_))
    ));
    assert_eq!(evaluate(&evaluator, ". + 1").await, Ok(Bytes::from("2")));
}
