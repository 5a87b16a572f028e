//! The same life of a store, broken at each of its steps in turn: a failed operation, a full
//! disk, a power loss between two operations of the journal or two steps of posting.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanway_journal::faulty::{Crash, Keep};
use fanway_store::Store as _;
use fanway_store::lane::{Hold, Room};
use fanway_store_local::{LocalStore, Step, Steps, Tuning};
use fanway_types::ByteCount;

use crate::folder::Folder;
use crate::scene::{LATER, NOW, Scene, TARGETS, again, dead, deliver, name, take};

/// Small enough that segments are recycled and lanes fall behind.
fn folder() -> Folder {
    let mut folder = Folder::faulty();
    folder.segment = ByteCount::kib(16);
    folder.tuning = Tuning {
        rest: Duration::from_millis(4),
        feed: Room {
            deliveries: 3,
            bytes: ByteCount::kib(64),
        },
        prune: Duration::ZERO,
        ..Tuning::default()
    };
    folder
}

/// Accepts and delivers until about six segments were used. What is refused is passed over.
async fn live(scene: &mut Scene, store: &LocalStore) {
    let mut lanes = TARGETS.map(|target| store.lane(&name(target)).expect("the only lane"));
    for round in 0..12_usize {
        if scene.accept(store, 1 + round % 3, 3000).await.is_err() {
            continue;
        }
        let mut all = Vec::new();
        for lane in &mut lanes {
            let mut work = take(&mut **lane, NOW).await;
            deliver(&mut **lane, &work[1..]);
            match round % 3 {
                0 => deliver(&mut **lane, &work[..1]),
                1 => lane.record(&work[0], dead(&work[0]), Hold::LetGo),
                _ => lane.record(&work[0], again(&work[0], LATER), Hold::Keep),
            }
            all.append(&mut work);
        }
        if round % 4 == 3 {
            // Where the journal or the posting thread is gone, that is told at once.
            let _gone = store.posted().await;
        }
        scene.note_ended(store, &all).await;
    }
}

/// How a life is broken, and what the power loss that ends it leaves.
struct Broken {
    break_it: Box<dyn Fn(&mut Folder)>,
    leaves: Crash,
}

async fn check(broken: Broken) {
    let mut scene = Scene::new(folder());
    (broken.break_it)(&mut scene.folder);
    if let Ok(store) = scene.folder.try_open() {
        if store.keep_plan(Arc::clone(&scene.plan)).await.is_ok() {
            live(&mut scene, &store).await;
        }
        scene.folder.crash(&broken.leaves);
        drop(store);
    } else {
        scene.folder.crash(&broken.leaves);
    }
    scene.folder.tuning.steps = Steps::default();
    scene.check().await;
}

/// How many operations of the journal a life has.
async fn steps_of_a_life() -> u64 {
    let mut scene = Scene::new(folder());
    let store = scene.open().await;
    live(&mut scene, &store).await;
    assert!(scene.folder.fs().paths().len() > 2, "segments are recycled");
    scene.folder.fs().steps()
}

#[tokio::test]
async fn a_power_loss_between_any_two_operations_loses_nothing() {
    for step in 1..=steps_of_a_life().await {
        let leaves = match step % 3 {
            0 => Crash::LoseUnsynced,
            1 => Crash::KeepAll,
            _ => Crash::Sectors {
                size: 512,
                keep: Keep::Seed(step),
            },
        };
        check(Broken {
            break_it: Box::new(move |folder| folder.fs().freeze_after(step)),
            leaves,
        })
        .await;
    }
}

#[tokio::test]
async fn an_operation_that_fails_loses_nothing() {
    for step in 1..=steps_of_a_life().await {
        check(Broken {
            break_it: Box::new(move |folder| folder.fs().fail_step(step, ErrorKind::Other)),
            leaves: Crash::LoseUnsynced,
        })
        .await;
    }
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_operation_loses_nothing() {
    for step in 1..=steps_of_a_life().await {
        check(Broken {
            break_it: Box::new(move |folder| folder.fs().fail_step(step, ErrorKind::StorageFull)),
            leaves: Crash::LoseUnsynced,
        })
        .await;
    }
}

#[tokio::test]
async fn a_death_between_any_two_steps_of_posting_loses_nothing() {
    let steps = [
        Step::Post,
        Step::Trim,
        Step::Forget,
        Step::Tell,
        Step::Prune,
    ];
    for (step, nth) in steps
        .into_iter()
        .flat_map(|step| [(step, 1), (step, 2), (step, 4)])
    {
        check(Broken {
            break_it: Box::new(move |folder| folder.tuning.steps = dies_at(step, nth)),
            leaves: Crash::LoseUnsynced,
        })
        .await;
    }
}

/// Steps of which the `nth` of this kind is never made.
fn dies_at(at: Step, nth: u64) -> Steps {
    let seen = AtomicU64::new(0);
    Steps::new(move |step| step != at || seen.fetch_add(1, Ordering::SeqCst) + 1 < nth)
}
