//! Notices, with the process dying between any two steps of posting, or the machine losing its
//! power between any two operations of the journal: each end and each death is told of, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use fanway_journal::faulty::Crash;
use fanway_store::Store as _;
use fanway_store::lane::{Hold, Work};
use fanway_store_local::{LocalStore, Step, Steps, Tuning};
use fanway_types::{DeliveryId, DeliveryState, MessageId};
use serde_json::Value;

use crate::folder::Folder;
use crate::scene::{LATER, NOW, PLENTY, Scene, TARGETS, again, dead, deliver, name, take, view};

/// Who is told of ends, and of deaths.
const TOLD: [&str; 2] = ["books", "alerts"];

fn scene() -> Scene {
    let mut folder = Folder::faulty();
    folder.tuning = Tuning {
        rest: Duration::from_millis(4),
        prune: Duration::ZERO,
        ..Tuning::default()
    };
    let mut scene = Scene::new(folder);
    let mut plan = (*scene.plan).clone();
    plan.callback = Some(name(TOLD[0]));
    plan.on_dead = Some(name(TOLD[1]));
    scene.plan = Arc::new(plan);
    scene
}

/// Accepts messages and ends their deliveries in all ways. What is refused is passed over.
async fn live(scene: &mut Scene, store: &LocalStore) {
    let mut lanes = TARGETS.map(|target| store.lane(&name(target)).expect("the only lane"));
    for round in 0..8_usize {
        if scene.accept(store, 4, 200).await.is_err() {
            continue;
        }
        if round % 2 == 1 {
            // Where the journal or the posting thread is gone, that is told at once.
            let _gone = store.posted().await;
        }
        for lane in &mut lanes {
            let mut work = Vec::new();
            while work.len() < 4 {
                work.append(&mut take(&mut **lane, NOW).await);
            }
            deliver(&mut **lane, &work[..2]);
            lane.record(&work[2], dead(&work[2]), Hold::LetGo);
            lane.record(&work[3], again(&work[3], LATER), Hold::Keep);
        }
        if round % 3 == 1 {
            // Two deliveries have ended, and two are held: these end after the crash.
            let last = scene.acknowledged.last().copied();
            let _refused = store.cancel(last.expect("just accepted"), None, NOW).await;
        }
    }
}

/// Ends what is left before a target's lane, and returns what it was given.
async fn drain(store: &LocalStore, target: &str) -> Vec<Work> {
    let mut lane = store.lane(&name(target)).expect("the only lane");
    let mut context = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    loop {
        store.posted().await.expect("nothing fails any more");
        let backlog = store.backlog().await.expect("an open store counts");
        let of_target = backlog.iter().find(|known| known.target == name(target));
        if of_target.is_none_or(|known| known.pending == 0) {
            return all;
        }
        // What was called off ends without being given to it.
        let mut work = Vec::new();
        let _ready = lane.poll_take(&mut context, LATER, PLENTY, &mut work);
        deliver(&mut *lane, &work);
        all.append(&mut work);
    }
}

/// What was told: how often each end, and each death.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    ends: BTreeMap<MessageId, usize>,
    deaths: BTreeMap<DeliveryId, usize>,
}

async fn told(store: &LocalStore) -> Told {
    let mut told = Told::default();
    for target in TOLD {
        for work in drain(store, target).await {
            let body = &work.message.request.body;
            let body: Value = serde_json::from_slice(body).expect("notices are JSON");
            let text = |key: &str| body["data"][key].as_str().expect("a text").to_owned();
            if body["type"] == "message.ended" {
                let id = text("id").parse().expect("an id");
                *told.ends.entry(id).or_default() += 1;
            } else {
                let id = text("delivery").parse().expect("an id");
                *told.deaths.entry(id).or_default() += 1;
            }
        }
    }
    told
}

/// Breaks a life, lets the machine lose its power, and checks what is told afterwards.
async fn check(break_it: impl Fn(&mut Folder)) {
    let mut scene = scene();
    break_it(&mut scene.folder);
    if let Ok(store) = scene.folder.try_open()
        && store.keep_plan(Arc::clone(&scene.plan)).await.is_ok()
    {
        live(&mut scene, &store).await;
    }
    scene.folder.crash(&Crash::LoseUnsynced);
    scene.folder.tuning.steps = Steps::default();
    let store = scene.folder.open();
    for target in TARGETS {
        drain(&store, target).await;
    }
    let told = told(&store).await;
    let mut deaths = BTreeSet::new();
    for id in &scene.acknowledged {
        let view = view(&store, *id).await.expect("it was acknowledged");
        assert!(view.state.has_ended(), "{id} is still {}", view.state);
        assert_eq!(told.ends.get(id), Some(&1), "{id} is {}", view.state);
        let dead = view
            .deliveries
            .iter()
            .filter(|shown| shown.state == DeliveryState::Dead);
        deaths.extend(dead.map(|shown| shown.id));
    }
    assert!(told.ends.values().all(|count| *count == 1), "{told:?}");
    for (id, count) in &told.deaths {
        assert_eq!(*count, 1, "{id}");
    }
    let missing: Vec<_> = deaths
        .iter()
        .filter(|id| !told.deaths.contains_key(id))
        .collect();
    assert!(missing.is_empty(), "nobody was told of {missing:?}");
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    scene.folder.check_ledger();
}

#[tokio::test]
async fn a_death_between_any_two_steps_of_posting_makes_no_notice_twice_and_loses_none() {
    for step in [Step::Post, Step::Trim, Step::Forget, Step::Tell] {
        for nth in [1, 2, 3, 5] {
            check(|folder| {
                let seen = AtomicU64::new(0);
                folder.tuning.steps = Steps::new(move |made| {
                    made != step || seen.fetch_add(1, Ordering::SeqCst) + 1 < nth
                });
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_power_loss_between_operations_of_the_journal_makes_no_notice_twice_and_loses_none() {
    let mut unbroken = scene();
    let store = unbroken.open().await;
    live(&mut unbroken, &store).await;
    for step in (1..=unbroken.folder.fs().steps()).step_by(5) {
        check(|folder| folder.fs().freeze_after(step)).await;
    }
}
