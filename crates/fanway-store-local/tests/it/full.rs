//! A full disk, a poisoned journal, posting that lags or has ended.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use fanway_journal::faulty::{self, Crash, Noticed, Op};
use fanway_store::lane::Hold;
use fanway_store::{BoxFuture, Store as _, accept};
use fanway_store_local::{LocalStore, Steps, Tuning};
use fanway_types::{ByteCount, DeliveryState};

use crate::folder::Folder;
use crate::scene::{HOUR, LATER, NOW, Scene, deliver, is_open, keyed, name, redrive, take, view};

fn folder() -> Folder {
    let mut folder = Folder::faulty();
    folder.tuning = Tuning {
        rest: Duration::from_secs(3600),
        ..Tuning::default()
    };
    folder
}

fn problems(store: &LocalStore) -> Vec<&'static str> {
    let problems = store.health().problems.into_iter();
    problems.map(|problem| problem.code).collect()
}

async fn fills_and_heals(noticed: Noticed) {
    let mut scene = Scene::new(folder());
    let store = scene.open().await;
    let mut lane = store.lane(&name("stock")).expect("the only lane");
    let fs = scene.folder.fs().clone();
    fs.set_capacity(Some(fs.used()), noticed);
    let refused = loop {
        if let Err(error) = scene.accept(&store, 1, 5000).await {
            break error;
        }
    };
    assert!(matches!(refused, accept::Error::Full { .. }), "{refused:?}");
    // Outcomes have room of their own.
    assert!(is_open(&mut *lane));
    let work = take(&mut *lane, NOW).await;
    let delivery = work[0].delivery;
    let changed = store.changed(delivery.message);
    deliver(&mut *lane, &work);
    changed.await;
    scene.note_ended(&store, &work[..1]).await;
    assert!(scene.ended.contains(&delivery));

    fs.set_capacity(None, noticed);
    store.posted().await.expect("the ledger has room");
    // What was posted is recycled by another thread.
    while scene.accept(&store, 1, 5000).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(problems(&store), [""; 0]);
    drop(lane);
    scene.folder.crash(&Crash::LoseUnsynced);
    drop(store);
    scene.check().await;
}

#[tokio::test]
async fn a_full_disk_refuses_messages_takes_outcomes_and_heals() {
    fills_and_heals(Noticed::OnWrite).await;
    fills_and_heals(Noticed::OnSync).await;
}

