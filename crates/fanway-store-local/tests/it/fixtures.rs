//! Data folders of earlier releases, as `tests/fixtures/README.md` describes them.

use std::path::Path;

use fanway_store::Store as _;
use fanway_store::dead::Query;
use fanway_store_local::{LocalStore, check, ledger_path};
use fanway_types::{DeadReason, DeliveryId, DeliveryState, MessageId, MessageState, Timestamp};

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
        target: None,
        route: None,
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

#[tokio::test]
async fn a_folder_of_version_1_opens_with_all_that_it_held() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    let mut folder = Folder::new();
    folder.clock = std::sync::Arc::new(|| Timestamp::from_millis(BEGIN));
    copy(&fixture, &folder.path());
    let before = check(&ledger_path(&folder.path())).expect("the ledger can be read");
    assert_eq!(before.problems, Vec::<String>::new());
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
