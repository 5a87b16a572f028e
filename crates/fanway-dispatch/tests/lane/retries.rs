//! Retries of a delivery that fails.

use std::num::NonZeroU32;

use fanway_policy::exchange::{self, Rules, Worth};
use fanway_policy::{breaker, retry};
use fanway_target::FailureKind;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{AgainCause, DeadReason, DeliveryId, DeliveryState, End, MessageState, Verdict};

use crate::bench::{Bench, Running, healthy, millis, secs};

/// A breaker that never opens.
fn no_breaker() -> breaker::Params {
    breaker::Params {
        consecutive: NonZeroU32::MAX,
        minimum: u32::MAX,
        ..breaker::Params::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_succeeds_at_once_is_recorded_once() {
    let mut bench = Bench::new().await;
    let _lane = bench.start(&healthy());
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.state, MessageState::Delivered);
    let outcome = bench.last_outcome(&message);
    assert_eq!(bench.store.outcomes().len(), 1);
    assert_eq!(outcome.verdict, Verdict::Ended(End::Delivered));
    assert_eq!((outcome.attempts, outcome.used), (1, 1));
    assert_eq!(outcome.spent, millis(1));
    assert_eq!((outcome.status, outcome.detail), (Some(200), None));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_attempted_until_it_succeeds_and_waits_in_between() {
    let mut bench = Bench::new().await;
    let script = [Reply::status(503), Reply::broken(), Reply::status(500)];
    let target = ScriptedTarget::scripted(script, Reply::status(204));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    assert_eq!(bench.ended(&message).await.state, MessageState::Delivered);
    let outcomes = bench.outcomes_of(DeliveryId::first(message.id, 0));
    let seen = target.seen();
    assert_eq!((outcomes.len(), seen.len()), (4, 4));
    for (attempt, longest) in [(0, secs(1)), (1, secs(2)), (2, secs(4))] {
        let Verdict::Again { due, cause } = outcomes[attempt].verdict else {
            panic!("attempt {attempt} ended it");
        };
        assert_eq!(cause, AgainCause::Failed);
        let wait = due.since(outcomes[attempt].at);
        assert!(wait <= longest, "{wait:?}");
        let gap = seen[attempt + 1].at - seen[attempt].at;
        let late = gap.saturating_sub(wait);
        assert!(gap >= wait && late <= millis(2), "{gap:?} for {wait:?}");
    }
    let last = outcomes.last().expect("four");
    assert_eq!((last.attempts, last.used), (4, 4));
    assert_eq!(outcomes[1].status, None);
    assert_eq!(outcomes[1].detail.as_deref(), Some("the connection broke"));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_attempts_are_used_up_is_dead() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503).with_body(b"try\nlater"));
    let mut params = bench.params(&target);
    params.breaker = no_breaker();
    params.retry.attempts = NonZeroU32::new(12).expect("12 is not 0");
    let _lane = Running::start(params);
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.state, MessageState::Failed);
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Exhausted));
    assert_eq!(view.deliveries[0].status, Some(503));
    assert_eq!(view.deliveries[0].detail.as_deref(), Some(r"try\nlater"));
    assert_eq!(target.attempts(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_dead_when_its_time_is_over() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::failed(FailureKind::WholeTimeout, "too slow"));
    let mut params = bench.params(&target);
    params.breaker = no_breaker();
    params.retry.give_up_after = secs(600);
    let _lane = Running::start(params);
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].reason, Some(DeadReason::Exhausted));
    let at = view.deliveries[0].at.expect("it has ended");
    assert!(at.since(message.received_at()) <= secs(601));
    let spent = bench.last_outcome(&message).spent;
    assert!(spent <= secs(600), "{spent:?}");
}

#[track_caller]
fn check_refused(state: DeliveryState, reason: Option<DeadReason>) {
    assert_eq!(state, DeliveryState::Dead);
    assert_eq!(reason, Some(DeadReason::Refused));
}

#[tokio::test(start_paused = true)]
async fn what_a_target_refuses_for_good_is_dead_after_one_attempt() {
    for status in [400, 403, 404, 409, 410, 422] {
        let mut bench = Bench::new().await;
        let target = ScriptedTarget::always(Reply::status(status).with_body(b"no such sku"));
        let _lane = bench.start(&target);
        let message = bench.accept_one().await;
        let view = bench.ended(&message).await;
        check_refused(view.deliveries[0].state, view.deliveries[0].reason);
        assert_eq!(target.attempts(), 1);
        assert_eq!(view.deliveries[0].detail.as_deref(), Some("no such sku"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_refused_and_the_dead_letter_says_why() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(302).with_body(b"moved"));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    check_refused(view.deliveries[0].state, view.deliveries[0].reason);
    assert_eq!(target.attempts(), 1);
    assert_eq!(
        view.deliveries[0].detail.as_deref(),
        Some("redirects are not followed: moved")
    );
}

#[tokio::test(start_paused = true)]
async fn a_503_with_retry_after_is_left_alone_that_long_and_counts() {
    let mut bench = Bench::new().await;
    let busy = [Reply::retry_after(503, "1800")];
    let target = ScriptedTarget::scripted(busy, Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let seen = target.seen();
    assert!(seen[1].at - seen[0].at >= secs(1800));
    let outcome = bench.last_outcome(&message);
    assert_eq!((outcome.attempts, outcome.used), (2, 2));
    assert!(outcome.spent >= secs(1800));
}

#[tokio::test(start_paused = true)]
async fn retries_of_one_delivery_dont_hold_up_others() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::retry_after(503, "600")], Reply::status(200));
    let _lane = bench.start(&target);
    let messages = bench.accept(50).await;
    bench.all_ended(&messages[1..]).await;
    assert_eq!(target.attempts(), 50);
    assert_eq!(bench.store.outcomes().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_preset_decides_what_is_worth_a_retry() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::status(404)], Reply::status(200));
    let mut params = bench.params(&target);
    params.counts.rules = Rules::new(&exchange::Params {
        on: vec![Worth::Preset(retry::Preset::Knative)],
        ..exchange::Params::default()
    });
    let _lane = Running::start(params);
    let message = bench.accept_one().await;
    assert_eq!(bench.ended(&message).await.state, MessageState::Delivered);
}
