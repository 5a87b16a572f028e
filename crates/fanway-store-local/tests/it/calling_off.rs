//! A message that is called off while one of its deliveries is made anew: between the redrive's
//! record and its posting nobody can know of the new delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Waker};

use fanway_store::Store as _;
use fanway_store::change::{Key, Redrive};
use fanway_store::lane::Hold;
use fanway_store_local::{Step, Steps};
use fanway_types::{DeliveryState, MessageState};

use crate::folder::Folder;
use crate::scene::{NOW, Scene, dead, name, take, view};

/// What a posting thread that is held up is told, and tells.
const FREE: u8 = 0;
const HELD_UP: u8 = 1;
const WAITS: u8 = 2;

#[tokio::test]
async fn what_is_made_anew_just_before_the_cancel_is_called_off_too() {
    let mut scene = Scene::new(Folder::new());
    let state = Arc::new(AtomicU8::new(FREE));
    let of_thread = Arc::clone(&state);
    scene.folder.tuning.steps = Steps::new(move |step| {
        let held = step == Step::Post && of_thread.load(Ordering::SeqCst) == HELD_UP;
        if held {
            of_thread.store(WAITS, Ordering::SeqCst);
            while of_thread.load(Ordering::SeqCst) == WAITS {
                std::thread::yield_now();
            }
        }
        true
    });
    let store = scene.open().await;
    scene.accept(&store, 1, 10).await.expect("there is room");
    let mut lane = store.lane(&name("stock")).expect("the only lane");
    let work = take(&mut *lane, NOW).await;
    let (old, id) = (work[0].delivery, work[0].delivery.message);
    lane.record(&work[0], dead(&work[0]), Hold::LetGo);
    store.posted().await.expect("nothing has failed");

    state.store(HELD_UP, Ordering::SeqCst);
    let redrive = Redrive {
        old,
        plan: scene.plan.hash(),
        step: 0,
        key: Key::Kept,
        body: None,
    };
    let redriven = store.redrive(vec![redrive], None, None, NOW);
    let cancelled = async {
        while state.load(Ordering::SeqCst) != WAITS {
            tokio::task::yield_now().await;
        }
        let cancelled = store.cancel(id, None, NOW).await;
        state.store(FREE, Ordering::SeqCst);
        cancelled
    };
    let (redriven, cancelled) = tokio::join!(redriven, cancelled);
    cancelled.expect("it hasn't ended");
    let new = redriven.expect("an open store changes").remove(0);
    let new = new.expect("it is on the list");

    store.posted().await.expect("nothing has failed");
    let mut told = Vec::new();
    let polled = lane.poll_cancelled(&mut Context::from_waker(Waker::noop()), &mut told);
    assert!(polled.is_pending(), "the lane has none of it: {told:?}");
    store.posted().await.expect("nothing has failed");
    let shown = view(&store, id).await.expect("it was accepted");
    let last = (shown.deliveries[0].id, shown.deliveries[0].state);
    assert_eq!(last, (new, DeliveryState::Cancelled));
    assert_eq!(shown.state, MessageState::Cancelled);
}
