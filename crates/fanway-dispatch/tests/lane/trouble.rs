//! What a lane has learnt of its target outlives it.

use fanway_dispatch::handle::{Breaker, Limit};
use fanway_store::Store;
use fanway_store::trouble::{Cause, Trouble};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{HeldBy, Timestamp};

use crate::bench::{Bench, Running, START, healthy, millis, pass, secs};

async fn kept(bench: &Bench) -> Option<Trouble> {
    let troubles = bench.store.troubles().await.expect("it's open");
    troubles.first().map(|(_, trouble)| *trouble)
}

fn after(seconds: u64) -> Timestamp {
    START.saturating_add(secs(seconds))
}

/// A lane whose target has answered so until its breaker opened, killed so many seconds after that.
async fn broken(bench: &mut Bench, reply: Reply, seconds: u64) -> ScriptedTarget {
    let target = ScriptedTarget::always(reply);
    let lane = bench.start(&target);
    bench.accept(100).await;
    pass(secs(seconds)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Open);
    lane.kill().await;
    target
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_stays_open_over_a_restart_until_its_time() {
    let mut bench = Bench::new().await;
    let target = broken(&mut bench, Reply::status(503), 10).await;
    let open = kept(&bench).await.expect("trouble").breaker.expect("open");
    assert_eq!((open.cause, open.until), (Cause::Failures, after(30)));
    let before = target.attempts();
    let lane = Running::start(bench.params_after_restart(&target).await);
    pass(millis(19_900)).await;
    assert_eq!(target.attempts(), before, "nothing is attempted");
    let snapshot = lane.snapshot();
    assert_eq!(snapshot.held_by, Some(HeldBy::Breaker));
    assert_eq!(snapshot.held_until, Some(after(30)));
    assert_eq!(snapshot.cause, Some(Cause::Failures));
    pass(millis(200)).await;
    assert_eq!(target.attempts(), before + 1, "a probe");
    pass(secs(20)).await;
    assert_eq!(target.attempts(), before + 1, "it has failed");
    let open = kept(&bench).await.expect("trouble").breaker.expect("open");
    assert_eq!(open.until, after(60));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_whose_time_came_while_nothing_ran_begins_with_a_probe() {
    let mut bench = Bench::new().await;
    let target = broken(&mut bench, Reply::status(503), 10).await;
    pass(secs(600)).await;
    target.reply_from_now_on(Reply::status(200).after(secs(1)));
    let before = target.attempts();
    let lane = Running::start(bench.params_after_restart(&target).await);
    for probes in 1..=3 {
        pass(millis(900)).await;
        assert_eq!(lane.snapshot().breaker, Breaker::HalfOpen);
        assert_eq!(target.attempts(), before + probes, "one at a time");
        pass(millis(101)).await;
    }
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
    assert_eq!(kept(&bench).await, None, "that it is well is kept too");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_still_refused_after_a_restart() {
    let mut bench = Bench::new().await;
    let target = broken(&mut bench, Reply::status(401), 10).await;
    let before = target.attempts();
    let lane = Running::start(bench.params_after_restart(&target).await);
    pass(secs(10)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    assert_eq!(target.attempts(), before);
    target.reply_from_now_on(Reply::status(200));
    pass(secs(11)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Closed, "one is enough");
}

#[tokio::test(start_paused = true)]
async fn a_429_pause_goes_on_after_a_restart() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::retry_after(429, "120")], Reply::status(200));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(secs(60)).await;
    lane.kill().await;
    let pushback = kept(&bench).await.expect("trouble").pushback;
    assert_eq!(pushback, Some(after(120)));
    let lane = Running::start(bench.params_after_restart(&target).await);
    let later = bench.accept(10).await;
    pass(secs(59)).await;
    assert_eq!(target.attempts(), 1);
    assert_eq!(lane.snapshot().limited_by, Some(Limit::Pushback));
    bench.ended(&message).await;
    bench.all_ended(&later).await;
    assert!(bench.clock.now() < after(122));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_holds_no_longer_than_what_is_configured() {
    let mut bench = Bench::new().await;
    let target = broken(&mut bench, Reply::status(503), 10).await;
    // What was written seems to be a year ahead.
    bench.clock.jump(-365 * 24 * 3600 * 1000);
    let before = target.attempts();
    let _lane = Running::start(bench.params_after_restart(&target).await);
    pass(millis(29_900)).await;
    assert_eq!(target.attempts(), before);
    pass(millis(200)).await;
    assert_eq!(target.attempts(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_target_that_is_well_or_of_single_failures() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted(vec![Reply::status(503); 5], Reply::status(200));
    let _lane = bench.start(&target);
    let messages = bench.accept(100).await;
    bench.all_ended(&messages).await;
    assert_eq!(kept(&bench).await, None);
    assert_eq!(bench.store.troubles_kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_429s_at_once_are_kept_once() {
    let mut bench = Bench::new().await;
    let script: Vec<_> = (0..64)
        .map(|number| Reply::retry_after(429, "60").after(millis(number)))
        .collect();
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = bench.start(&target);
    bench.accept(64).await;
    pass(secs(1)).await;
    assert_eq!(target.attempts(), 64);
    assert_eq!(bench.store.troubles_kept(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_breaker_in_the_config_forgets_what_was_kept() {
    let mut bench = Bench::new().await;
    let target = broken(&mut bench, Reply::status(503), 10).await;
    let lane = Running::start(bench.params_after_restart(&target).await);
    pass(secs(1)).await;
    lane.reconfigure(&healthy(), |settings| settings.breaker.open_for = secs(7));
    pass(millis(1)).await;
    assert_eq!(kept(&bench).await, None);
}