#[tokio::test]
async fn when_even_outcomes_have_no_room_lanes_stop_and_go_on_later() {
    let mut scene = Scene::new(folder());
    let store = scene.open().await;
    let mut lane = store.lane(&name("stock")).expect("the only lane");
    scene.accept(&store, 2, 100).await.expect("there is room");
    let work = take(&mut *lane, NOW).await;
    let fs = scene.folder.fs().clone();
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    while scene.accept(&store, 1, 5000).await.is_ok() {}
    let long = "x".repeat(1024);
    let mut outcome = crate::scene::again(&work[0], LATER);
    outcome.detail = Some(long.into());
    while is_open(&mut *lane) {
        outcome.attempts += 1;
        lane.record(&work[0], outcome.clone(), Hold::Keep);
        if outcome.attempts.is_multiple_of(50) {
            tokio::task::yield_now().await;
        }
    }
    let last = work[1].delivery;
    deliver(&mut *lane, &work[1..]);
    fs.set_capacity(None, Noticed::OnWrite);
    store.posted().await.expect("the ledger has room");
    std::future::poll_fn(|cx| lane.poll_open(cx)).await;
    store
        .posted()
        .await
        .expect("what could not be kept is kept now");
    let shown = view(&store, last.message).await.expect("it was accepted");
    assert_eq!(shown.deliveries[0].state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_failed_sync_poisons_the_store_until_it_is_opened_again() {
    let folder = folder();
    // So that the sync that fails is the committer's.
    let hold = folder.hold_preparer();
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    let mut lane = store.lane(&name("stock")).expect("the only lane");
    scene.accept(&store, 3, 100).await.expect("there is room");
    let work = take(&mut *lane, NOW).await;
    deliver(&mut *lane, &work[..1]);
    store.posted().await.expect("nothing has failed yet");
    scene.note_ended(&store, &work[..1]).await;
    assert_eq!(scene.ended.len(), 1);

    let fs = scene.folder.fs();
    fs.fail(Op::Sync, "segment-", 1, ErrorKind::Other);
    let unknown = scene.accept(&store, 1, 100).await;
    assert!(
        matches!(unknown, Err(accept::Error::Unknown(_))),
        "{unknown:?}"
    );
    let closed = scene.accept(&store, 1, 100).await;
    assert!(
        matches!(closed, Err(accept::Error::Closed(_))),
        "{closed:?}"
    );
    assert_eq!(problems(&store), ["journal_poisoned"]);
    drop(hold);
    assert!(!is_open(&mut *lane), "no attempt may be started");
    // What is recorded now can't be kept, and nothing shows it.
    deliver(&mut *lane, &work[1..2]);
    assert!(!is_open(&mut *lane));
    let shown = view(&store, work[1].delivery.message)
        .await
        .expect("it was accepted");
    assert_eq!(shown.deliveries[0].state, DeliveryState::Pending);
    assert!(store.posted().await.is_err());
    assert!(
        store.close().await.is_err(),
        "a close can't promise anything"
    );
    drop(lane);
    scene.folder.crash(&Crash::LoseUnsynced);
    drop(store);
    scene.check().await;
}

#[tokio::test]
async fn posting_that_lags_slows_acceptance() {
    let mut folder = folder();
    folder.tuning.tail = ByteCount::kib(20);
    folder.tuning.patience = Duration::ZERO;
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    let refused = loop {
        if let Err(error) = scene.accept(&store, 1, 1000).await {
            break error;
        }
    };
    assert!(
        matches!(refused, accept::Error::Behind { .. }),
        "{refused:?}"
    );
    assert_eq!(problems(&store), ["behind"]);
    store.posted().await.expect("nothing fails");
    scene
        .accept(&store, 1, 1000)
        .await
        .expect("it has caught up");
    assert_eq!(problems(&store), [""; 0]);
}

#[tokio::test]
async fn accepting_waits_for_posting_that_lags() {
    let mut folder = folder();
    folder.tuning.tail = ByteCount::kib(20);
    folder.tuning.patience = Duration::from_secs(3600);
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    while problems(&store).is_empty() {
        scene.accept(&store, 1, 1000).await.expect("there is room");
    }
    let mut waiting = pin!(scene.accept(&store, 1, 1000));
    let first = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await;
    assert!(first.is_pending(), "{first:?}");
    store.posted().await.expect("nothing fails");
    waiting.await.expect("it has caught up");
}

/// A store whose journal has one segment, and a preparer that gets nowhere before the hold is
/// dropped.
async fn unprepared(folder: Folder) -> (Scene, LocalStore, faulty::Hold) {
    let hold = folder.hold_preparer();
    let scene = Scene::new(folder);
    let store = scene.open().await;
    hold.wait_until_reached();
    (scene, store, hold)
}

/// Messages that take more than a segment, given to the store at once.
fn more_than_a_segment(
    scene: &mut Scene,
    store: &LocalStore,
) -> Vec<BoxFuture<'static, Result<(), accept::Error>>> {
    let accept = |number: usize| {
        let mut message = scene.message(5000);
        if number.is_multiple_of(2) {
            message = keyed(message, &number.to_string(), HOUR);
        }
        store.accept(vec![message])
    };
    (0..20).map(accept).collect()
}

#[tokio::test]
async fn accepting_waits_for_a_segment_that_is_not_prepared_yet() {
    let (mut scene, store, hold) = unprepared(folder()).await;
    let mut accepting = more_than_a_segment(&mut scene, &store);
    let last = accepting.last_mut().expect("there are some");
    let first = poll_fn(|cx| Poll::Ready(last.as_mut().poll(cx))).await;
    assert!(first.is_pending(), "{first:?}");
    assert_eq!(problems(&store), [""; 0], "it is only waited for");
    drop(hold);
    for accepted in accepting {
        accepted.await.expect("the disk isn't full");
    }
}

#[tokio::test]
async fn accepting_that_waits_for_a_segment_is_refused_when_the_disk_is_full() {
    let (mut scene, store, hold) = unprepared(folder()).await;
    let mut accepting = more_than_a_segment(&mut scene, &store);
    let fs = scene.folder.fs();
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    drop(hold);
    let last = accepting.pop().expect("there are some").await;
    assert!(matches!(last, Err(accept::Error::Full { .. })), "{last:?}");
    assert_eq!(problems(&store), ["journal_full"]);
}

#[tokio::test]
async fn accepting_that_waits_for_a_segment_ends_with_the_store() {
    let (mut scene, store, hold) = unprepared(folder()).await;
    let mut accepting = more_than_a_segment(&mut scene, &store);
    let mut last = accepting.pop().expect("there are some");
    let first = poll_fn(|cx| Poll::Ready(last.as_mut().poll(cx))).await;
    assert!(first.is_pending(), "{first:?}");
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    let refused = last.await;
    assert!(
        matches!(refused, Err(accept::Error::Closed(_))),
        "{refused:?}"
    );
    drop(hold);
    let closed = closing.await.expect("it doesn't panic");
    closed.expect("nothing keeps it from closing");
}

#[tokio::test]
async fn a_message_without_its_plan_is_refused() {
    let mut scene = Scene::new(folder());
    let store = scene.folder.open();
    let refused = scene.accept(&store, 1, 10).await;
    assert!(
        matches!(refused, Err(accept::Error::Closed(_))),
        "{refused:?}"
    );
    store.posted().await.expect("nothing was harmed");
}

#[tokio::test]
async fn nobody_waits_for_a_posting_thread_that_has_died() {
    let mut scene = Scene::new(folder());
    let store = scene.open().await;
    let mut lane = store.lane(&name("stock")).expect("the only lane");
    scene.accept(&store, 1, 100).await.expect("there is room");
    let work = take(&mut *lane, NOW).await;
    lane.record(&work[0], crate::scene::dead(&work[0]), Hold::LetGo);
    store.posted().await.expect("it lives");
    drop(lane);
    store.close().await.expect("nothing keeps it from closing");
    drop(store);

    scene.folder.tuning.steps = Steps::new(|step| step != fanway_store_local::Step::Post);
    let store = scene.folder.open();
    let redriven = redrive(&store, work[0].delivery, &scene.plan).await;
    assert!(redriven.is_err(), "{redriven:?}");
    let discarded = store.discard(work[0].delivery, String::new(), None, NOW);
    let discarded = discarded.await;
    assert!(discarded.is_err(), "{discarded:?}");
    assert!(store.posted().await.is_err());
    drop(store);
    scene.folder.tuning.steps = Steps::default();
    let store = scene.folder.open();
    let letter = store.dead_letter(work[0].delivery).await;
    let redriven = letter.expect("the ledger can be read").is_none();
    assert!(redriven, "it was durable, and is done by the next process");
}

#[tokio::test]
async fn messages_are_refused_while_the_ledger_needs_what_the_disk_has_left() {
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let says = Arc::clone(&left);
    let mut folder = Folder::faulty();
    folder.tuning = Tuning {
        free: Some(Arc::new(move || {
            Some(ByteCount::new(says.load(Ordering::SeqCst)))
        })),
        ..Tuning::default()
    };
    let log = folder.tuning.log.get();
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    let mut lane = store.lane(&name("stock")).expect("the only lane");
    scene.accept(&store, 1, 100).await.expect("there is room");

    left.store(log - 1, Ordering::SeqCst);
    // A posting looks at the disk.
    store.posted().await.expect("the ledger is well");
    let refused = scene.accept(&store, 1, 100).await;
    assert!(
        matches!(refused, Err(accept::Error::Full { .. })),
        "{refused:?}"
    );
    assert_eq!(problems(&store), ["disk_full"]);
    let work = take(&mut *lane, NOW).await;
    let changed = store.changed(work[0].delivery.message);
    deliver(&mut *lane, &work);
    changed.await;
    let view = view(&store, work[0].delivery.message)
        .await
        .expect("it was accepted");
    assert_eq!(view.deliveries[0].state, DeliveryState::Delivered);

    left.store(u64::MAX, Ordering::SeqCst);
    store.posted().await.expect("the ledger is well");
    scene
        .accept(&store, 1, 100)
        .await
        .expect("there is room again");
    assert_eq!(problems(&store), [""; 0]);
}
