//! What a lane finds when it begins.

use std::num::NonZeroU32;
use std::sync::Arc;

use fanway_dispatch::Plans;
use fanway_store::Store;
use fanway_testkit::scripted_target::Reply;
use fanway_testkit::{ScriptedTarget, build};
use fanway_types::{DeadReason, DeliveryId, DeliveryState, MessageState, Step};

use crate::bench::{Bench, Running, healthy, pass, secs};

#[tokio::test(start_paused = true)]
async fn attempts_go_on_counting_after_a_restart() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    while target.attempts() < 3 {
        pass(secs(1)).await;
    }
    lane.kill().await;
    let before = bench.last_outcome(&message);
    let mut params = bench.params(&target);
    params.retry.attempts = NonZeroU32::new(5).expect("5 is not 0");
    let _lane = Running::start(params);
    let view = bench.ended(&message).await;
    assert_eq!(before.attempts, 3);
    assert_eq!(view.deliveries[0].attempts, 5);
    assert_eq!(target.seen()[3].header("fanway-attempt"), "4");
    assert_eq!(target.attempts(), 5);
    assert!(bench.last_outcome(&message).spent > before.spent);
}

#[tokio::test(start_paused = true)]
async fn a_retry_keeps_its_due_time_over_a_restart() {
    let mut bench = Bench::new().await;
    let script = [Reply::retry_after(503, "1000")];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(secs(300)).await;
    lane.kill().await;
    let _lane = bench.start(&target);
    bench.ended(&message).await;
    let seen = target.seen();
    let gap = seen[1].at - seen[0].at;
    assert!(gap >= secs(1000) && gap < secs(1001), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_an_earlier_config_is_loaded_from_the_store() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let mut params = bench.params(&target);
    params.plans = Plans::default();
    let _lane = Running::start(params);
    let messages = bench.accept(200).await;
    bench.all_ended(&messages).await;
    let numbers: Vec<_> = target
        .seen()
        .iter()
        .map(|it| it.body().to_owned())
        .collect();
    assert_eq!(
        numbers,
        (0..200).map(|it| it.to_string()).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_no_longer_compiles_makes_dead_letters_with_the_reason() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let broken = build::plan([Step {
        body: Some("no_such_function".to_owned()),
        ..build::step("inventory")
    }]);
    let kept = bench.store.keep_plan(Arc::clone(&broken)).await;
    kept.expect("it's open");
    let _lane = bench.start(&target);
    bench.plan = broken;
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.state, MessageState::Failed);
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Expression));
    let detail = view.deliveries[0].detail.as_deref().expect("a reason");
    assert!(detail.contains("no_such_function"), "{detail}");
    assert_eq!(target.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_took_the_process_down_twice_is_dead() {
    let mut bench = Bench::new().await;
    let messages = bench.accept(2).await;
    let mut params = bench.params(&healthy());
    params.crashed = [DeliveryId::first(messages[0].id, 0)].into();
    let _lane = Running::start(params);
    let crashed = bench.ended(&messages[0]).await;
    assert_eq!(crashed.deliveries[0].reason, Some(DeadReason::Crash));
    assert_eq!(crashed.deliveries[0].attempts, 0);
    let other = bench.ended(&messages[1]).await;
    assert_eq!(other.deliveries[0].state, DeliveryState::Delivered);
}
