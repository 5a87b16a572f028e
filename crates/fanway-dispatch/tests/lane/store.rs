//! The lane and what its store says.

use fanway_store::{Error, Store};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{DeliveryId, HeldBy, MessageState};

use crate::bench::{Bench, healthy, millis, pass, secs};

#[tokio::test(start_paused = true)]
async fn no_attempt_is_started_while_outcomes_cant_be_kept() {
    let mut bench = Bench::new().await;
    let target = healthy();
    bench.store.refuse_outcomes();
    let lane = bench.start(&target);
    let messages = bench.accept(10).await;
    pass(secs(3600)).await;
    assert_eq!(target.attempts(), 0);
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Store));
    bench.store.keep_outcomes();
    bench.all_ended(&messages).await;
    assert_eq!(target.attempts(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_shows_only_when_it_is_kept() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200).after(secs(2)));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    bench.store.refuse_outcomes();
    let later = bench.accept(5).await;
    pass(secs(60)).await;
    assert_eq!(target.attempts(), 1);
    assert_eq!(bench.store.outcomes(), []);
    bench.store.keep_outcomes();
    bench.all_ended(&later).await;
    assert_eq!(bench.ended(&message).await.state, MessageState::Delivered);
    assert_eq!(bench.outcomes_of(DeliveryId::first(message.id, 0)).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lane_ends_with_the_reason_when_its_store_is_closed() {
    let bench = Bench::new().await;
    let lane = bench.start(&healthy());
    pass(millis(1)).await;
    bench.store.close().await.expect("it closes");
    let ended = lane.task.await.expect("no panic");
    assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_has_one_lane_at_a_time() {
    let bench = Bench::new().await;
    let _lane = bench.start(&healthy());
    let second = fanway_dispatch::Lane::open(bench.params(&healthy()));
    assert!(matches!(second.err(), Some(Error::LaneTaken(_))));
}

#[tokio::test(start_paused = true)]
async fn a_lane_at_rest_wakes_for_what_is_accepted() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let _lane = bench.start(&target);
    for _ in 0..5 {
        pass(secs(100)).await;
        let message = bench.accept_one().await;
        bench.ended(&message).await;
    }
    assert_eq!(target.attempts(), 5);
}
