//! A second attempt while the first is slow.

use fanway_dispatch::endpoints::Params;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{End, HeldBy, Message, Verdict};

use crate::bench::{Bench, Running, fixed, healthy, millis, pass, rate, secs};
use crate::endpoints::{in_turn, params};

/// These endpoints in turn, and a hedge after a tenth of a second.
fn hedged(targets: &[&ScriptedTarget]) -> Params {
    Params {
        hedge_after: Some(millis(100)),
        ..in_turn(targets)
    }
}

#[track_caller]
fn check_delivered(bench: &Bench, message: &Message, attempts: u32, status: u16) {
    let outcome = bench.last_outcome(message);
    assert_eq!(outcome.verdict, Verdict::Ended(End::Delivered));
    assert_eq!((outcome.attempts, outcome.used), (attempts, 1));
    assert_eq!(outcome.status, Some(status));
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_is_hedged_elsewhere_and_the_first_success_wins() {
    let mut bench = Bench::new().await;
    let (slow, fast) = (healthy(), healthy());
    let lane = Running::start(params(&bench, hedged(&[&slow, &fast])));
    slow.reply_from_now_on(Reply::hang());
    fast.reply_from_now_on(Reply::status(201).after(millis(5)));
    let message = bench.accept_one().await;
    pass(millis(107)).await;
    check_delivered(&bench, &message, 2, 201);
    let (first, second) = (slow.seen().pop(), fast.seen().pop());
    let (first, second) = (first.expect("the attempt"), second.expect("the hedge"));
    assert_eq!(second.at - first.at, millis(100));
    let key = "idempotency-key";
    assert_eq!(first.header(key), second.header(key));
    let numbers = (
        first.header("fanway-attempt"),
        second.header("fanway-attempt"),
    );
    assert_eq!(numbers, ("1", "2"));
    assert_ne!(first.header("traceparent"), second.header("traceparent"));
    assert_eq!(lane.snapshot().in_flight, 0);
    let text = bench.counted();
    for line in [
        r#"fanway_target_hedges_total{target="inventory"} 1"#,
        r#"fanway_target_hedges_won_total{target="inventory"} 1"#,
        r#"endpoint_attempts_total{target="inventory",endpoint="http://e0",outcome="broken_off"} 1"#,
        r#"endpoint_in_flight{target="inventory",endpoint="http://e0"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_is_hedged_at_itself_and_the_attempt_may_win() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let _lane = Running::start(params(&bench, hedged(&[&target])));
    target.reply_from_now_on(Reply::status(200).after(millis(150)));
    let message = bench.accept_one().await;
    pass(millis(152)).await;
    check_delivered(&bench, &message, 2, 200);
    assert_eq!(target.attempts(), 2);
    let text = bench.counted();
    assert!(!text.contains(r#"hedges_won_total{target="inventory"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_leaves_the_other_to_decide() {
    let mut bench = Bench::new().await;
    let (slow, failing) = (healthy(), healthy());
    let _lane = Running::start(params(&bench, hedged(&[&slow, &failing])));
    slow.reply_from_now_on(Reply::status(202).after(millis(300)));
    failing.reply_from_now_on(Reply::status(503));
    let message = bench.accept_one().await;
    pass(millis(302)).await;
    check_delivered(&bench, &message, 2, 202);
}

#[tokio::test(start_paused = true)]
async fn where_neither_decides_both_are_one_failed_attempt_of_the_bound() {
    let mut bench = Bench::new().await;
    let (slow, failing) = (healthy(), healthy());
    let _lane = Running::start(params(&bench, hedged(&[&slow, &failing])));
    slow.reply_from_now_on(Reply::broken().after(millis(200)));
    failing.reply_from_now_on(Reply::status(503));
    let message = bench.accept_one().await;
    pass(millis(201)).await;
    let outcome = bench.last_outcome(&message);
    assert_eq!((outcome.attempts, outcome.used), (2, 1));
    assert_eq!(outcome.status, Some(503), "an answer says more than none");
}

#[tokio::test(start_paused = true)]
async fn hedges_are_no_more_than_a_tenth_of_the_attempts() {
    let mut bench = Bench::new().await;
    let slow = ScriptedTarget::always(Reply::status(200).after(millis(200)));
    let mut params = params(&bench, hedged(&[&slow, &slow]));
    params.concurrency = fixed(16);
    let _lane = Running::start(params);
    for _ in 0..50 {
        let messages = bench.accept(10).await;
        bench.all_ended(&messages).await;
    }
    // Ten at the start, beyond which nothing is saved up, and one for each ten attempts since.
    assert_eq!(slow.attempts(), 559);
    let messages = bench.accept(500).await;
    bench.all_ended(&messages).await;
    assert!(slow.attempts() <= 1109);
    assert_eq!(slow.peak(), 16, "hedges stay within the concurrency");
}

#[tokio::test(start_paused = true)]
async fn a_target_at_its_concurrency_is_not_hedged() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let mut params = params(&bench, hedged(&[&target]));
    params.concurrency = fixed(1);
    let _lane = Running::start(params);
    target.reply_from_now_on(Reply::status(200).after(secs(1)));
    let message = bench.accept_one().await;
    pass(millis(1002)).await;
    check_delivered(&bench, &message, 1, 200);
    assert_eq!(target.peak(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_takes_of_the_rate() {
    let mut bench = Bench::new().await;
    let slow = healthy();
    let mut params = params(&bench, hedged(&[&slow, &slow]));
    params.rate = Some(rate(1, 2));
    let lane = Running::start(params);
    slow.reply_from_now_on(Reply::status(200).after(millis(300)));
    bench.accept_one().await;
    pass(millis(150)).await;
    assert_eq!(slow.attempts(), 2, "the attempt and its hedge");
    bench.accept_one().await;
    pass(millis(300)).await;
    assert_eq!(slow.attempts(), 2, "nothing is left of the burst");
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Limit));
}

#[tokio::test(start_paused = true)]
async fn where_the_rate_has_nothing_left_nothing_is_hedged() {
    let mut bench = Bench::new().await;
    let slow = healthy();
    let mut params = params(&bench, hedged(&[&slow, &slow]));
    params.rate = Some(rate(1, 1));
    let _lane = Running::start(params);
    slow.reply_from_now_on(Reply::status(200).after(millis(300)));
    let message = bench.accept_one().await;
    pass(millis(302)).await;
    check_delivered(&bench, &message, 1, 200);
}
