//! What a close promises: all that was taken is kept, and nothing is taken any more.

use std::future::poll_fn;
use std::sync::Arc;

use fanway_types::DeliveryState;

use super::Engine;
use super::rig::{PLENTY, Rig, assert_waits, deliver, name, plan, take_all};
use crate::change::Control;
use crate::job::Filter;
use crate::trouble::Trouble;
use crate::{Error, accept};

/// Each call is refused, and says that the store is closed.
pub async fn what_comes_after_the_close_is_refused<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let kept = rig.plan(&["stock"]).await;
    let id = rig.accept(&kept, 1).await[0];
    let store = Arc::clone(rig.store());
    store.close().await.expect("nothing keeps it from closing");
    store.close().await.expect("a second close does nothing");
    let message = rig.message(&kept, "too late");
    let accepted = store.accept(vec![message]).await;
    assert!(
        matches!(accepted, Err(accept::Error::Closed(_))),
        "{accepted:?}"
    );
    let refused = [
        store.keep_plan(plan("orders", &["later"])).await.err(),
        store.lane(&name("stock")).err(),
        store.message(id).await.err(),
        store.backlog().await.err(),
        store.redrive(vec![], None, None, rig.now()).await.err(),
        store.candidates(Filter::default(), None, 1).await.err(),
        store.count(Filter::default()).await.err(),
        store.jobs().await.err(),
        store.controls().await.err(),
        store
            .keep_control(name("stock"), Control::default(), None)
            .await
            .err(),
        store.troubles().await.err(),
        store
            .keep_trouble(name("stock"), Trouble::default())
            .await
            .err(),
        store.audit(None, 1).await.err(),
    ];
    for (number, error) in refused.into_iter().enumerate() {
        assert!(
            matches!(error, Some(Error::Closed)),
            "call {number} gave {error:?}"
        );
    }
    assert!(!store.health().problems.is_empty(), "health has to say so");
}

/// A lane that waits is woken, and told.
pub async fn a_waiting_lane_learns_of_the_close<E: Engine>() {
    let rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    assert_waits(&mut lane, rig.now());
    let (now, mut work) = (rig.now(), Vec::new());
    let closing = rig.store().close();
    let mut closing = Some(closing);
    let taken = poll_fn(|cx| {
        // The lane's waker is in place before the close begins.
        let taken = lane.poll_take(cx, now, PLENTY, &mut work);
        if taken.is_pending()
            && let Some(close) = &mut closing
            && close.as_mut().poll(cx).is_ready()
        {
            closing = None;
        }
        taken
    });
    assert!(matches!(taken.await, Err(Error::Closed)));
}

/// What was accepted and recorded just before is there when it is opened again.
pub async fn what_was_recorded_before_the_close_is_kept<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let ids = rig.accept(&plan, 2).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 2).await;
    deliver(&mut lane, &work[..1], rig.now());
    rig.store()
        .close()
        .await
        .expect("nothing keeps it from closing");
    drop(lane);
    rig.crash().await;
    assert_eq!(
        rig.delivery(work[0].delivery).await.state,
        DeliveryState::Delivered
    );
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(work[0].delivery.message, ids[1]);
}
