//! Steps with expressions. These run on threads of their own, so time isn't paused here.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use fanway_policy::exchange::Rules;
use fanway_target::FailureKind;
use fanway_testkit::scripted_target::Reply;
use fanway_testkit::{ScriptedTarget, build};
use fanway_transform::evaluator::{self, Evaluator, Witness};
use fanway_types::{DeadReason, DeliveryId, DeliveryState, MessageState, Step};
use tokio::sync::Notify;

use crate::bench::{Bench, Running, healthy, secs};

fn with_body(program: &str) -> Step {
    Step {
        body: Some(program.to_owned()),
        ..build::step("inventory")
    }
}

fn with_when(program: &str) -> Step {
    Step {
        when: Some(program.to_owned()),
        ..build::step("inventory")
    }
}

#[tokio::test]
async fn a_body_program_makes_the_body() {
    let mut bench = Bench::with_steps([with_body("{number: .}")]).await;
    let target = healthy();
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    assert_eq!(target.seen()[0].body(), r#"{"number":0}"#);
}

#[tokio::test]
async fn a_step_whose_expression_fails_is_dead_with_the_reason_and_its_siblings_go_on() {
    let steps = [with_body(".a.b"), build::step("shipping")];
    let mut bench = Bench::with_steps(steps).await;
    let (inventory, shipping) = (healthy(), healthy());
    let _lane = bench.start(&inventory);
    let _sibling = Running::start(bench.params_of("shipping", &shipping));
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.state, MessageState::Failed);
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Expression));
    assert!(view.deliveries[0].detail.is_some());
    assert_eq!(view.deliveries[0].attempts, 0);
    assert_eq!(view.deliveries[1].state, DeliveryState::Delivered);
    assert_eq!((inventory.attempts(), shipping.attempts()), (0, 1));
}

#[tokio::test]
async fn a_step_with_nothing_to_do_is_skipped_and_written_down() {
    let mut bench = Bench::with_steps([with_when(". > 0")]).await;
    let target = healthy();
    let _lane = bench.start(&target);
    let messages = bench.accept(2).await;
    let skipped = bench.ended(&messages[0]).await;
    assert_eq!(skipped.deliveries[0].state, DeliveryState::Skipped);
    assert_eq!(skipped.state, MessageState::Delivered);
    let sent = bench.ended(&messages[1]).await;
    assert_eq!(sent.deliveries[0].state, DeliveryState::Delivered);
    assert_eq!(target.attempts(), 1);
}

#[tokio::test]
async fn what_no_request_can_be_made_of_is_dead_at_once() {
    let reply = Reply::failed(FailureKind::Request, "the address is no URL");
    let mut bench = Bench::new().await;
    let _lane = bench.start(&ScriptedTarget::always(reply));
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Expression));
    let detail = view.deliveries[0].detail.as_deref();
    assert_eq!(detail, Some("the address is no URL"));
}

#[tokio::test]
async fn an_address_that_came_with_the_message_and_is_forbidden_is_a_dead_letter_at_once() {
    let reply = Reply::failed(FailureKind::Egress, "connect to h:80: 10.0.0.1 is private");
    let target = ScriptedTarget::always(reply);
    let mut bench = Bench::new().await;
    let mut params = bench.params(&target);
    params.counts.rules = Rules::default().from_data();
    let _lane = Running::start(params);
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Egress));
    let detail = view.deliveries[0].detail.as_deref();
    assert_eq!(detail, Some("connect to h:80: 10.0.0.1 is private"));
    assert_eq!(target.attempts(), 1);
}

#[tokio::test]
async fn a_target_of_the_configs_whose_address_is_forbidden_is_tried_again() {
    let reply = Reply::failed(FailureKind::Egress, "connect to h:80: 10.0.0.1 is private");
    let target = ScriptedTarget::scripted([reply], Reply::status(200));
    let mut bench = Bench::new().await;
    let mut params = bench.params(&target);
    params.retry.first = std::time::Duration::ZERO;
    let _lane = Running::start(params);
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].state, DeliveryState::Delivered);
    assert_eq!(target.attempts(), 2);
}

#[tokio::test]
async fn each_attempt_of_a_delivery_has_the_same_body() {
    let mut bench = Bench::with_steps([with_body("{number: ., id: $message.id}")]).await;
    let target = ScriptedTarget::scripted([Reply::status(500)], Reply::status(200));
    let mut params = bench.params(&target);
    params.retry.first = std::time::Duration::ZERO;
    let _lane = Running::start(params);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let seen = target.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body(), seen[1].body());
    assert!(seen[0].body().contains(&message.id.to_string()));
}

/// Keeps evaluations from beginning until a test lets them.
struct Doorkeeper {
    came: Arc<Notify>,
    door: Mutex<Receiver<()>>,
}

impl Witness for Doorkeeper {
    fn began(&self, _slot: usize, _delivery: DeliveryId) {
        self.came.notify_one();
        let door = self.door.lock().expect("no panic");
        let _open_or_gone = door.recv();
    }

    fn ended(&self, _slot: usize) {}
}

/// A lane whose evaluations begin when told to.
struct Stalled {
    bench: Bench,
    target: ScriptedTarget,
    _lane: Running,
    came: Arc<Notify>,
    door: SyncSender<()>,
}

impl Stalled {
    async fn start() -> Self {
        let bench = Bench::with_steps([with_body("{number: .}")]).await;
        let target = healthy();
        let (door, opened) = sync_channel(1);
        let came = Arc::new(Notify::new());
        let doorkeeper = Doorkeeper {
            came: Arc::clone(&came),
            door: Mutex::new(opened),
        };
        let mut patient = evaluator::Params::default();
        patient.limits.deadline = secs(3600);
        let mut params = bench.params(&target);
        let evaluator = Evaluator::start(patient, Arc::new(doorkeeper));
        params.evaluator = evaluator.expect("threads");
        Self {
            _lane: Running::start(params),
            bench,
            target,
            came,
            door,
        }
    }

    /// Lets the lane, which runs on this thread, do all that it can.
    async fn rest() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_message_that_is_called_off_while_it_is_shaped_is_not_attempted() {
    let mut stalled = Stalled::start().await;
    let message = stalled.bench.accept_one().await;
    stalled.came.notified().await;
    stalled.bench.cancel(&message).await;
    Stalled::rest().await;
    stalled.door.send(()).expect("it waits");
    let view = stalled.bench.ended(&message).await;
    assert_eq!(view.state, MessageState::Cancelled);
    assert_eq!(view.deliveries[0].attempts, 0);
    assert_eq!(stalled.target.attempts(), 0);
}

#[tokio::test]
async fn a_message_whose_time_is_over_while_it_is_shaped_is_not_attempted() {
    let mut stalled = Stalled::start().await;
    let message = stalled.bench.accept_expiring(secs(1000)).await;
    stalled.came.notified().await;
    stalled.bench.clock.jump(1_000_000);
    stalled.door.send(()).expect("it waits");
    let view = stalled.bench.ended(&message).await;
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Expired));
    assert_eq!(view.deliveries[0].attempts, 0);
    assert_eq!(stalled.target.attempts(), 0);
}
