//! What look-ups promise: never a gap after acceptance, and nothing that a crash could take back.

use std::sync::Arc;
use std::time::Duration;

use fanway_types::{DeadReason, DeliveryId, DeliveryState, End, MessageState};

use super::Engine;
use super::rig::{Rig, again, ended, plan, take_all};
use crate::lane::Hold;
use crate::lookup::{DeliveryView, Found};

/// Whoever is told that a message was accepted finds it, whatever the store does meanwhile.
pub async fn a_message_is_found_as_soon_as_it_is_accepted<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    for number in 0..50 {
        let id = rig.accept(&plan, 1).await[0];
        if number % 10 == 0 {
            rig.engine.settle().await;
        }
        let view = rig.view(id).await;
        assert_eq!((view.id, &view.route), (id, &plan.route));
        assert_eq!((view.state, view.ended_at), (MessageState::Pending, None));
        let expected = plan
            .steps
            .iter()
            .zip(0..)
            .map(|(step, index)| DeliveryView {
                id: DeliveryId::first(id, index),
                step: step.name.clone(),
                target: step.target.clone(),
                fallback_of: None,
                critical: step.critical,
                state: DeliveryState::Pending,
                in_line: false,
                attempts: 0,
                status: None,
                at: None,
                due: None,
                reason: None,
                detail: None,
            });
        assert_eq!(view.deliveries, expected.collect::<Vec<_>>());
    }
}

/// An id that was never given is unknown.
pub async fn nobody_finds_what_was_never_accepted<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let message = rig.message(&plan, "never sent");
    let found = rig.store().message(message.id).await;
    assert_eq!(found.expect("an open store looks"), Found::Unknown);
}

/// A change wakes those who listen, and is seen by whoever looks then.
pub async fn whoever_listens_learns_of_a_change<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let id = rig.accept(&plan, 1).await[0];
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    let (delivery, now) = (work[0].delivery, rig.now());
    let changed = rig.store().changed(id);
    lane.record(
        &work[0],
        again(&work[0], now.saturating_add(Duration::from_secs(1)), now),
        Hold::Keep,
    );
    changed.await;
    rig.wait_for(delivery, DeliveryState::Retrying).await;
    let retrying = rig.delivery(delivery).await;
    assert_eq!((retrying.attempts, retrying.status), (1, Some(503)));
    assert_eq!(
        retrying.due,
        Some(now.saturating_add(Duration::from_secs(1)))
    );
    assert_eq!(retrying.detail.as_deref(), Some("out of order"));
    let (first, second) = (rig.store().changed(id), rig.store().changed(id));
    lane.record(&work[0], ended(&work[0], End::Delivered, now), Hold::LetGo);
    first.await;
    second.await;
    rig.wait_for(delivery, DeliveryState::Delivered).await;
    assert_eq!(rig.view(id).await.state, MessageState::Delivered);
}

/// A message is pending until all of its deliveries have ended.
pub async fn a_message_ends_when_its_last_delivery_has<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    for settled in [false, true] {
        let id = rig.accept(&plan, 1).await[0];
        let (mut stock, mut shipping) = (rig.lane("stock"), rig.lane("shipping"));
        let work = take_all(&mut stock, rig.now(), 1).await;
        stock.record(
            &work[0],
            ended(&work[0], End::Dead(DeadReason::Exhausted), rig.now()),
            Hold::LetGo,
        );
        rig.wait_for(work[0].delivery, DeliveryState::Dead).await;
        if settled {
            rig.engine.settle().await;
        }
        let view = rig.view(id).await;
        assert_eq!((view.state, view.ended_at), (MessageState::Pending, None));
        assert_eq!(view.deliveries[0].reason, Some(DeadReason::Exhausted));

        rig.turn_clock(Duration::from_secs(5));
        let work = take_all(&mut shipping, rig.now(), 1).await;
        shipping.record(
            &work[0],
            ended(&work[0], End::Delivered, rig.now()),
            Hold::LetGo,
        );
        rig.wait_for(work[0].delivery, DeliveryState::Delivered)
            .await;
        for settled in [false, true] {
            if settled {
                rig.engine.settle().await;
            }
            let view = rig.view(id).await;
            assert_eq!(
                (view.state, view.ended_at),
                (MessageState::Failed, Some(rig.now()))
            );
        }
    }
}

/// The death of a step that isn't critical doesn't fail its message.
pub async fn a_step_that_is_not_critical_leaves_its_message_partial<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lenient = (*plan("orders", &["stock"])).clone();
    lenient.steps[0].critical = false;
    let plan = Arc::new(lenient);
    rig.keep(&plan).await;
    let mut lane = rig.lane("stock");
    let delivery = rig.dead_letter(&plan, &mut lane).await;
    assert_eq!(
        rig.view(delivery.message).await.state,
        MessageState::Partial
    );
}

/// What was shown is shown after a crash: of ended messages and of others.
pub async fn what_a_message_shows_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    rig.accept(&plan, 4).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 4).await;
    let now = rig.now();
    lane.record(&work[0], ended(&work[0], End::Delivered, now), Hold::LetGo);
    lane.record(
        &work[1],
        ended(&work[1], End::Dead(DeadReason::Refused), now),
        Hold::LetGo,
    );
    lane.record(
        &work[2],
        again(&work[2], now.saturating_add(Duration::from_secs(9)), now),
        Hold::LetGo,
    );
    rig.wait_for(work[2].delivery, DeliveryState::Retrying)
        .await;
    let mut before = Vec::new();
    for work in &work {
        before.push(rig.view(work.delivery.message).await);
    }
    drop(lane);
    rig.crash().await;
    for mut view in before {
        let mut after = rig.view(view.id).await;
        if view.state == MessageState::Delivered {
            // History has no room for what the last answer said.
            view.deliveries[0].detail = None;
            after.deliveries[0].detail = None;
        }
        assert_eq!(after, view);
    }
}
