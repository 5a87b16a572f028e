//! A new config for a lane that runs.

use std::num::NonZeroU32;

use fanway_dispatch::handle::Breaker;
use fanway_store::change::Control;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{DeadReason, HeldBy, MessageState};

use crate::bench::{Bench, Running, fixed, healthy, millis, pass, paused, secs};

#[tokio::test(start_paused = true)]
async fn attempts_in_flight_finish_with_the_old_target_and_new_ones_go_to_the_new() {
    let mut bench = Bench::new().await;
    let old = ScriptedTarget::always(Reply::status(200).after(secs(10)));
    let lane = bench.start(&old);
    let first = bench.accept(64).await;
    pass(secs(1)).await;
    let second = bench.accept(64).await;
    let new = healthy();
    lane.reconfigure(&new, |_| {});
    pass(secs(5)).await;
    assert_eq!(new.attempts(), 0, "there is no room before one has landed");
    bench.all_ended(&first).await;
    bench.all_ended(&second).await;
    assert_eq!((old.attempts(), new.attempts()), (64, 64));
}

#[tokio::test(start_paused = true)]
async fn a_hold_for_refused_credentials_ends_at_once() {
    let mut bench = Bench::new().await;
    let refusing = ScriptedTarget::always(Reply::status(401));
    let lane = bench.start(&refusing);
    let messages = bench.accept(5).await;
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    lane.reconfigure(&healthy(), |_| {});
    // Four of them first, since the target was left alone.
    pass(millis(3)).await;
    for message in &messages {
        assert_eq!(bench.view(message).await.state, MessageState::Delivered);
    }
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_from_the_old_target_says_nothing_of_the_new_one() {
    for status in [401, 403, 503] {
        let mut bench = Bench::new().await;
        let old = ScriptedTarget::always(Reply::status(status).after(secs(5)));
        let lane = bench.start(&old);
        bench.accept(64).await;
        pass(secs(1)).await;
        lane.reconfigure(&healthy(), |_| {});
        pass(secs(9)).await;
        assert_eq!(lane.snapshot().held_by, None, "{status}");
        let later = bench.accept_one().await;
        pass(millis(2)).await;
        let view = bench.view(&later).await;
        assert_eq!(view.state, MessageState::Delivered, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_comes_back_from_the_old_target_is_followed_by_another() {
    let mut bench = Bench::new().await;
    let old = ScriptedTarget::always(Reply::status(503));
    let lane = bench.start(&old);
    let messages = bench.accept(64).await;
    pass(secs(1)).await;
    old.reply_from_now_on(Reply::status(503).after(secs(20)));
    pass(secs(30)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::HalfOpen);
    lane.reconfigure(&healthy(), |_| {});
    bench.all_ended(&messages).await;
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
}

/// Lets a target refuse the credentials with this status, and a probe of them with 403 while there
/// are new ones already.
async fn check_old_probe(status: u16) {
    let mut bench = Bench::new().await;
    let refusing = ScriptedTarget::always(Reply::status(status));
    let mut params = bench.params(&refusing);
    params.concurrency = fixed(1);
    let lane = Running::start(params);
    let messages = bench.accept(5).await;
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    let ended = bench.store.outcomes().len() - 1;
    let before = refusing.attempts();
    refusing.reply_from_now_on(Reply::status(403).after(secs(20)));
    pass(secs(30)).await;
    assert_eq!(refusing.attempts(), before + 1, "the probe");
    lane.reconfigure(&healthy(), |_| {});
    bench.all_ended(&messages).await;
    for message in &messages[ended..] {
        let state = bench.view(message).await.state;
        assert_eq!(state, MessageState::Delivered, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_probes_old_credentials_is_attempted_with_the_new_ones() {
    check_old_probe(401).await;
    check_old_probe(403).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_of_refusals_begins_anew_with_new_credentials() {
    let mut bench = Bench::new().await;
    let refusing = ScriptedTarget::always(Reply::status(403));
    let mut params = bench.params(&refusing);
    params.concurrency = fixed(1);
    let lane = Running::start(params);
    bench.accept(4).await;
    pass(secs(1)).await;
    lane.reconfigure(&refusing, |settings| settings.concurrency = fixed(1));
    bench.accept(4).await;
    pass(secs(1)).await;
    assert_eq!(refusing.attempts(), 8);
    assert_eq!(lane.snapshot().held_by, None);
}

#[tokio::test(start_paused = true)]
async fn the_breaker_keeps_what_it_knows_unless_it_is_another() {
    let mut bench = Bench::new().await;
    let down = ScriptedTarget::always(Reply::status(503));
    let lane = bench.start(&down);
    bench.accept(64).await;
    pass(secs(1)).await;
    let before = lane.snapshot();
    assert_eq!(before.held_by, Some(HeldBy::Breaker));
    let well = healthy();
    lane.reconfigure(&well, |settings| settings.concurrency = fixed(8));
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_until, before.held_until);
    assert_eq!(well.attempts(), 0);
    lane.reconfigure(&well, |settings| settings.breaker.open_for = secs(7));
    let later = bench.accept_one().await;
    pass(millis(10)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
    assert_eq!(bench.view(&later).await.state, MessageState::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_lower_concurrency_takes_effect_as_attempts_come_back() {
    let mut bench = Bench::new().await;
    let slow = ScriptedTarget::always(Reply::status(200).after(secs(1)));
    let lane = bench.start(&slow);
    bench.accept(70).await;
    pass(millis(500)).await;
    lane.reconfigure(&slow, |settings| settings.concurrency = fixed(2));
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().in_flight, 64);
    pass(millis(500)).await;
    assert_eq!(lane.snapshot().in_flight, 2);
    lane.reconfigure(&slow, |settings| settings.concurrency = fixed(4));
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().in_flight, 4);
}

#[tokio::test(start_paused = true)]
async fn another_retry_policy_applies_at_once() {
    let mut bench = Bench::new().await;
    let failing = ScriptedTarget::always(Reply::status(503).after(secs(1)));
    let lane = bench.start(&failing);
    let message = bench.accept_one().await;
    pass(millis(500)).await;
    lane.reconfigure(&failing, |settings| {
        settings.retry.attempts = NonZeroU32::MIN;
    });
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Exhausted));
    assert_eq!(failing.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_several_the_latest_counts_and_none_of_another_kind_is_lost() {
    let mut bench = Bench::new().await;
    let targets = [healthy(), healthy(), healthy()];
    let lane = bench.start(&targets[0]);
    let messages = bench.accept(10).await;
    lane.control(paused());
    lane.reconfigure(&targets[1], |_| {});
    lane.reconfigure(&targets[2], |_| {});
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Pause));
    lane.control(Control::default());
    bench.all_ended(&messages).await;
    assert_eq!(targets.map(|target| target.attempts()), [0, 0, 10]);
}
