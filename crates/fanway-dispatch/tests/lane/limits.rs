//! Rate, concurrency and the ramp.

use std::num::NonZeroU32;
use std::time::Duration;

use fanway_dispatch::handle::Limit;
use fanway_policy::auto;
use fanway_policy::concurrency::Concurrency;
use fanway_policy::rate::Params as Rate;
use fanway_store::change::Control;
use fanway_target::FailureKind;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::HeldBy;
use tokio::time::Instant;

use crate::bench::{Bench, Running, START, fixed, healthy, millis, pass, paused, secs};

/// So many a second, so many at once.
fn rate(limit: u32, burst: u32) -> Rate {
    let count = |count| NonZeroU32::new(count).expect("not 0");
    Rate {
        limit: count(limit),
        per: secs(1),
        burst: count(burst),
    }
}

fn limited(bench: &Bench, target: &ScriptedTarget, rate: Rate) -> Running {
    let mut params = bench.params(target);
    params.rate = Some(rate);
    Running::start(params)
}

/// When a target was called, counted from the first call.
fn calls(target: &ScriptedTarget) -> Vec<Duration> {
    let seen = target.seen();
    seen.iter().map(|call| call.at - seen[0].at).collect()
}

/// Whether no stretch of time has more calls than it may.
#[track_caller]
fn check_rate(calls: &[Duration], rate: Rate) {
    for (first, from) in calls.iter().enumerate() {
        for (count, to) in (1u128..).zip(&calls[first..]) {
            let paced = (*to - *from).as_nanos() * u128::from(rate.limit.get());
            let allowed = u128::from(rate.burst.get()) + paced / rate.per.as_nanos();
            assert!(count <= allowed, "{count} calls from {from:?} to {to:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn never_more_attempts_start_than_the_rate_and_its_burst_allow() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = limited(&bench, &target, rate(10, 5));
    let messages = bench.accept(105).await;
    pass(millis(50)).await;
    assert_eq!(target.attempts(), 5);
    let snapshot = lane.snapshot();
    assert_eq!(snapshot.held_by, Some(HeldBy::Limit));
    assert_eq!(snapshot.limited_by, Some(Limit::Rate));
    assert_eq!(snapshot.held_until, Some(START.saturating_add(millis(100))));
    bench.all_ended(&messages).await;
    let calls = calls(&target);
    check_rate(&calls, rate(10, 5));
    let took = calls[104];
    assert!(took >= secs(10) && took < millis(10_200), "{took:?}");
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().held_by, None);
}

#[tokio::test(start_paused = true)]
async fn retries_and_probes_keep_to_the_rate_too() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let lane = limited(&bench, &target, rate(2, 3));
    let messages = bench.accept(100).await;
    pass(secs(120)).await;
    target.reply_from_now_on(Reply::status(200));
    bench.all_ended(&messages).await;
    check_rate(&calls(&target), rate(2, 3));
    assert_eq!(lane.snapshot().limited_by, None);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_not_made_uses_nothing_of_the_rate() {
    let mut bench = Bench::new().await;
    let script = vec![Reply::failed(FailureKind::Request, "no request"); 50];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = limited(&bench, &target, rate(1, 2));
    let messages = bench.accept(52).await;
    pass(millis(10)).await;
    bench.all_ended(&messages).await;
    assert!(bench.clock.now() < START.saturating_add(secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_gets_no_connection_is_tried_again_and_nothing_is_used_up() {
    let mut bench = Bench::new().await;
    let script = vec![Reply::failed(FailureKind::NoConnection, "none was free"); 30];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    assert_eq!(target.attempts(), 31);
    let outcomes = bench.store.outcomes();
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].attempts, outcomes[0].used), (1, 1));
    assert!(lane.snapshot().cause.is_none());
    assert_eq!(bench.clock.now(), START.saturating_add(secs(3)));
}

#[tokio::test(start_paused = true)]
async fn a_reload_changes_the_rate_without_a_burst() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = limited(&bench, &target, rate(10, 10));
    bench.accept(1000).await;
    pass(millis(50)).await;
    assert_eq!(target.attempts(), 10);
    lane.reconfigure(&target, |settings| settings.rate = Some(rate(100, 100)));
    pass(millis(5)).await;
    assert!(target.attempts() <= 11, "{}", target.attempts());
    pass(secs(1)).await;
    let attempts = target.attempts();
    assert!((110..=116).contains(&attempts), "{attempts}");
    lane.reconfigure(&target, |settings| settings.rate = None);
    pass(secs(1)).await;
    assert_eq!(target.attempts(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_a_reload_brings_begins_without_a_burst() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = bench.start(&target);
    lane.reconfigure(&target, |settings| settings.rate = Some(rate(10, 100)));
    pass(millis(1)).await;
    bench.accept(100).await;
    pass(millis(5)).await;
    assert_eq!(target.attempts(), 1);
}

/// The most calls that began within a millisecond from then on.
fn calls_within(target: &ScriptedTarget, from: Instant, time: Duration) -> usize {
    let seen = target.seen();
    let within = seen
        .iter()
        .filter(|call| call.at >= from && call.at < from + time);
    within.count()
}

/// Calls of each round trip of a hundred milliseconds from then on.
fn round_trips(target: &ScriptedTarget, from: Instant) -> Vec<usize> {
    let trip = millis(100);
    (0..6)
        .map(|number| calls_within(target, from + trip * number, trip))
        .collect()
}

fn slow() -> Reply {
    Reply::status(200).after(millis(100))
}

#[track_caller]
fn check_ramp(trips: &[usize]) {
    assert_eq!(trips, [4, 8, 16, 32, 64, 64]);
}

#[tokio::test(start_paused = true)]
async fn after_an_operators_pause_attempts_double_with_each_round_trip() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(slow());
    let lane = bench.start(&target);
    lane.control(paused());
    bench.accept(1000).await;
    pass(secs(1)).await;
    assert_eq!(target.attempts(), 0);
    lane.control(Control::default());
    let from = Instant::now();
    pass(millis(50)).await;
    let snapshot = lane.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.concurrency), (4, 4));
    assert_eq!(snapshot.limited_by, Some(Limit::Ramp));
    pass(secs(1)).await;
    check_ramp(&round_trips(&target, from));
    assert_eq!(lane.snapshot().concurrency, 64);
}

