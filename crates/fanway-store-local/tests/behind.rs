//! Very many messages behind one blocked order key: they wait on the disk, and other keys flow.
//!
//! It is a test of its own process, since what it measures is that process' memory. The same with a
//! million is `cargo run --release --example load -- FOLDER behind`.

#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};

use fanway_journal::fs::RealFs;
use fanway_store::lane::{Hold, Room, Work};
use fanway_store::{Lane, Store, accept};
use fanway_store_local::{Encryption, Keep, LocalStore, Params, Syncing, Tuning, Turns};
use fanway_types::{
    ByteCount, DeliveryId, End, MemoryBudget, Message, MessageId, OrderKey, Outcome, Plan, Request,
    Step, StepOrder, Terms, Timestamp, Verdict, WhenDead,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const PLENTY: Room = Room {
    deliveries: 4096,
    bytes: ByteCount::mib(16),
};

/// Messages behind the blocked one.
const BEHIND: usize = 50_000;
/// Messages of a group; the last of each has a key of its own.
const GROUP: usize = 200;
/// What of a message waits, at least.
const BODY: usize = 4096;
/// What the process may take more than before, while 195 MiB of bodies wait.
const BOUND: ByteCount = ByteCount::mib(64);

fn open(folder: &Path) -> LocalStore {
    let params = Params {
        path: folder.to_owned(),
        sync: Syncing::Never,
        segment: ByteCount::mib(8),
        max: None,
        keep: Keep::default(),
        encrypt: Encryption::default(),
        budget: MemoryBudget::new(ByteCount::mib(32)),
        clock: Arc::new(|| NOW),
        fs: Arc::new(RealFs),
        owner: "a test".to_owned(),
        turns: Turns::default(),
    };
    // What posting has still to do is in memory too, and bounded by this.
    let tuning = Tuning {
        tail: ByteCount::mib(16),
        ..Tuning::default()
    };
    LocalStore::open_with(params, tuning).expect("the folder is sound")
}

/// A plan that sends to `crm` in order.
fn plan() -> Arc<Plan> {
    Arc::new(Plan {
        route: "customers".parse().expect("well-formed"),
        steps: vec![Step {
            order: Some(StepOrder {
                by: ".customer".to_owned(),
                when_dead: WhenDead::Skip,
            }),
            ..Step::new(
                "crm".parse().expect("well-formed"),
                "crm".parse().expect("well-formed"),
            )
        }],
        callback: None,
        on_dead: None,
    })
}

fn message(plan: &Plan, key: &str, rng: &mut StdRng) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId::new(NOW, rng),
        route: plan.route.clone(),
        plan: plan.hash(),
        request: Request {
            method: "POST".into(),
            path: "/customers".into(),
            body: vec![b'x'; BODY].into(),
            ..Request::default()
        },
        terms: Terms {
            order: [(0, OrderKey::of(key))].into(),
            ..Terms::default()
        },
        reservation: None,
    })
}

/// Accepts a group, however long it has to wait for posting.
async fn accept(store: &LocalStore, group: Vec<Arc<Message>>) -> Vec<DeliveryId> {
    let ids = group.iter().map(|message| DeliveryId::first(message.id, 0));
    let ids = ids.collect();
    loop {
        match store.accept(group.clone()).await {
            Ok(()) => return ids,
            Err(accept::Error::Full { .. } | accept::Error::Behind { .. }) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn take(lane: &mut dyn Lane) -> Vec<Work> {
    let mut work = Vec::new();
    let taken = poll_fn(|cx| lane.poll_take(cx, NOW, PLENTY, &mut work)).await;
    taken.expect("an open store hands out");
    work
}

/// Takes one delivery and nothing else.
async fn take_one(lane: &mut dyn Lane, expected: DeliveryId) -> Work {
    let mut work = take(lane).await;
    let taken: Vec<_> = work.iter().map(|work| work.delivery).collect();
    assert_eq!(taken, [expected]);
    work.remove(0)
}

fn assert_waits(lane: &mut dyn Lane) {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut work = Vec::new();
    let taken = lane.poll_take(cx, NOW, PLENTY, &mut work);
    assert!(taken.is_pending(), "{work:?}");
}

fn deliver(lane: &mut dyn Lane, work: &Work) {
    let outcome = Outcome {
        delivery: work.delivery,
        at: NOW,
        verdict: Verdict::Ended(End::Delivered),
        attempts: 1,
        used: 1,
        spent: std::time::Duration::ZERO,
        status: Some(200),
        detail: None,
        fallback: None,
    };
    lane.record(work, outcome, Hold::LetGo);
}

/// The most that this process has had in memory.
fn peak() -> ByteCount {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    ByteCount::kib(kib.expect("a number"))
}

#[tokio::test]
async fn what_is_behind_a_blocked_key_waits_on_the_disk_and_other_keys_flow() {
    let folder = tempfile::tempdir().expect("the system gives temporary folders");
    let (plan, mut rng) = (plan(), StdRng::seed_from_u64(5));
    let store = open(folder.path());
    store.keep_plan(Arc::clone(&plan)).await.expect("kept");
    let crm = "crm".parse().expect("well-formed");
    let mut lane = store.lane(&crm).expect("the only lane");
    let first = accept(&store, vec![message(&plan, "blocked", &mut rng)]).await[0];
    let blocking = take_one(&mut *lane, first).await;

    let before = peak();
    let mut second = None;
    for number in 0..BEHIND / GROUP {
        let behind = (1..GROUP).map(|_| message(&plan, "blocked", &mut rng));
        let mut group: Vec<_> = behind.collect();
        group.push(message(&plan, &format!("other {number}"), &mut rng));
        let ids = accept(&store, group).await;
        second.get_or_insert(ids[0]);
        let other = take_one(&mut *lane, ids[GROUP - 1]).await;
        deliver(&mut *lane, &other);
    }
    store.posted().await.expect("posting goes on");
    let grown = peak().get() - before.get();
    assert!(grown <= BOUND.get(), "{} MiB more", grown >> 20);
    assert_waits(&mut *lane);
    drop((lane, blocking));
    store.close().await.expect("nothing keeps it from closing");
    drop(store);

    let store = open(folder.path());
    let mut lane = store.lane(&crm).expect("the only lane");
    let blocking = take_one(&mut *lane, first).await;
    assert_waits(&mut *lane);
    deliver(&mut *lane, &blocking);
    take_one(&mut *lane, second.expect("there is one")).await;
    let grown = peak().get() - before.get();
    assert!(grown <= BOUND.get(), "{} MiB more", grown >> 20);
    store.close().await.expect("nothing keeps it from closing");
}
