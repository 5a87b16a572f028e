//! Stopping: what is in flight may finish, and what can't is lost to nobody.

use fanway_testkit::scripted_target::Reply;
use fanway_testkit::{ScriptedTarget, build};
use fanway_types::MessageState;

use crate::bench::{Bench, Running, healthy, pass, secs};

#[tokio::test(start_paused = true)]
async fn a_stop_lets_what_is_in_flight_finish_and_starts_nothing() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200).after(secs(5)));
    let lane = bench.start(&target);
    let messages = bench.accept(100).await;
    pass(secs(1)).await;
    lane.stopper.finish();
    let later = bench.accept(1).await;
    lane.task.await.expect("no panic").expect("no failure");
    assert_eq!(target.attempts(), 64);
    assert_eq!(bench.store.outcomes().len(), 64);
    let next = healthy();
    let _lane = bench.start(&next);
    bench.all_ended(&messages).await;
    bench.all_ended(&later).await;
    assert_eq!(next.attempts(), 37);
}

#[tokio::test(start_paused = true)]
async fn what_is_abandoned_isnt_recorded_and_is_made_again() {
    let mut bench = Bench::new().await;
    let hanging = ScriptedTarget::always(Reply::hang());
    let lane = bench.start(&hanging);
    let messages = bench.accept(10).await;
    pass(secs(1)).await;
    lane.stopper.finish();
    pass(secs(30)).await;
    assert!(!lane.task.is_finished());
    lane.kill().await;
    assert_eq!(bench.store.outcomes(), []);
    let target = healthy();
    let _lane = bench.start(&target);
    bench.all_ended(&messages).await;
    for (first, second) in hanging.seen().iter().zip(target.seen()) {
        let key = "idempotency-key";
        assert_eq!(first.header(key), second.header(key));
    }
    let view = bench.ended(&messages[9]).await;
    assert_eq!(view.state, MessageState::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_lane_with_nothing_in_flight_stops_at_once() {
    let bench = Bench::new().await;
    let lane = bench.start(&healthy());
    pass(secs(1)).await;
    lane.stopper.finish();
    lane.task.await.expect("no panic").expect("no failure");
}

#[tokio::test(start_paused = true)]
async fn a_lane_is_stopped_alone_and_another_of_its_name_is_opened_at_once() {
    let steps = [build::step("inventory"), build::step("shipping")];
    let mut bench = Bench::with_steps(steps).await;
    let (old, other) = (
        ScriptedTarget::always(Reply::status(200).after(secs(5))),
        healthy(),
    );
    let lane = bench.start(&old);
    let _other = Running::start(bench.params_of("shipping", &other));
    let first = bench.accept_one().await;
    pass(secs(1)).await;
    lane.stopper.finish();
    let second = bench.accept_one().await;
    lane.task.await.expect("no panic").expect("no failure");
    assert_eq!(bench.ended(&first).await.state, MessageState::Delivered);
    let new = healthy();
    let _lane = bench.start(&new);
    bench.ended(&second).await;
    assert_eq!(
        [old.attempts(), new.attempts(), other.attempts()],
        [1, 1, 2]
    );
}
