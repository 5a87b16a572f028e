//! What acceptance promises: durable, whole, in order, and each delivery once.

use std::collections::BTreeSet;

use fanway_types::{ByteCount, DeadReason, DeliveryId, DeliveryState, End};

use super::Engine;
use super::rig::{KEEP, Rig, deliver, ended, plan, take_all};
use crate::accept;
use crate::lane::Hold;

/// A lane hands out what it is given in the order in which it was accepted.
pub async fn messages_reach_their_lane_in_the_order_of_acceptance<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let before = rig.accept(&plan, 30).await;
    let mut lane = rig.lane("stock");
    let mut work = take_all(&mut lane, rig.now(), 30).await;
    let after = rig.accept(&plan, 30).await;
    work.append(&mut take_all(&mut lane, rig.now(), 30).await);
    let taken: Vec<_> = work.iter().map(|work| work.delivery.message).collect();
    assert_eq!(taken, [before, after].concat());
}

/// Each step is a delivery of its own, in its target's lane, with the message as it was accepted.
pub async fn every_step_of_every_message_reaches_its_lane_once<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping", "stock"]).await;
    let message = rig.message(&plan, "seven");
    rig.accept_group(vec![message.clone()]).await;
    for (target, steps) in [("stock", vec![0, 2]), ("shipping", vec![1])] {
        let mut lane = rig.lane(target);
        let work = take_all(&mut lane, rig.now(), steps.len()).await;
        let expected: Vec<_> = steps
            .into_iter()
            .map(|step| DeliveryId::first(message.id, step))
            .collect();
        let taken: Vec<_> = work.iter().map(|work| work.delivery).collect();
        assert_eq!(taken, expected, "the deliveries of {target}");
        for work in &work {
            assert_eq!(work.message.request, message.request);
            assert_eq!(work.message.route, message.route);
            assert_eq!((work.plan, work.step), (plan.hash(), work.delivery.step));
        }
    }
}

/// All messages of a group are kept.
pub async fn a_group_is_taken_whole<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let group: Vec<_> = (0..20)
        .map(|number| rig.message(&plan, &number.to_string()))
        .collect();
    let ids: BTreeSet<_> = group.iter().map(|message| message.id).collect();
    rig.accept_group(group).await;
    rig.accept_group(Vec::new()).await;
    rig.crash().await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 20).await;
    let taken: BTreeSet<_> = work.iter().map(|work| work.delivery.message).collect();
    assert_eq!(taken, ids);
}

/// A plan need not be kept again by a later process.
pub async fn a_plan_is_found_after_a_crash_and_messages_of_it_are_taken<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let kept = rig.plan(&["stock"]).await;
    rig.keep(&kept).await;
    rig.crash().await;
    let found = rig.store().plan(kept.hash()).await;
    assert_eq!(
        found.expect("an open store finds plans"),
        Some(kept.clone())
    );
    let unknown = plan("orders", &["nowhere"]).hash();
    let found = rig.store().plan(unknown).await;
    assert_eq!(found.expect("an open store looks"), None);
    let mut lane = rig.lane("stock");
    let ids = rig.accept(&kept, 1).await;
    rig.view(ids[0]).await;
    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(work[0].delivery.message, ids[0]);
}

/// Nothing that was acknowledged is lost.
pub async fn what_was_accepted_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.append(&mut rig.accept(&plan, 7).await);
        rig.crash().await;
    }
    for target in ["stock", "shipping"] {
        let mut lane = rig.lane(target);
        let work = take_all(&mut lane, rig.now(), ids.len()).await;
        let taken: Vec<_> = work.iter().map(|work| work.delivery.message).collect();
        assert_eq!(taken, ids, "what {target} is to get");
    }
}

/// Beyond its limit a store refuses messages, keeps none of them, and goes on with the rest.
pub async fn a_full_store_refuses_messages_and_heals<E: Engine>() {
    let mut rig = Rig::<E>::with(KEEP, Some(ByteCount::new(1000))).await;
    let plan = rig.plan(&["stock"]).await;
    let large = rig.message(&plan, &"x".repeat(1000));
    rig.accept_group(vec![large]).await;
    rig.engine.settle().await;
    let refused = rig.message(&plan, "one more");
    let result = rig.store().accept(vec![refused]).await;
    assert!(
        matches!(result, Err(accept::Error::Full { .. })),
        "{result:?}"
    );
    assert!(
        !rig.store().health().problems.is_empty(),
        "health has to say so"
    );

    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    rig.engine.settle().await;
    let next = rig.accept(&plan, 1).await;
    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(
        work[0].delivery.message, next[0],
        "what was refused is not handed out"
    );
    assert!(rig.store().health().problems.is_empty(), "it has healed");
}

/// What waits for a target, since when, and what is dead.
pub async fn the_backlog_counts_what_waits_and_what_is_dead<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    let ids = rig.accept(&plan, 3).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 3).await;
    deliver(&mut lane, &work[..1], rig.now());
    lane.record(
        &work[1],
        ended(&work[1], End::Dead(DeadReason::Exhausted), rig.now()),
        Hold::LetGo,
    );
    rig.wait_for(work[1].delivery, DeliveryState::Dead).await;
    rig.engine.settle().await;
    let stock = rig
        .backlog("stock")
        .await
        .expect("one is pending, one dead");
    assert_eq!((stock.pending, stock.dead), (1, 1));
    assert_eq!(stock.oldest, Some(ids[2].timestamp()));
    let shipping = rig.backlog("shipping").await.expect("three are pending");
    assert_eq!((shipping.pending, shipping.dead), (3, 0));
    assert_eq!(shipping.oldest, Some(ids[0].timestamp()));
    assert_eq!(rig.backlog("nowhere").await, None);
}
