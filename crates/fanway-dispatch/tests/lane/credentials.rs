//! Credentials that the target refuses hold the lane.

use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{AgainCause, DeadReason, DeliveryState, End, HeldBy, Verdict};

use crate::bench::{Bench, Running, fixed, millis, pass, secs};

fn one_at_a_time(bench: &Bench, target: &ScriptedTarget) -> Running {
    let mut params = bench.params(target);
    params.concurrency = fixed(1);
    Running::start(params)
}

async fn check_held_at_once(status: u16) {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(status));
    let lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(50).await;
    pass(secs(29)).await;
    assert_eq!(target.attempts(), 1, "{status}");
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    pass(secs(600)).await;
    assert_eq!(target.attempts(), 21, "one probe each half minute");
    for outcome in bench.store.outcomes() {
        assert_eq!((outcome.used, outcome.spent), (0, secs(0)));
        let Verdict::Again { cause, .. } = outcome.verdict else {
            panic!("{status} ended a delivery");
        };
        assert_eq!(cause, AgainCause::Probe);
    }
    target.reply_from_now_on(Reply::status(200));
    bench.all_ended(&messages).await;
    pass(millis(1)).await;
    assert_eq!(lane.snapshot().held_by, None);
}

#[tokio::test(start_paused = true)]
async fn a_401_or_407_holds_the_lane_until_a_probe_succeeds() {
    check_held_at_once(401).await;
    check_held_at_once(407).await;
}

#[tokio::test(start_paused = true)]
async fn an_unbroken_run_of_403_holds_the_lane() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(403));
    let lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(50).await;
    pass(secs(3600)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    let dead = |message| bench.last_outcome(message).verdict;
    let refused = Verdict::Ended(End::Dead(DeadReason::Refused));
    assert!(messages[..4].iter().all(|it| dead(it) == refused));
    target.reply_from_now_on(Reply::status(200));
    bench.all_ended(&messages).await;
    for message in &messages[4..] {
        let view = bench.ended(message).await;
        assert_eq!(view.deliveries[0].state, DeliveryState::Delivered);
    }
}

#[tokio::test(start_paused = true)]
async fn a_403_between_other_answers_is_final() {
    let mut bench = Bench::new().await;
    let forbidden = vec![Reply::status(403); 4];
    let script = [forbidden.clone(), vec![Reply::status(200)], forbidden].concat();
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(20).await;
    bench.all_ended(&messages).await;
    assert_eq!(target.attempts(), 20);
    assert_eq!(lane.snapshot().held_by, None);
}

#[tokio::test(start_paused = true)]
async fn one_forbidden_message_doesnt_keep_the_lane_held() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(403));
    let lane = one_at_a_time(&bench, &target);
    let forbidden = bench.accept(5).await;
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    bench.accept(1).await;
    target.reply_from_now_on(Reply::status(200));
    let before = target.attempts();
    pass(secs(30)).await;
    assert_eq!(target.seen()[before].body(), "5", "the probe is another");
    bench.all_ended(&forbidden).await;
}

#[tokio::test(start_paused = true)]
async fn a_403_to_a_held_lane_confirms_it_though_the_run_was_broken() {
    let mut bench = Bench::new().await;
    let run = vec![Reply::status(403); 5];
    let probes = [Reply::status(503), Reply::status(403)];
    let script = run.into_iter().chain(probes);
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let lane = one_at_a_time(&bench, &target);
    let messages = bench.accept(20).await;
    pass(secs(61)).await;
    assert_eq!(target.attempts(), 7);
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Credentials));
    bench.all_ended(&messages).await;
    let mut outcomes = bench.store.outcomes();
    outcomes.retain(|outcome| outcome.verdict == Verdict::Ended(End::Dead(DeadReason::Refused)));
    assert_eq!(outcomes.len(), 4);
}
