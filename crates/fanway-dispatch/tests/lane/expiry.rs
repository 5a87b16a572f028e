//! Messages whose time is over.

use std::time::Duration;

use fanway_store::change::{Control, Force, Key};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{DeadReason, DeliveryState, HeldBy, Message, MessageState, Verdict};

use crate::bench::{Bench, START, healthy, millis, pass, paused, secs};

/// Checks that a message is dead since so long after the start.
async fn check_expired(bench: &Bench, message: &Message, after: Duration, attempts: u32) {
    let view = bench.first_step(message).await;
    assert_eq!(view.state, DeliveryState::Dead);
    assert_eq!(view.reason, Some(DeadReason::Expired));
    assert_eq!(view.at, Some(START.saturating_add(after)));
    assert_eq!(view.attempts, attempts);
}

/// Accepts messages that expire in another order than they came, while something holds the lane.
async fn check_held(target: &ScriptedTarget, control: Control, held_by: HeldBy) {
    let mut bench = Bench::new().await;
    let lane = bench.start(target);
    lane.control(control);
    // The first one makes the breaker hold the others, where nothing else does.
    bench.accept_one().await;
    pass(secs(1)).await;
    let before = target.attempts();
    let mut messages = Vec::new();
    for after in [4, 3, 5] {
        messages.push((bench.accept_expiring(secs(after)).await, after));
    }
    pass(millis(500)).await;
    assert_eq!(lane.snapshot().held_by, Some(held_by));
    assert_eq!(lane.snapshot().waiting, 4);
    pass(secs(10)).await;
    assert_eq!(target.attempts(), before, "{held_by}");
    for (message, after) in &messages {
        check_expired(&bench, message, secs(*after), 0).await;
    }
    assert_eq!(lane.snapshot().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_within_the_lane_ends_when_its_time_is_over_whatever_holds_the_lane() {
    let open = Control {
        pause: None,
        breaker: Force::Open,
    };
    check_held(&healthy(), paused(), HeldBy::Pause).await;
    check_held(&healthy(), open, HeldBy::Breaker).await;
    let refusing = ScriptedTarget::always(Reply::status(401));
    check_held(&refusing, Control::default(), HeldBy::Credentials).await;
    let busy = ScriptedTarget::always(Reply::retry_after(429, "60"));
    check_held(&busy, Control::default(), HeldBy::Limit).await;
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_begun_when_the_time_is_over() {
    let mut bench = Bench::new().await;
    let expired = bench.accept_expiring(secs(5)).await;
    let other = bench.accept_expiring(millis(5001)).await;
    pass(secs(5)).await;
    let target = healthy();
    let _lane = bench.start(&target);
    bench.ended(&expired).await;
    check_expired(&bench, &expired, secs(5), 0).await;
    assert_eq!(bench.ended(&other).await.state, MessageState::Delivered);
    assert_eq!(target.attempts(), 1);
}

/// Lets the first attempt of a message fail that expires after ten seconds.
async fn check_retry(wait: &str, due: Duration) {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::retry_after(503, wait));
    let _lane = bench.start(&target);
    pass(secs(7)).await;
    let message = bench.accept_expiring(secs(10)).await;
    pass(millis(1)).await;
    let Verdict::Again { due: set, .. } = bench.last_outcome(&message).verdict else {
        panic!("the first attempt ended it");
    };
    assert_eq!(set, START.saturating_add(due), "a wait of {wait} s");
    target.reply_from_now_on(Reply::status(200));
    bench.ended(&message).await;
    if due == secs(10) {
        check_expired(&bench, &message, secs(10), 1).await;
        assert_eq!(target.attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_would_be_due_after_it_ends_with_the_messages_time() {
    check_retry("2", secs(9)).await;
    check_retry("3", secs(10)).await;
    check_retry("4", secs(10)).await;
    check_retry("600", secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_in_flight_when_the_time_is_over_decides() {
    let mut bench = Bench::new().await;
    let slow = ScriptedTarget::always(Reply::status(200).after(secs(9)));
    let _lane = bench.start(&slow);
    let message = bench.accept_expiring(secs(5)).await;
    assert_eq!(bench.ended(&message).await.state, MessageState::Delivered);

    let mut bench = Bench::new().await;
    let failing = Reply::status(503).with_body(b"too slow").after(secs(9));
    let failing = ScriptedTarget::always(failing);
    let _lane = bench.start(&failing);
    let message = bench.accept_expiring(secs(5)).await;
    let view = bench.ended(&message).await;
    check_expired(&bench, &message, secs(9), 1).await;
    assert_eq!(view.deliveries[0].detail.as_deref(), Some("too slow"));
    assert_eq!(failing.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_doesnt_expire() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = bench.start(&target);
    lane.control(paused());
    let message = bench.accept_expiring(secs(5)).await;
    pass(secs(6)).await;
    check_expired(&bench, &message, secs(5), 0).await;
    bench.redrive(&message, Key::Kept).await;
    pass(secs(60)).await;
    assert_eq!(bench.view(&message).await.state, MessageState::Pending);
    lane.control(Control::default());
    assert_eq!(bench.ended(&message).await.state, MessageState::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_is_followed() {
    let mut bench = Bench::new().await;
    let lane = bench.start(&healthy());
    lane.control(paused());
    let message = bench.accept_expiring(secs(5 * 3600)).await;
    pass(secs(60)).await;
    bench.clock.jump(-60_000);
    pass(secs(5 * 3600)).await;
    let view = bench.ended(&message).await;
    assert_eq!(view.ended_at, Some(START.saturating_add(secs(5 * 3600))));

    let message = bench.accept_expiring(secs(15 * 3600)).await;
    pass(secs(60)).await;
    bench.clock.jump(10 * 3_600_000);
    pass(secs(3600)).await;
    assert!(bench.view(&message).await.state.has_ended());
}
