//! The window: bounded, in order, and apart from other lanes'.

use std::sync::Arc;

use fanway_dispatch::Plans;
use fanway_store::lane::Room;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::build;
use fanway_testkit::scripted_target::Reply;
use fanway_transform::plan::CompiledPlan;
use fanway_types::{ByteCount, DeliveryState, HeldBy, Plan};

use crate::bench::{Bench, Running, START, fixed, healthy, millis, pass, secs};

#[tokio::test(start_paused = true)]
async fn a_lane_never_holds_more_than_its_window_and_catches_up_in_order() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let mut params = bench.params(&target);
    params.concurrency = fixed(1);
    let lane = Running::start(params);
    let messages = bench.accept(100_000).await;
    pass(secs(3600)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Breaker));
    assert_eq!(bench.most_held(), 4096);
    assert_eq!(lane.snapshot().waiting, 4096);
    let before = target.attempts();
    target.reply_from_now_on(Reply::status(200));
    bench.all_ended(&messages).await;
    assert!(bench.most_held() <= 4096);
    let seen = target.seen();
    let numbers: Vec<u64> = seen[before..]
        .iter()
        .map(|seen| seen.body().parse().expect("a number"))
        .collect();
    assert_eq!(numbers.len(), 100_000);
    // Those that were attempted while it was down come later; the others keep their order.
    let fresh: Vec<u64> = numbers.into_iter().filter(|number| *number > 200).collect();
    assert!(fresh.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn the_window_is_bounded_in_bytes_as_well() {
    let bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::hang());
    let mut params = bench.params(&target);
    params.window = Room {
        deliveries: 1000,
        bytes: ByteCount::kib(10),
    };
    let lane = Running::start(params);
    for number in 0..100 {
        let message = build::message_with_body(&bench.plan, number, vec![b'x'; 3000]);
        let accepted = fanway_store::Store::accept(&bench.store, vec![message]).await;
        accepted.expect("it's open");
    }
    pass(secs(1)).await;
    assert_eq!(
        bench.most_held(),
        4,
        "the one that crosses the line is the last"
    );
    assert_eq!(lane.snapshot().bytes, ByteCount::new(12_000));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_limit_is_in_flight() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200).after(millis(100)));
    let mut params = bench.params(&target);
    params.concurrency = fixed(3);
    let lane = Running::start(params);
    let messages = bench.accept(30).await;
    pass(millis(50)).await;
    assert_eq!(lane.snapshot().in_flight, 3);
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Limit));
    bench.all_ended(&messages).await;
    assert_eq!(target.peak(), 3);
    assert_eq!(bench.clock.now(), START.saturating_add(secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_doesnt_slow_another_down() {
    let steps = [build::step("inventory"), build::step("shipping")];
    let mut bench = Bench::with_steps(steps).await;
    let hanging = ScriptedTarget::always(Reply::hang());
    let well = healthy();
    let _hanging_lane = bench.start(&hanging);
    let _lane = Running::start(bench.params_of("shipping", &well));
    let messages = bench.accept(640).await;
    pass(millis(20)).await;
    assert_eq!(well.attempts(), 640);
    assert_eq!(hanging.attempts(), 64);
    let view = fanway_store::Store::message(&bench.store, messages[639].id).await;
    let Ok(fanway_store::lookup::Found::Message(view)) = view else {
        panic!("it is known");
    };
    assert_eq!(view.deliveries[0].state, DeliveryState::Pending);
    assert_eq!(view.deliveries[1].state, DeliveryState::Delivered);
}

#[tokio::test(start_paused = true)]
async fn retries_leave_half_of_the_window_to_others() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::retry_after(503, "4"));
    let mut params = bench.params(&target);
    params.window.deliveries = 100;
    params.breaker.consecutive = std::num::NonZeroU32::MAX;
    params.breaker.minimum = u32::MAX;
    let lane = Running::start(params);
    bench.accept(1000).await;
    pass(secs(1)).await;
    assert_eq!(target.attempts(), 1000, "none waits behind the retries");
    assert_eq!(lane.snapshot().waiting, 50);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_floods_a_target_does_not_keep_another_s_deliveries_waiting() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200).after(millis(10)));
    let mut params = bench.params(&target);
    params.concurrency = fixed(1);
    let other = Plan {
        route: "returns".parse().expect("a name"),
        ..Plan::clone(&bench.plan)
    };
    let compiled = [&*bench.plan, &other].map(|plan| CompiledPlan::compile(plan).map(Arc::new));
    params.plans = Plans::new(compiled.map(|plan| plan.expect("it compiles")));
    let kept = fanway_store::Store::keep_plan(&bench.store, Arc::new(other.clone()));
    kept.await.expect("it's open");
    let _lane = Running::start(params);
    bench.accept(3000).await;
    pass(millis(5)).await;
    let few: Vec<_> = (0..3)
        .map(|number| build::message(&other, 10_000 + number))
        .collect();
    let accepted = fanway_store::Store::accept(&bench.store, few.clone()).await;
    accepted.expect("it's open");
    bench.all_ended(&few).await;
    assert!(
        target.attempts() <= 8,
        "{}: each has every other turn",
        target.attempts()
    );
}
