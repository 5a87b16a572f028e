//! What each attempt carries.

use fanway_store::change::Key;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::{Reply, Seen};
use fanway_types::DeliveryId;

use crate::bench::Bench;

/// What a target sees of one message whose first attempt fails.
async fn two_attempts() -> (DeliveryId, Vec<Seen>) {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::status(503)], Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    (DeliveryId::first(message.id, 0), target.seen())
}

#[tokio::test(start_paused = true)]
async fn every_attempt_of_a_delivery_carries_its_key() {
    let (delivery, seen) = two_attempts().await;
    assert_eq!(seen.len(), 2);
    for (attempt, number) in seen.iter().zip(["1", "2"]) {
        assert_eq!(attempt.header("idempotency-key"), format!("\"{delivery}\""));
        assert_eq!(
            attempt.header("fanway-message"),
            delivery.message.to_string()
        );
        assert_eq!(attempt.header("fanway-attempt"), number);
        assert_eq!(attempt.body(), "0");
        assert_eq!(attempt.header("content-type"), "application/json");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(attempt.header("user-agent"), format!("fanway/{version}"));
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_have_spans_of_their_own_in_one_trace() {
    let (_, seen) = two_attempts().await;
    let (first, second) = (seen[0].header("traceparent"), seen[1].header("traceparent"));
    assert_eq!(first[..35], second[..35]);
    assert_ne!(first[36..52], second[36..52]);
    assert!(seen[0].request.headers.get("tracestate").is_none());
}

/// The key and the number that the attempt of a redriven delivery carries.
async fn check_redriven(key: Key, keeps: bool) {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::status(422)], Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let new = bench.redrive(&message, key).await;
    bench.ended(&message).await;
    let old = DeliveryId::first(message.id, 0);
    let expected = if keeps { old } else { new };
    let seen = &target.seen()[1];
    assert_eq!(seen.header("idempotency-key"), format!("\"{expected}\""));
    assert_eq!(seen.header("fanway-attempt"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_redriven_delivery_carries_the_key_that_was_asked_for() {
    check_redriven(Key::Kept, true).await;
    check_redriven(Key::New, false).await;
}