#[tokio::test(start_paused = true)]
async fn after_a_429_pause_attempts_double_with_each_round_trip() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::retry_after(429, "10")], slow());
    let _lane = bench.start(&target);
    bench.accept_one().await;
    pass(secs(1)).await;
    bench.accept(1000).await;
    pass(secs(12)).await;
    let from = target.seen()[1].at;
    check_ramp(&round_trips(&target, from));
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_attempts_double_with_each_round_trip() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let _lane = bench.start(&target);
    bench.accept(1000).await;
    pass(secs(10)).await;
    target.reply_from_now_on(slow());
    let before = target.attempts();
    pass(secs(25)).await;
    // Three probes first.
    let from = target.seen()[before + 3].at;
    check_ramp(&round_trips(&target, from));
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_a_restart_finds_is_taken_up_with_few_attempts_at_a_time() {
    let mut bench = Bench::new().await;
    bench.accept(1000).await;
    pass(secs(60)).await;
    let target = ScriptedTarget::always(slow());
    let _lane = bench.start(&target);
    pass(secs(1)).await;
    let from = target.seen()[0].at;
    check_ramp(&round_trips(&target, from));
}

#[tokio::test(start_paused = true)]
async fn what_comes_to_a_lane_that_has_no_backlog_is_not_held_back() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(slow());
    let _lane = bench.start(&target);
    bench.accept(64).await;
    pass(millis(1)).await;
    assert_eq!(target.attempts(), 64);
}

#[tokio::test(start_paused = true)]
async fn auto_settles_by_the_targets_latency_within_its_bounds() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200).after(millis(10)));
    let mut params = bench.params(&target);
    let (least, most) = (2, 50);
    params.concurrency = Concurrency::Auto(auto::Params { least, most });
    let lane = Running::start(params);
    bench.accept(60_000).await;
    pass(millis(5)).await;
    assert_eq!(lane.snapshot().in_flight, 20, "where it begins");
    pass(secs(5)).await;
    assert_eq!(
        lane.snapshot().concurrency,
        50,
        "latency doesn't grow with load"
    );
    assert_eq!(target.peak(), 50);
    target.reply_from_now_on(Reply::status(200).after(secs(1)));
    let mut lowest = usize::MAX;
    for _ in 0..60 {
        pass(secs(1)).await;
        lowest = lowest.min(lane.snapshot().concurrency);
    }
    assert!((2..=20).contains(&lowest), "it is eased off to {lowest}");
}

#[tokio::test(start_paused = true)]
async fn while_first_tries_wait_every_fourth_start_is_a_retry() {
    let mut bench = Bench::new().await;
    let failing = vec![Reply::retry_after(503, "1"); 9];
    let target = ScriptedTarget::scripted(failing, Reply::status(200).after(millis(100)));
    let mut params = bench.params(&target);
    params.concurrency = fixed(1);
    let _lane = Running::start(params);
    bench.accept(200).await;
    pass(secs(10)).await;
    let seen = target.seen();
    let is_retry = |attempt: &str| attempt != "1";
    let retries: Vec<usize> = (0..seen.len())
        .filter(|place| is_retry(seen[*place].header("fanway-attempt")))
        .collect();
    assert_eq!(retries.len(), 9, "none starves");
    let gaps: Vec<usize> = retries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap == 4), "{gaps:?}");
}
