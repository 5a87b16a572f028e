//! What a message promises that must not be attempted before its time.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fanway_types::{DeliveryState, Message, MessageState, Timestamp};

use super::Engine;
use super::rig::{BoxLane, PLENTY, Rig, assert_waits, deliver, take_all, with_terms};
use crate::lane::Progress;

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);

fn at(message: Arc<Message>, at: Timestamp) -> Arc<Message> {
    with_terms(message, |terms| terms.not_before = Some(at))
}

/// Polls a lane that has nothing until it says when it is worth another try.
async fn wait_until_it_knows(lane: &mut BoxLane, now: Timestamp, due: Timestamp) {
    let mut work = Vec::new();
    poll_fn(|cx| {
        assert!(lane.poll_take(cx, now, PLENTY, &mut work).is_pending());
        if lane.due() == Some(due) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// It is pending, says when it is due, and is handed out then.
pub async fn a_message_is_handed_out_at_its_time_and_not_before<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    for settled in [false, true] {
        let due = rig.now().saturating_add(HOUR);
        let message = at(rig.message(&plan, "later"), due);
        rig.accept_group(vec![message.clone()]).await;
        assert_waits(&mut lane, rig.now());
        if settled {
            rig.engine.settle().await;
        }
        let view = rig.view(message.id).await;
        assert_eq!((view.state, view.ended_at), (MessageState::Pending, None));
        let shown = &view.deliveries[0];
        assert_eq!(
            (shown.state, shown.due),
            (DeliveryState::Pending, Some(due))
        );
        assert_eq!((shown.attempts, shown.at), (0, None));
        // What comes later and is due at once passes it by.
        let fresh = rig.accept(&plan, 1).await;
        let early = due.saturating_sub(MOMENT);
        let work = take_all(&mut lane, early, 1).await;
        assert_eq!(work[0].delivery.message, fresh[0]);
        deliver(&mut lane, &work, rig.now());
        wait_until_it_knows(&mut lane, early, due).await;

        rig.turn_clock(HOUR);
        let work = take_all(&mut lane, due, 1).await;
        assert_eq!(work[0].delivery.message, message.id);
        assert_eq!(work[0].message.request, message.request);
        assert_eq!(work[0].progress, Progress::default());
        deliver(&mut lane, &work, rig.now());
        rig.wait_for(work[0].delivery, DeliveryState::Delivered)
            .await;
    }
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now().saturating_add(HOUR));
}

/// It waits over a crash, and for a lane that comes later, in each of its steps' lanes.
pub async fn its_time_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    let due = rig.now().saturating_add(HOUR);
    let message = at(rig.message(&plan, "later"), due);
    rig.accept_group(vec![message.clone()]).await;
    rig.crash().await;
    for target in ["stock", "shipping"] {
        let shown = rig.view(message.id).await.deliveries;
        assert!(shown.iter().any(|shown| shown.due == Some(due)));
        let mut lane = rig.lane(target);
        wait_until_it_knows(&mut lane, rig.now(), due).await;
        let work = take_all(&mut lane, due, 1).await;
        assert_eq!(work[0].delivery.message, message.id);
        deliver(&mut lane, &work, due);
        rig.wait_for(work[0].delivery, DeliveryState::Delivered)
            .await;
    }
    assert_eq!(rig.view(message.id).await.state, MessageState::Delivered);
}

/// A time that had passed when it was accepted is none: it comes in its turn.
pub async fn a_time_that_has_passed_is_none<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut ids = Vec::new();
    for (number, before) in [HOUR, MOMENT, Duration::ZERO].into_iter().enumerate() {
        ids.append(&mut rig.accept(&plan, 1).await);
        let message = rig.message(&plan, &number.to_string());
        let past = message.received_at().saturating_sub(before);
        let message = at(message, past);
        rig.accept_group(vec![message.clone()]).await;
        assert_eq!(rig.view(message.id).await.deliveries[0].due, None);
        ids.push(message.id);
    }
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), ids.len()).await;
    let taken: Vec<_> = work.iter().map(|work| work.delivery.message).collect();
    assert_eq!(taken, ids);
}

/// It counts as waiting, and nothing is forgotten of it.
pub async fn it_waits_in_the_backlog<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let due = rig.now().saturating_add(30 * 24 * HOUR);
    let message = at(rig.message(&plan, "later"), due);
    rig.accept_group(vec![message.clone()]).await;
    rig.accept(&plan, 1).await;
    rig.turn_clock(29 * 24 * HOUR);
    rig.engine.settle().await;
    let backlog = rig.backlog("stock").await.expect("two wait");
    assert_eq!(backlog.pending, 2);
    assert_eq!(backlog.oldest, Some(message.received_at()));
    assert_eq!(rig.view(message.id).await.deliveries[0].due, Some(due));
}
