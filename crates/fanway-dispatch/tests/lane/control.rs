//! What operators set for a target while its lane runs.

use fanway_dispatch::handle::Breaker;
use fanway_store::change::{Control, Force, PauseCause};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{AgainCause, HeldBy, MessageState, Verdict};

use crate::bench::{Bench, Running, fixed, healthy, millis, pass, paused, secs};

fn one_at_a_time(bench: &Bench, target: &ScriptedTarget) -> Running {
    let mut params = bench.params(target);
    params.concurrency = fixed(1);
    Running::start(params)
}

#[tokio::test(start_paused = true)]
async fn a_paused_lane_starts_nothing_and_goes_on_when_it_is_resumed() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = bench.start(&target);
    pass(secs(1)).await;
    lane.control(paused());
    let messages = bench.accept(10).await;
    pass(secs(3600)).await;
    assert_eq!(target.attempts(), 0);
    let snapshot = lane.snapshot();
    assert_eq!(snapshot.held_by, Some(HeldBy::Pause));
    assert_eq!(
        (snapshot.held_until, snapshot.pause),
        (None, Some(PauseCause::Operator))
    );
    assert_eq!(snapshot.breaker, Breaker::Closed);
    lane.control(Control::default());
    bench.all_ended(&messages).await;
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().held_by, None);
    assert_eq!(lane.snapshot().pause, None);
}

#[tokio::test(start_paused = true)]
async fn a_pause_starts_no_probes_either() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(401));
    let lane = bench.start(&target);
    bench.accept_one().await;
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    lane.control(paused());
    pass(secs(3600)).await;
    assert_eq!(target.attempts(), 1);
    let snapshot = lane.snapshot();
    assert_eq!(snapshot.held_by, Some(HeldBy::Pause));
    assert_eq!(snapshot.held_until, None);
    assert_eq!(snapshot.breaker, Breaker::Open);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_goes_on_through_a_pause() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200).after(secs(5)));
    let lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(2).await;
    pass(secs(1)).await;
    lane.control(paused());
    bench.ended(&messages[0]).await;
    pass(secs(60)).await;
    assert_eq!(target.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lane_begins_with_what_was_set_before() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let mut params = bench.params(&target);
    params.control = paused();
    let lane = Running::start(params);
    bench.accept_one().await;
    pass(secs(60)).await;
    assert_eq!(target.attempts(), 0);
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Pause));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_held_open_lets_no_probe_through() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = bench.start(&target);
    lane.force(Force::Open);
    let messages = bench.accept(10).await;
    pass(secs(3600)).await;
    assert_eq!(target.attempts(), 0);
    let snapshot = lane.snapshot();
    assert_eq!(snapshot.held_by, Some(HeldBy::Breaker));
    assert_eq!(snapshot.held_until, None);
    assert_eq!(
        (snapshot.breaker, snapshot.force),
        (Breaker::Open, Force::Open)
    );
    lane.force(Force::Auto);
    bench.all_ended(&messages).await;
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_held_closed_lets_failures_use_attempts() {
    for (status, held_by) in [(503, HeldBy::Breaker), (401, HeldBy::Credentials)] {
        let mut bench = Bench::new().await;
        let target = ScriptedTarget::always(Reply::status(status));
        let lane = one_at_a_time(&bench, &target);
        let messages = bench.accept(12).await;
        pass(secs(20)).await;
        assert_eq!(lane.snapshot().held_by, Some(held_by));
        let before = bench.store.outcomes().len();
        lane.force(Force::Closed);
        pass(secs(600)).await;
        let snapshot = lane.snapshot();
        assert_eq!((snapshot.held_by, snapshot.held_until), (None, None));
        assert_eq!(
            (snapshot.breaker, snapshot.force),
            (Breaker::Closed, Force::Closed)
        );
        for outcome in &bench.store.outcomes()[before..] {
            let Verdict::Again { cause, .. } = outcome.verdict else {
                panic!("{status} ended a delivery");
            };
            assert_eq!(cause, AgainCause::Failed);
        }
        for message in &messages {
            let used = bench.last_outcome(message).used;
            assert!(used > 3, "{status}: {used} attempts are used");
        }
        lane.force(Force::Auto);
        pass(millis(1)).await;
        assert_eq!(lane.snapshot().held_by, Some(held_by), "it has learnt that");
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_held_closed_learns_when_the_target_is_well_again() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(20).await;
    pass(secs(29)).await;
    lane.force(Force::Closed);
    pass(secs(10)).await;
    target.reply_from_now_on(Reply::status(200));
    pass(secs(60)).await;
    bench.all_ended(&messages).await;
    let later = bench.accept(10).await;
    bench.all_ended(&later).await;
    lane.force(Force::Auto);
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_probe_is_attempted_as_soon_as_the_breaker_is_held_closed() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::status(401)], Reply::status(200));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    lane.force(Force::Closed);
    pass(millis(1)).await;
    assert_eq!(bench.view(&message).await.state, MessageState::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_asks_for_time_gets_it_though_its_breaker_is_held_closed() {
    let mut bench = Bench::new().await;
    let busy = [Reply::retry_after(429, "60")];
    let target = ScriptedTarget::scripted(busy, Reply::status(200));
    let lane = bench.start(&target);
    lane.force(Force::Closed);
    bench.accept_one().await;
    pass(secs(1)).await;
    bench.accept(5).await;
    pass(secs(58)).await;
    assert_eq!(target.attempts(), 1);
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Limit));
    pass(secs(2)).await;
    assert_eq!(target.attempts(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_the_breaker_would_wait_for_isnt_shown_while_it_is_held_closed() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(503));
    let lane = one_at_a_time(&bench, &target);
    bench.accept(20).await;
    pass(secs(20)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Open);
    target.reply_from_now_on(Reply::hang());
    lane.force(Force::Closed);
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Limit));
    assert_eq!(lane.snapshot().held_until, None);
}
