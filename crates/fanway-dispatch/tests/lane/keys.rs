//! Order keys: of each one delivery at a time, whatever happens to it.

use fanway_testkit::scripted_target::Reply;
use fanway_testkit::{ScriptedTarget, build};
use fanway_types::{DeliveryState, OrderKey, StepOrder, Terms, WhenDead};

use crate::bench::{Bench, healthy, millis, pass, secs};

/// A bench whose step keeps its deliveries in order.
pub(crate) async fn ordered(when_dead: WhenDead) -> Bench {
    let mut step = build::step("inventory");
    step.order = Some(StepOrder {
        by: ".key".to_owned(),
        when_dead,
    });
    Bench::with_steps([step]).await
}

/// What keeps a message in order with others of that key.
pub(crate) fn of_key(key: &str) -> Terms {
    Terms {
        order: [(0, OrderKey::of(key))].into(),
        ..Terms::default()
    }
}

/// The numbers that a target has seen.
fn numbers(target: &ScriptedTarget) -> Vec<u64> {
    let seen = target.seen();
    let numbers = seen.iter().map(|seen| seen.body().parse());
    numbers.map(|number| number.expect("a number")).collect()
}

#[tokio::test(start_paused = true)]
async fn of_one_key_one_is_in_flight_and_other_keys_flow_on() {
    let mut bench = ordered(WhenDead::Skip).await;
    let target = ScriptedTarget::always(Reply::status(200).after(millis(10)));
    let lane = bench.start(&target);
    let mut messages = bench.accept_with(5, &of_key("a")).await;
    messages.extend(bench.accept_with(5, &of_key("b")).await);
    pass(millis(5)).await;
    assert_eq!(lane.snapshot().in_flight, 2);
    bench.all_ended(&messages).await;
    assert_eq!(numbers(&target), [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]);
    assert_eq!(target.peak(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_tried_again_keeps_its_turn() {
    let mut bench = ordered(WhenDead::Skip).await;
    // One wait within the lane, and one for which the store has it.
    let script = [
        Reply::retry_after(503, "2"),
        Reply::retry_after(503, "1000"),
    ];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = bench.start(&target);
    let messages = bench.accept_with(3, &of_key("a")).await;
    bench.all_ended(&messages).await;
    assert_eq!(numbers(&target), [0, 0, 0, 1, 2]);
    let seen = target.seen();
    assert!(seen[3].at - seen[0].at >= secs(1002));
}

#[tokio::test(start_paused = true)]
async fn order_is_kept_while_the_breaker_is_open_and_over_a_restart() {
    let mut bench = ordered(WhenDead::Skip).await;
    let target = ScriptedTarget::always(Reply::status(503));
    let lane = bench.start(&target);
    let mut messages = Vec::new();
    for _ in 0..50 {
        for key in ["a", "b", "c"] {
            messages.extend(bench.accept_with(1, &of_key(key)).await);
        }
    }
    pass(secs(600)).await;
    lane.kill().await;
    let before = target.attempts();
    let began: Vec<_> = numbers(&target);
    assert!(began.iter().all(|number| *number < 3), "{began:?}");
    let _lane = bench.start(&target);
    pass(secs(60)).await;
    target.reply_from_now_on(Reply::status(200).after(millis(1)));
    bench.all_ended(&messages).await;
    let numbers = numbers(&target).split_off(before);
    for key in 0..3 {
        let mut of_key: Vec<_> = numbers.iter().filter(|number| *number % 3 == key).collect();
        assert!(of_key.is_sorted(), "{of_key:?}");
        of_key.dedup();
        assert_eq!(of_key.len(), 50);
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocked_key_leaves_the_window_to_others() {
    let mut bench = ordered(WhenDead::Block).await;
    let target = ScriptedTarget::scripted([Reply::status(422)], healthy_reply());
    let _lane = bench.start(&target);
    let dead = bench.accept_with(1, &of_key("a")).await;
    bench.all_ended(&dead).await;
    let blocked = bench.accept_with(10_000, &of_key("a")).await;
    let others = bench.accept_with(10, &of_key("b")).await;
    bench.all_ended(&others).await;
    assert_eq!(target.attempts(), 11);
    assert!(bench.most_held() <= 10, "{}", bench.most_held());
    let view = bench.first_step(&blocked[9_999]).await;
    assert_eq!((view.state, view.in_line), (DeliveryState::Pending, true));
}

fn healthy_reply() -> Reply {
    Reply::status(200).after(millis(1))
}

#[tokio::test(start_paused = true)]
async fn without_a_key_nothing_waits() {
    let mut bench = ordered(WhenDead::Block).await;
    let target = healthy();
    let _lane = bench.start(&target);
    let messages = bench.accept(64).await;
    bench.all_ended(&messages).await;
    assert_eq!(target.peak(), 64);
}
