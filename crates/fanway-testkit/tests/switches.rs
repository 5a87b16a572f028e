//! What tests can switch in the store in memory, and what the conformance suite doesn't ask for.

use std::sync::Arc;
use std::task::{Context, Waker};

use fanway_store::Store;
use fanway_store::change::{Audit, CancelError, Key, Redrive};
use fanway_store::dead;
use fanway_store::job::{Count, Filter, Include};
use fanway_store::lane::{Hold, Room, Work};
use fanway_testkit::{MemoryStore, build};
use fanway_types::{
    ByteCount, DeadReason, DeliveryId, End, Message, Outcome, Plan, TargetName, Timestamp, Verdict,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_001_000);

fn name(target: &str) -> TargetName {
    target.parse().expect("a name")
}

/// A store with one message for these targets.
async fn store_with(targets: &[&str]) -> (MemoryStore, Arc<Plan>, Arc<Message>) {
    let store = MemoryStore::default();
    let plan = build::plan(targets.iter().map(|target| build::step(target)));
    store.keep_plan(Arc::clone(&plan)).await.expect("it's open");
    let message = build::message(&plan, 1);
    let accepted = store.accept(vec![Arc::clone(&message)]).await;
    accepted.expect("it's open");
    (store, plan, message)
}

/// Takes what waits for a target, and ends it where `end` says how.
fn take_next(store: &MemoryStore, target: &str, end: Option<End>) -> Vec<Work> {
    let mut lane = store.lane(&name(target)).expect("no other lane");
    let room = Room {
        deliveries: 100,
        bytes: ByteCount::mib(1),
    };
    let mut work = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let _taken = lane.poll_take(&mut cx, NOW, room, &mut work);
    for (work, end) in work.iter().zip(end) {
        let outcome = Outcome {
            delivery: work.delivery,
            at: NOW,
            verdict: Verdict::Ended(end),
            attempts: 1,
            used: 1,
            spent: std::time::Duration::ZERO,
            status: Some(422),
            detail: None,
            fallback: None,
        };
        lane.record(work, outcome, Hold::LetGo);
    }
    work
}

async fn redrive(
    store: &MemoryStore,
    old: DeliveryId,
    plan: &Plan,
) -> Result<DeliveryId, dead::Error> {
    let redrive = Redrive {
        old,
        plan: plan.hash(),
        step: old.step,
        key: Key::Kept,
        body: None,
    };
    let redriven = store.redrive(vec![redrive], None, None, NOW).await;
    redriven.expect("it's open").remove(0)
}

#[tokio::test]
async fn what_is_changed_while_nothing_can_be_kept_is_refused() {
    let (store, plan, message) = store_with(&["stock", "shipping"]).await;
    let dead = End::Dead(DeadReason::Refused);
    let dead = take_next(&store, "stock", Some(dead))[0].delivery;
    let audit = Audit {
        at: NOW,
        actor: "somebody".into(),
        action: "message.cancel".into(),
        subject: "it".into(),
        detail: None,
    };
    store.refuse_outcomes();
    let cancelled = store.cancel(message.id, Some(audit.clone()), NOW).await;
    assert!(matches!(cancelled, Err(CancelError::Full)), "{cancelled:?}");
    let redriven = redrive(&store, dead, &plan).await;
    assert!(matches!(redriven, Err(dead::Error::Full)), "{redriven:?}");
    let discarded = store.discard(dead, String::new(), None, NOW).await;
    assert!(matches!(discarded, Err(dead::Error::Full)), "{discarded:?}");
    let noted = store.audit(None, 10).await.expect("it's open");
    assert_eq!(noted.records, []);

    store.keep_outcomes();
    let cancelled = store.cancel(message.id, Some(audit.clone()), NOW).await;
    cancelled.expect("it can be kept");
    redrive(&store, dead, &plan).await.expect("it can be kept");
    let noted = store.audit(None, 10).await.expect("it's open");
    assert_eq!(noted.records, [(1, audit)]);
}

#[tokio::test]
async fn a_request_that_was_forgotten_is_not_sent_again() {
    let (store, plan, message) = store_with(&["stock", "shipping"]).await;
    let dead = End::Dead(DeadReason::Refused);
    let dead = take_next(&store, "stock", Some(dead))[0].delivery;
    take_next(&store, "shipping", Some(End::Delivered));
    store.forget_request(message.id);
    let opened = store.dead_letter(dead).await.expect("it's open");
    assert!(opened.expect("it is on the list").message.is_none());
    let redriven = redrive(&store, dead, &plan).await;
    assert!(matches!(redriven, Err(dead::Error::NoBody(_))));
    let filter = Filter {
        include: Include::All,
        ..Filter::default()
    };
    let found = store.candidates(filter.clone(), None, 10).await;
    let found = found.expect("it's open").found;
    assert_eq!(found.len(), 1, "the other is history only");
    assert!(!found[0].is_kept);
    let count = store.count(filter).await.expect("it's open");
    let expected = Count {
        sendable: 0,
        not_kept: 2,
    };
    assert_eq!(count, expected);
}

#[tokio::test]
async fn a_name_that_was_given_away_can_come_back() {
    let (store, ..) = store_with(&["stock"]).await;
    let (old, heir) = (name("stock"), name("inventory"));
    store.adopt(&old, &heir).expect("it has no lane");
    assert_eq!(take_next(&store, "inventory", None).len(), 1);
    store.adopt(&heir, &old).expect("it has no lane");
    assert_eq!(take_next(&store, "stock", None).len(), 1);
    let backlog = store.backlog().await.expect("it's open");
    assert_eq!(backlog[0].target, old);
}
