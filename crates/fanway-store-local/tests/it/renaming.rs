//! A target with more waiting than is moved at once gets another name, and the process dies in
//! the middle of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanway_journal::faulty::Crash;
use fanway_store::Store as _;
use fanway_store_local::{LocalStore, Step, Steps};

use crate::folder::Folder;
use crate::scene::{NOW, Scene, TARGETS, deliver, name, take};

/// More than is moved at once, twice.
const WAITING: usize = 4_500;
const GROUP: usize = 500;

async fn waiting() -> (Scene, LocalStore) {
    let mut scene = Scene::new(Folder::faulty());
    scene.folder.segment = fanway_types::ByteCount::mib(1);
    let store = scene.open().await;
    for _ in 0..WAITING / GROUP {
        let accepted = scene.accept(&store, GROUP, 10).await;
        accepted.expect("there is room");
    }
    (scene, store)
}

/// Takes all that the new name's lane is given, and checks that it is all there is, in its order.
async fn check(scene: &Scene, store: &LocalStore) {
    let mut lane = store.lane(&name("renamed")).expect("the only lane");
    let mut taken = Vec::new();
    let mut seen = BTreeSet::new();
    while taken.len() < WAITING {
        let work = take(&mut *lane, NOW).await;
        for work in &work {
            assert!(seen.insert(work.delivery), "{} came twice", work.delivery);
            taken.push(work.delivery.message);
        }
        deliver(&mut *lane, &work);
    }
    assert_eq!(taken, scene.acknowledged);
    drop(lane);
    store.close().await.expect("nothing keeps it from closing");
}

#[tokio::test]
async fn a_large_backlog_is_moved_in_its_order() {
    let (scene, store) = waiting().await;
    let adopted = store.adopt(&name(TARGETS[0]), &name("renamed"));
    adopted.expect("the old name has no lane");
    check(&scene, &store).await;
    drop(store);
    scene.folder.check_ledger();
}

#[tokio::test]
async fn a_death_in_the_middle_of_it_loses_nothing_and_doubles_nothing() {
    for nth in 1..=3 {
        let (mut scene, store) = waiting().await;
        store.close().await.expect("nothing keeps it from closing");
        drop(store);
        let seen = Arc::new(AtomicU64::new(0));
        let of_thread = Arc::clone(&seen);
        scene.folder.tuning.steps = Steps::new(move |step| {
            step != Step::Adopt || of_thread.fetch_add(1, Ordering::SeqCst) + 1 < nth
        });
        let store = scene.folder.open();
        let adopted = store.adopt(&name(TARGETS[0]), &name("renamed"));
        adopted.expect("the old name has no lane");
        while seen.load(Ordering::SeqCst) < nth {
            // Fails once the posting thread is dead.
            let _dead = store.posted().await;
        }
        scene.folder.crash(&Crash::LoseUnsynced);
        drop(store);
        scene.folder.tuning.steps = Steps::default();
        let store = scene.folder.open();
        let adopted = store.adopt(&name(TARGETS[0]), &name("renamed"));
        adopted.expect("the old name has no lane");
        check(&scene, &store).await;
        drop(store);
        scene.folder.check_ledger();
    }
}
