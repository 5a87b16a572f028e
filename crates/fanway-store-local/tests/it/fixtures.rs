//! Data folders of earlier releases, as `tests/fixtures/README.md` describes them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use fanway_store::change::{Control, Force, Pause, PauseCause};
use fanway_store::dead::Query;
use fanway_store::job::{Filter, State};
use fanway_store::{Store as _, accept};
use fanway_store_local::LocalStore;
use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, Fingerprint, IdempotencyKey, KeyScope, Message,
    MessageId, MessageState, PlanHash, Request, RouteName, Terms, Timestamp,
};

use crate::folder::Folder;
use crate::scene::{name, take, view};

const BEGIN: u64 = 1_790_000_000_000;
const STATES: [(MessageState, [DeliveryState; 2]); 9] = {
    use DeliveryState::{Dead, Delivered, Pending, Retrying, Skipped};
    [
        (MessageState::Delivered, [Delivered, Delivered]),
        (MessageState::Delivered, [Delivered, Skipped]),
        (MessageState::Pending, [Delivered, Retrying]),
        (MessageState::Partial, [Delivered, Dead]),
        (MessageState::Pending, [Delivered, Pending]),
        (MessageState::Pending, [Pending, Pending]),
        (MessageState::Pending, [Delivered, Pending]),
        (MessageState::Pending, [Dead, Pending]),
        (MessageState::Pending, [Pending, Pending]),
    ]
};

fn message(number: u64) -> MessageId {
    MessageId::first_at(Timestamp::from_millis(BEGIN + 1000 * number))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the temporary folder can be written");
    for entry in std::fs::read_dir(from).expect("the fixture is there") {
        let entry = entry.expect("the fixture can be read");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("the temporary folder can be written");
        }
    }
}

async fn check_messages(store: &LocalStore) {
    for (number, (state, deliveries)) in (0..).zip(STATES) {
        let found = view(store, message(number)).await;
        let found = found.unwrap_or_else(|| panic!("message {number} is lost"));
        assert_eq!(found.state, state, "of message {number}");
        let shown: Vec<_> = found.deliveries.iter().map(|shown| shown.state).collect();
        assert_eq!(shown, deliveries, "of message {number}");
    }
}

