//! Deliveries that go to a target's fallback.

use std::num::NonZeroU32;

use fanway_dispatch::handle::Breaker;
use fanway_dispatch::lane::Params;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{AgainCause, DeadReason, DeliveryState, End, Message, Verdict, WhenDead};

use crate::bench::{Bench, Running, fixed, healthy, millis, pass, paused, secs};
use crate::keys::{of_key, ordered};

/// What a lane of `inventory` is made of whose fallback is `backup`.
fn with_fallback(bench: &Bench, target: &ScriptedTarget) -> Params {
    Params {
        fallback: Some("backup".parse().expect("a name")),
        ..bench.params(target)
    }
}

/// Whether a message was delivered by the fallback, after so many attempts.
#[track_caller]
fn check_delivered(bench: &Bench, message: &Message, attempts: u32, used: u32) {
    let outcomes = bench.outcomes_of(fanway_types::DeliveryId::first(message.id, 0));
    let moves = outcomes.iter().filter(|outcome| outcome.fallback.is_some());
    assert_eq!(moves.count(), 1, "{outcomes:?}");
    let last = bench.last_outcome(message);
    assert_eq!(last.verdict, Verdict::Ended(End::Delivered));
    assert_eq!((last.attempts, last.used), (attempts, used));
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_for_good_goes_to_the_fallback() {
    let mut bench = Bench::new().await;
    let (refusing, backup) = (ScriptedTarget::always(Reply::status(422)), healthy());
    let _inventory = Running::start(with_fallback(&bench, &refusing));
    let _backup = Running::start(bench.params_of("backup", &backup));
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    check_delivered(&bench, &message, 2, 1);
    assert_eq!((refusing.attempts(), backup.attempts()), (1, 1));
    let (first, second) = (&refusing.seen()[0], &backup.seen()[0]);
    let key = "idempotency-key";
    assert_eq!(first.header(key), second.header(key));
    assert_eq!(second.header("fanway-attempt"), "2");
    let step = bench.first_step(&message).await;
    assert_eq!(step.target.as_str(), "backup");
    assert_eq!(
        step.fallback_of.expect("it fell back").as_str(),
        "inventory"
    );
    let counted = bench.counted();
    let line = r#"fanway_target_fallbacks_total{target="inventory",cause="given_up"} 1"#;
    assert!(counted.contains(line), "{line} is not in\n{counted}");
}

#[tokio::test(start_paused = true)]
async fn what_has_used_up_its_attempts_has_new_ones_at_the_fallback() {
    let mut bench = Bench::new().await;
    let failing = ScriptedTarget::always(Reply::status(503));
    let script = [Reply::status(503), Reply::status(503)];
    let backup = ScriptedTarget::scripted(script, Reply::status(200));
    let mut params = with_fallback(&bench, &failing);
    params.retry.attempts = NonZeroU32::new(3).expect("not 0");
    let _inventory = Running::start(params);
    let mut params = bench.params_of("backup", &backup);
    params.retry.attempts = NonZeroU32::new(3).expect("not 0");
    let _backup = Running::start(params);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    check_delivered(&bench, &message, 6, 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_fallback_gives_up_is_dead() {
    let mut bench = Bench::new().await;
    let refusing = ScriptedTarget::always(Reply::status(422));
    let _inventory = Running::start(with_fallback(&bench, &refusing));
    let _backup = Running::start(bench.params_of("backup", &refusing));
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let step = bench.first_step(&message).await;
    assert_eq!(step.state, DeliveryState::Dead);
    assert_eq!(step.reason, Some(DeadReason::Refused));
    assert_eq!(refusing.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_breaker_is_not_closed_the_fallback_has_all_but_probes() {
    let mut bench = Bench::new().await;
    let (failing, backup) = (ScriptedTarget::always(Reply::status(503)), healthy());
    let mut params = with_fallback(&bench, &failing);
    params.concurrency = fixed(1);
    let lane = Running::start(params);
    let _backup = Running::start(bench.params_of("backup", &backup));
    let first = bench.accept(100).await;
    bench.all_ended(&first).await;
    assert_eq!((failing.attempts(), backup.attempts()), (10, 100));
    assert_eq!(lane.snapshot().breaker, Breaker::Open);
    let second = bench.accept(10).await;
    bench.all_ended(&second).await;
    assert_eq!((failing.attempts(), backup.attempts()), (10, 110));
    pass(secs(30)).await;
    let third = bench.accept(10).await;
    bench.all_ended(&third).await;
    assert_eq!(failing.attempts(), 11, "one probe");
    assert_eq!(backup.attempts(), 120, "the probe's delivery too");
    failing.reply_from_now_on(Reply::status(200));
    pass(secs(30)).await;
    let fourth = bench.accept(10).await;
    bench.all_ended(&fourth).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
    assert_eq!(failing.attempts() + backup.attempts(), 11 + 120 + 10);
    assert!(failing.attempts() >= 11 + 3, "three probes have closed it");
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_a_429_hold_what_there_is() {
    let mut bench = Bench::new().await;
    let (target, backup) = (
        ScriptedTarget::always(Reply::retry_after(429, "60")),
        healthy(),
    );
    let lane = Running::start(with_fallback(&bench, &target));
    let _backup = Running::start(bench.params_of("backup", &backup));
    bench.accept(10).await;
    pass(secs(59)).await;
    lane.control(paused());
    pass(secs(600)).await;
    assert_eq!(backup.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_the_fallback_hold_for_both() {
    let mut bench = Bench::with_steps([
        fanway_testkit::build::step("inventory"),
        fanway_testkit::build::step("backup"),
    ])
    .await;
    let refusing = ScriptedTarget::always(Reply::status(422));
    let backup = ScriptedTarget::always(Reply::status(200).after(millis(50)));
    let _inventory = Running::start(with_fallback(&bench, &refusing));
    let mut params = bench.params_of("backup", &backup);
    params.concurrency = fixed(4);
    let _backup = Running::start(params);
    let messages = bench.accept(50).await;
    bench.all_ended(&messages).await;
    assert_eq!((backup.attempts(), backup.peak()), (100, 4));
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_what_fell_back_is_the_fallbacks() {
    let mut bench = Bench::new().await;
    let (refusing, hanging) = (
        ScriptedTarget::always(Reply::status(422)),
        ScriptedTarget::always(Reply::hang()),
    );
    let inventory = Running::start(with_fallback(&bench, &refusing));
    let backup = Running::start(bench.params_of("backup", &hanging));
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    assert_eq!(hanging.attempts(), 1);
    inventory.kill().await;
    backup.kill().await;
    hanging.reply_from_now_on(Reply::status(200));
    let _inventory = Running::start(with_fallback(&bench, &refusing));
    let _backup = Running::start(bench.params_of("backup", &hanging));
    bench.ended(&message).await;
    assert_eq!((refusing.attempts(), hanging.attempts()), (1, 2));
    check_delivered(&bench, &message, 2, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_called_off_in_flight_does_not_fall_back() {
    let mut bench = Bench::new().await;
    let slow = ScriptedTarget::always(Reply::status(422).after(secs(1)));
    let backup = healthy();
    let _inventory = Running::start(with_fallback(&bench, &slow));
    let _backup = Running::start(bench.params_of("backup", &backup));
    let message = bench.accept_one().await;
    pass(millis(500)).await;
    bench.cancel(&message).await;
    bench.ended(&message).await;
    assert_eq!(backup.attempts(), 0);
    let causes = bench.store.outcomes().into_iter();
    let mut causes = causes.filter_map(|outcome| match outcome.verdict {
        Verdict::Again { cause, .. } => Some(cause),
        Verdict::Ended(_) => None,
    });
    assert!(causes.all(|cause| cause != AgainCause::Fallback));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_in_order_stays_though_a_fallback_came_since() {
    let mut bench = ordered(WhenDead::Skip).await;
    let script = [Reply::status(503), Reply::status(503), Reply::status(422)];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let backup = healthy();
    let mut params = with_fallback(&bench, &target);
    params.breaker.consecutive = NonZeroU32::MIN;
    let _inventory = Running::start(params);
    let _backup = Running::start(bench.params_of("backup", &backup));
    let messages = bench.accept_with(2, &of_key("a")).await;
    bench.all_ended(&messages).await;
    let ends = messages.iter().map(|it| bench.last_outcome(it).verdict);
    let refused = Verdict::Ended(End::Dead(DeadReason::Refused));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [refused, Verdict::Ended(End::Delivered)]
    );
    assert_eq!((target.attempts(), backup.attempts()), (4, 0));
}
