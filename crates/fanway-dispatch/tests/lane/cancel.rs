//! Messages that are called off.

use std::num::NonZeroU32;

use fanway_store::change::{Control, Force};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{DeadReason, DeliveryState, MessageState};

use crate::bench::{Bench, Running, fixed, healthy, millis, pass, paused, secs};

/// Calls one of three messages off that a held lane has taken.
async fn check_held(control: Control) {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = bench.start(&target);
    lane.control(control.clone());
    let messages = bench.accept(3).await;
    pass(millis(1)).await;
    bench.cancel(&messages[1]).await;
    pass(millis(1)).await;
    let view = bench.view(&messages[1]).await;
    assert_eq!(view.state, MessageState::Cancelled, "{control:?}");
    assert_eq!(view.deliveries[0].attempts, 0);
    assert_eq!(lane.snapshot().waiting, 2);
    lane.control(Control::default());
    bench.all_ended(&messages).await;
    assert_eq!(target.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_is_cancelled_at_once_whatever_holds_the_lane() {
    check_held(paused()).await;
    check_held(Control {
        pause: None,
        breaker: Force::Open,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_is_cancelled_at_once_though_the_window_is_full() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::hang());
    let mut params = bench.params(&target);
    params.window.deliveries = 2;
    params.concurrency = fixed(1);
    let lane = Running::start(params);
    let messages = bench.accept(3).await;
    pass(millis(1)).await;
    assert_eq!(bench.most_held(), 2);
    bench.cancel(&messages[1]).await;
    pass(millis(1)).await;
    let view = bench.view(&messages[1]).await;
    assert_eq!(view.state, MessageState::Cancelled);
    assert_eq!(lane.snapshot().waiting, 1, "its place is another's");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_waits_within_the_lane_is_cancelled_at_once() {
    let mut bench = Bench::new().await;
    let busy = Reply::retry_after(503, "4");
    let target = ScriptedTarget::always(busy);
    let lane = bench.start(&target);
    let messages = bench.accept(2).await;
    pass(secs(1)).await;
    let before = lane.snapshot();
    bench.cancel(&messages[0]).await;
    pass(millis(1)).await;
    let view = bench.first_step(&messages[0]).await;
    assert_eq!(view.state, DeliveryState::Cancelled);
    assert_eq!(view.attempts, 1);
    assert_eq!((before.waiting, lane.snapshot().waiting), (2, 1));
    assert_eq!(lane.snapshot().bytes.get(), 1);
    target.reply_from_now_on(Reply::status(200));
    bench.ended(&messages[1]).await;
    assert_eq!(target.attempts(), 3);
}

/// Calls a message off during its first attempt, and checks how that ends it.
async fn check_in_flight(reply: Reply, attempts: u32, expected: (DeliveryState, Option<u16>)) {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([reply.after(secs(2))], Reply::status(200));
    let mut params = bench.params(&target);
    params.retry.attempts = NonZeroU32::new(attempts).expect("at least one");
    let lane = Running::start(params);
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    bench.cancel(&message).await;
    pass(millis(999)).await;
    let pending = bench.first_step(&message).await;
    assert_eq!(pending.state, DeliveryState::Pending, "the attempt decides");
    pass(millis(2)).await;
    let view = bench.first_step(&message).await;
    assert_eq!((view.state, view.status), expected);
    assert_eq!(view.attempts, 1);
    let detail = (view.state != DeliveryState::Delivered).then_some("as it said");
    assert_eq!(view.detail.as_deref(), detail);
    pass(secs(3600)).await;
    assert_eq!(target.attempts(), 1);
    assert_eq!(lane.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_in_flight_decides_and_isnt_followed_by_another() {
    use DeliveryState::{Cancelled, Dead, Delivered};
    let said = |status| Reply::status(status).with_body(b"as it said");
    check_in_flight(Reply::status(200), 9, (Delivered, Some(200))).await;
    check_in_flight(said(422), 9, (Dead, Some(422))).await;
    check_in_flight(said(503), 1, (Dead, Some(503))).await;
    check_in_flight(said(503), 9, (Cancelled, Some(503))).await;
    check_in_flight(said(429), 9, (Cancelled, Some(429))).await;
    check_in_flight(said(401), 9, (Cancelled, Some(401))).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_of_a_cancelled_message_leaves_the_breaker_as_it_should() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(401).after(secs(1)));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(millis(31_500)).await;
    assert_eq!(target.attempts(), 2, "the second is the probe");
    bench.cancel(&message).await;
    pass(secs(1)).await;
    let view = bench.view(&message).await;
    assert_eq!(view.state, MessageState::Cancelled);
    let other = bench.accept_one().await;
    pass(secs(20)).await;
    assert_eq!(target.attempts(), 2, "it is held again");
    target.reply_from_now_on(Reply::status(200));
    bench.ended(&other).await;
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().held_by, None);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_after_the_cancel_is_made() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(422).after(secs(1)));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(millis(1)).await;
    bench.cancel(&message).await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Refused));
    target.reply_from_now_on(Reply::status(200));
    bench
        .redrive(&message, fanway_store::change::Key::Kept)
        .await;
    assert_eq!(bench.ended(&message).await.state, MessageState::Delivered);
}