async fn check_dead_letters(store: &LocalStore) {
    let query = Query {
        filter: Filter::default(),
        after: None,
        limit: 10,
    };
    let page = store
        .dead_letters(query)
        .await
        .expect("the ledger can be read");
    let listed: Vec<_> = page.letters.iter().map(|letter| letter.delivery).collect();
    let (third, seventh) = (
        DeliveryId::first(message(3), 1),
        DeliveryId::first(message(7), 0),
    );
    assert_eq!(listed, [seventh, third]);
    let opened = store
        .dead_letter(third)
        .await
        .expect("the ledger can be read");
    let opened = opened.expect("it is on the list");
    let letter = &opened.letter;
    assert_eq!(
        (letter.reason, letter.attempts, letter.status),
        (DeadReason::Refused, 2, Some(409))
    );
    assert_eq!(letter.detail.as_deref(), Some("no such article"));
    let request = &opened.message.expect("its request is kept").request;
    assert_eq!((&*request.method, &*request.path), ("POST", "/orders/3"));
    assert_eq!(request.query.as_deref(), Some("dry=0"));
    assert_eq!(request.params, [("id".into(), "3".into())]);
    assert_eq!(request.headers.get_str("x-request-id"), Some("7"));
    assert_eq!(&request.body[..], br#"{"id": 3}"#);
}

/// What each lane has to do, once all of it is due.
async fn check_lanes(store: &LocalStore) {
    let later = Timestamp::from_millis(BEGIN + 2 * 3_600_000);
    let first = |number, step| DeliveryId::first(message(number), step);
    let redriven = first(4, 1).next_run().expect("it is the first");
    let stock = vec![first(5, 0), first(8, 0)];
    let shipping = [2, 5, 6, 7, 8].map(|number| first(number, 1));
    let shipping = [&shipping[..], &[redriven]].concat();
    for (target, mut expected) in [("stock", stock), ("shipping", shipping)] {
        let mut lane = store.lane(&name(target)).expect("the only lane");
        let mut taken = Vec::new();
        while taken.len() < expected.len() {
            taken.append(&mut take(&mut *lane, later).await);
        }
        let retried = taken.iter().find(|work| work.delivery == first(2, 1));
        if let Some(retried) = retried {
            let progress = retried.progress;
            assert_eq!((progress.attempts, progress.used), (2, 1));
            assert_eq!(progress.spent.as_millis(), 1500);
        }
        let mut taken: Vec<_> = taken.iter().map(|work| work.delivery).collect();
        taken.sort_unstable();
        expected.sort_unstable();
        assert_eq!(taken, expected, "for {target}");
    }
}

/// A copy of the folder that this version has written.
fn folder(version: &str) -> Folder {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut folder = Folder::new();
    folder.clock = Arc::new(|| Timestamp::from_millis(BEGIN));
    copy(&fixtures.join(version), &folder.path());
    folder
}

#[tokio::test]
async fn a_folder_of_version_1_opens_with_all_that_it_held() {
    let folder = folder("v1");
    let before = folder.check_ledger();
    assert_eq!((before.history, before.unfinished, before.dead), (4, 3, 1));

    let store = folder.open();
    check_messages(&store).await;
    check_dead_letters(&store).await;
    check_lanes(&store).await;
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    let after = folder.check_ledger();
    assert_eq!((after.unfinished, after.dead), (6, 2));
}

/// Keys that were given before are still their messages'.
async fn check_keys(store: &LocalStore) {
    let route: RouteName = "returns".parse().expect("well-formed");
    for number in [20, 21, 22, 24] {
        let again = |body: &str| {
            let key = IdempotencyKey {
                scope: KeyScope::Route(route.clone()),
                text: format!("key {number}").into(),
                fingerprint: Fingerprint::of("POST", "/", None, body.as_bytes()),
                until: Timestamp::from_millis(BEGIN + 1),
            };
            store.accept(vec![Arc::new(Message {
                id: message(100 + number),
                route: route.clone(),
                plan: PlanHash::from_bytes([0; 16]),
                request: Request::default(),
                terms: Terms {
                    key: Some(key),
                    ..Terms::default()
                },
                reservation: None,
            })])
        };
        let accepted = message(number);
        let repeated = again(&format!(r#"{{"id": {number}}}"#)).await;
        assert_eq!(repeated, Err(accept::Error::Repeated { accepted }));
        assert_eq!(again("other").await, Err(accept::Error::KeyTaken));
    }
}

/// What had been called off, and what has to wait.
async fn check_times(store: &LocalStore) {
    let hour = Timestamp::from_millis(BEGIN + 3_600_000);
    for (number, state, due) in [
        (22, DeliveryState::Pending, Some(hour)),
        (23, DeliveryState::Cancelled, None),
        (25, DeliveryState::Pending, Some(hour)),
        (26, DeliveryState::Cancelled, None),
    ] {
        let shown = loop {
            // What was called off ends once its target's feed is seen to.
            let changed = store.changed(message(number));
            let found = view(store, message(number)).await;
            let found = found.unwrap_or_else(|| panic!("message {number} is lost"));
            if found.deliveries[0].state == state {
                break found;
            }
            changed.await;
        };
        assert_eq!(shown.deliveries[0].due, due, "of message {number}");
    }
}

/// What operators had set, and what they had done.
async fn check_by_hand(store: &LocalStore) {
    let begin = Timestamp::from_millis(BEGIN);
    let pause = Pause {
        since: begin,
        reason: "it is being moved".to_owned(),
        cause: PauseCause::Operator,
        address: None,
    };
    let paused = Control {
        pause: Some(pause),
        ..Control::default()
    };
    let open = Control {
        breaker: Force::Open,
        ..Control::default()
    };
    let controls = store.controls().await.expect("the ledger can be read");
    let expected = [(name("archive"), paused), (name("stock"), open)];
    assert_eq!(controls, expected);
    let jobs = store.jobs().await.expect("the ledger can be read");
    assert_eq!(jobs.len(), 1);
    assert_eq!(
        (jobs[0].state, jobs[0].ended_at),
        (State::Done, Some(begin))
    );
    assert_eq!((jobs[0].redriven, jobs[0].pace), (1, Some(5)));
    let audit = store.audit(None, 10).await.expect("the ledger can be read");
    let actions = audit.records.iter().map(|(_, record)| &*record.action);
    let actions: Vec<_> = actions.collect();
    assert_eq!(actions, ["config.reload", "target.pause", "message.cancel"]);
}

/// What each of the second plan's lanes has to do, notices among it.
async fn check_returns(store: &LocalStore) {
    let redriven = DeliveryId::first(message(21), 0).next_run();
    let redriven = redriven.expect("it is the first");
    let mut archive = store.lane(&name("archive")).expect("the only lane");
    let later = Timestamp::from_millis(BEGIN + 2 * 3_600_000);
    let mut taken = Vec::new();
    while taken.len() < 4 {
        taken.append(&mut take(&mut *archive, later).await);
    }
    taken.sort_by_key(|work| work.delivery);
    let ids: Vec<_> = taken.iter().map(|work| work.delivery).collect();
    let first = |number| DeliveryId::first(message(number), 0);
    assert_eq!(ids, [redriven, first(22), first(24), first(25)]);
    let edited = &taken[0];
    assert_eq!(edited.key, redriven);
    assert_eq!(&edited.message.request.body[..], b"id: 21");
    let headers = &edited.message.request.headers;
    assert_eq!(headers.get_str("content-type"), Some("application/yaml"));
    let told = taken[2].message.terms.callback.as_deref();
    assert_eq!(told, Some("https://example.com/told?of=24"));
    let expires = taken[1].message.terms.expires;
    assert_eq!(expires, Some(later));

    for (target, count) in [("accounting", 4), ("alerts", 1)] {
        let mut lane = store.lane(&name(target)).expect("the only lane");
        let mut notices = BTreeSet::new();
        while notices.len() < count {
            let work = take(&mut *lane, later).await;
            notices.extend(work.into_iter().map(|work| work.delivery));
        }
        assert_eq!(notices.len(), count, "for {target}");
    }
}

#[tokio::test]
async fn a_folder_of_version_2_opens_with_all_that_it_held() {
    let folder = folder("v2");
    let before = folder.check_ledger();
    assert_eq!((before.history, before.unfinished, before.dead), (7, 9, 1));
    assert_eq!(before.keys, 3);

    let store = folder.open();
    check_messages(&store).await;
    check_dead_letters(&store).await;
    check_lanes(&store).await;
    check_keys(&store).await;
    check_times(&store).await;
    check_by_hand(&store).await;
    check_returns(&store).await;
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    let after = folder.check_ledger();
    assert_eq!((after.keys, after.dead), (4, 2));
}
