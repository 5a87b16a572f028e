//! What is promised of a message that was called off, from then on: over crashes, redrives and
//! its retention.

use std::time::Duration;

use fanway_types::{DeliveryId, DeliveryState, End, MessageState};

use super::cancelling::{assert_only_fresh_comes, cancel, end, only, told};
use super::rig::{DAY, KEEP, Rig, again, assert_waits, both, deliver, take_all};
use super::{Engine, Keep};
use crate::Error;
use crate::change::CancelError;
use crate::lane::Hold;
use crate::lookup::Found;

const LATER: Duration = Duration::from_secs(60);

/// What is said of a delivery that may have been sent before the process died.
const MAY_BE_SENT: &str = "cancelled; may have been sent";

/// After a crash whatever had not ended ends as cancelled, and may have been sent.
pub async fn a_cancel_outlives_a_crash<E: Engine>() {
    for settled in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock", "shipping"]).await;
        let mut lane = rig.lane("stock");
        let id = rig.accept(&plan, 1).await[0];
        let work = take_all(&mut lane, rig.now(), 1).await;
        let later = again(&work[0], rig.now(), rig.now());
        lane.record(&work[0], later, Hold::Keep);
        rig.wait_for(only(id), DeliveryState::Retrying).await;
        cancel(&rig, id).await;
        if settled {
            rig.engine.settle().await;
        }
        drop(lane);
        rig.crash().await;
        rig.wait_for(only(id), DeliveryState::Cancelled).await;
        for _ in 0..2 {
            let shown = rig.delivery(only(id)).await;
            let detail = shown.detail.as_deref();
            assert_eq!((shown.attempts, detail), (1, Some(MAY_BE_SENT)));
            rig.engine.settle().await;
        }
        let shipping = DeliveryId::first(id, 1);
        rig.wait_for(shipping, DeliveryState::Cancelled).await;
        assert_eq!(rig.view(id).await.state, MessageState::Cancelled);
        let mut lane = rig.lane("stock");
        assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
        assert_eq!(told(&mut lane), []);
    }
}

/// A delivery that was delivered before stays so, and the others end.
pub async fn what_has_ended_stays_as_it_is<E: Engine>() {
    for settled in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock", "shipping"]).await;
        let mut lane = rig.lane("stock");
        let id = rig.accept(&plan, 1).await[0];
        let work = take_all(&mut lane, rig.now(), 1).await;
        deliver(&mut lane, &work, rig.now());
        rig.wait_for(only(id), DeliveryState::Delivered).await;
        if settled {
            rig.engine.settle().await;
        }
        cancel(&rig, id).await;
        assert_eq!(told(&mut lane), []);
        for _ in 0..2 {
            let view = rig.view(id).await;
            let states: Vec<_> = view.deliveries.iter().map(|shown| shown.state).collect();
            assert_eq!(states, [DeliveryState::Delivered, DeliveryState::Cancelled]);
            assert_eq!(view.state, MessageState::Cancelled);
            rig.engine.settle().await;
        }
    }
}

/// What is made anew after the cancel isn't cancelled, not by a crash either; what was in flight
/// meanwhile is.
pub async fn a_redrive_after_the_cancel_is_not_cancelled<E: Engine>() {
    for crashes in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock", "shipping"]).await;
        let (mut lane, mut shipping) = (rig.lane("stock"), rig.lane("shipping"));
        let dead = rig.dead_letter(&plan, &mut lane).await;
        let held = take_all(&mut shipping, rig.now(), 1).await;
        cancel(&rig, dead.message).await;
        let new = rig.redrive(dead, plan.hash(), 0).await;
        let new = new.expect("it is on the list");
        if crashes {
            drop((lane, shipping));
            rig.crash().await;
            (lane, shipping) = (rig.lane("stock"), rig.lane("shipping"));
            assert_waits(&mut shipping, rig.now());
        } else {
            assert_eq!(told(&mut shipping), [held[0].delivery]);
            end(&mut shipping, &held[0], End::Cancelled, &rig);
        }
        rig.wait_for(held[0].delivery, DeliveryState::Cancelled)
            .await;
        assert_eq!(told(&mut lane), []);
        let work = take_all(&mut lane, rig.now(), 1).await;
        assert_eq!(work[0].delivery, new);
        deliver(&mut lane, &work, rig.now());
        rig.wait_for(new, DeliveryState::Delivered).await;
    }
}

/// Whichever of both comes first, what is made anew ends as cancelled or is handed out.
pub async fn a_cancel_and_a_redrive_at_once_leave_nothing_behind<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    let mut lane = rig.lane("stock");
    for _ in 0..8 {
        let dead = rig.dead_letter(&plan, &mut lane).await;
        let cancel = rig.store().cancel(dead.message, None, rig.now());
        let (cancelled, new) = both(cancel, rig.redrive(dead, plan.hash(), 0)).await;
        cancelled.expect("it hasn't ended");
        let new = new.expect("it is on the list");
        rig.engine.settle().await;
        assert_eq!(told(&mut lane), []);
        rig.engine.settle().await;
        if rig.delivery(new).await.state != DeliveryState::Cancelled {
            let work = take_all(&mut lane, rig.now(), 1).await;
            assert_eq!(work[0].delivery, new);
            deliver(&mut lane, &work, rig.now());
        }
        rig.wait_for_end(dead.message).await;
    }
    assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
}

/// A message that isn't there, or has ended, can't be called off; one that is being called off
/// can.
pub async fn only_what_has_not_ended_can_be_called_off<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let unknown = rig.message(&plan, "never accepted").id;
    let refused = rig.store().cancel(unknown, None, rig.now()).await;
    assert!(
        matches!(refused, Err(CancelError::NotFound(id)) if id == unknown),
        "{refused:?}"
    );
    let mut lane = rig.lane("stock");
    let id = rig.accept(&plan, 1).await[0];
    let work = take_all(&mut lane, rig.now(), 1).await;
    cancel(&rig, id).await;
    cancel(&rig, id).await;
    assert_eq!(told(&mut lane), [only(id)]);
    end(&mut lane, &work[0], End::Cancelled, &rig);
    rig.wait_for(only(id), DeliveryState::Cancelled).await;
    for settled in [false, true] {
        if settled {
            rig.engine.settle().await;
        }
        let refused = rig.store().cancel(id, None, rig.now()).await;
        assert!(
            matches!(refused, Err(CancelError::Ended(ended)) if ended == id),
            "{refused:?}"
        );
    }
    drop(lane);
    let closed = rig.store().close().await;
    closed.expect("nothing keeps it from closing");
    let refused = rig.store().cancel(id, None, rig.now()).await;
    assert!(
        matches!(refused, Err(CancelError::Store(Error::Closed))),
        "{refused:?}"
    );
}

/// A message that was called off counts, is shown and is forgotten like any that has ended.
pub async fn it_is_forgotten_like_any_message<E: Engine>() {
    let keep = Keep {
        messages: LATER,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let plan = rig.plan(&["stock"]).await;
    let id = rig.accept(&plan, 1).await[0];
    rig.engine.settle().await;
    let pending = rig.backlog("stock").await.map(|backlog| backlog.pending);
    assert_eq!(pending, Some(1));
    cancel(&rig, id).await;
    rig.engine.settle().await;
    assert_eq!(rig.backlog("stock").await, None);
    rig.turn_clock(DAY);
    let found = rig.store().message(id).await;
    assert_eq!(found.expect("an open store looks"), Found::Expired);
}
