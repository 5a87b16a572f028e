//! The breaker holds the lane instead of burning attempts.

use fanway_dispatch::handle::Breaker;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{AgainCause, End, HeldBy, Verdict};

use crate::bench::{Bench, Running, START, fixed, millis, pass, secs};

fn one_at_a_time(bench: &Bench, target: &ScriptedTarget) -> Running {
    let mut params = bench.params(target);
    params.concurrency = fixed(1);
    Running::start(params)
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_after_ten_failures_and_holds_the_rest() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let lane = one_at_a_time(&bench, &target);
    bench.accept(100).await;
    pass(millis(29_900)).await;
    assert_eq!(target.attempts(), 10);
    let snapshot = lane.snapshot();
    assert_eq!(snapshot.held_by, Some(HeldBy::Breaker));
    assert_eq!(snapshot.breaker, Breaker::Open);
    assert_eq!(snapshot.held_until, Some(START.saturating_add(secs(30))));
    assert_eq!(snapshot.waiting, 100);
}

#[tokio::test(start_paused = true)]
async fn probes_are_one_at_a_time_use_nothing_up_and_go_round() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503).after(millis(1)));
    let _lane = one_at_a_time(&bench, &target);
    bench.accept(12).await;
    pass(secs(10 * 60)).await;
    let outcomes = bench.store.outcomes();
    let (normal, probes) = outcomes.split_at(10);
    assert_eq!(probes.len(), 19, "one each half minute");
    for outcome in normal {
        assert_eq!(outcome.used, 1);
    }
    for outcome in probes {
        let Verdict::Again { cause, due } = outcome.verdict else {
            panic!("a probe ended its delivery");
        };
        assert_eq!(cause, AgainCause::Probe);
        assert_eq!(due.since(outcome.at), secs(30));
        assert!(outcome.used <= 1);
    }
    for pair in probes.windows(12) {
        assert_ne!(pair[0].delivery, pair[1].delivery);
        assert_eq!(pair[0].delivery.step, 0);
    }
    assert_eq!(probes[0].used, 0, "those never attempted come first");
}

#[tokio::test(start_paused = true)]
async fn the_breaker_closes_when_the_target_is_well_again() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let lane = bench.start(&target);
    let messages = bench.accept(200).await;
    pass(secs(10)).await;
    target.reply_from_now_on(Reply::status(200));
    let before = target.attempts();
    pass(secs(10)).await;
    assert_eq!(target.attempts(), before);
    bench.all_ended(&messages).await;
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
    assert_eq!(lane.snapshot().held_by, None);
    assert!(bench.clock.now() < START.saturating_add(secs(31)));
}

#[tokio::test(start_paused = true)]
async fn the_breaker_reopens_after_one_bad_probe() {
    let mut bench = Bench::new().await;
    let down = vec![Reply::status(503); 10];
    let probes = [Reply::status(200), Reply::status(200), Reply::broken()];
    let script = down.into_iter().chain(probes);
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(30).await;
    pass(secs(31)).await;
    assert_eq!(target.attempts(), 13);
    assert_eq!(lane.snapshot().breaker, Breaker::Open);
    bench.all_ended(&messages).await;
    assert!(bench.clock.now() >= START.saturating_add(secs(60)));
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_when_the_breaker_opened_counts_as_usual() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(500).after(millis(100)));
    let _lane = bench.start(&target);
    bench.accept(64).await;
    pass(secs(20)).await;
    assert_eq!(target.attempts(), 64);
    let outcomes = bench.store.outcomes();
    assert!(outcomes.iter().all(|outcome| outcome.used == 1));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_many_requests_for_good_is_well() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(422));
    let lane = bench.start(&target);
    let messages = bench.accept(500).await;
    bench.all_ended(&messages).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
    assert_eq!(target.attempts(), 500);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_breaker_holds_a_delivery_doesnt_count() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let mut params = bench.params(&target);
    params.retry.give_up_after = secs(60);
    params.concurrency = fixed(1);
    let _lane = Running::start(params);
    let messages = bench.accept(11).await;
    pass(secs(3 * 24 * 3600)).await;
    target.reply_from_now_on(Reply::status(200));
    bench.all_ended(&messages).await;
    for message in &messages {
        let verdict = bench.last_outcome(message).verdict;
        assert_eq!(verdict, Verdict::Ended(End::Delivered));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_always_fails_its_probe_doesnt_keep_the_breaker_open() {
    let mut bench = Bench::new().await;
    let down = vec![Reply::broken(); 10];
    let poison = [Reply::status(503)];
    let script = down.into_iter().chain(poison);
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(20).await;
    bench.all_ended(&messages).await;
    assert!(bench.clock.now() < START.saturating_add(secs(65)));
}
