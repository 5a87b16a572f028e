//! Idempotency keys where threads race, a disk fails, and memory is too small for all of them.

use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use fanway_journal::faulty::{Crash, Op};
use fanway_store::Store as _;
use fanway_store::accept::Error;
use fanway_store_local::{LocalStore, Tuning};
use fanway_types::{Message, Timestamp};
use prometheus_client::registry::Registry;

use crate::folder::Folder;
use crate::scene::{HOUR, NOW, Scene, keyed, view};

/// A folder in which nothing is posted unless it is asked for, with memory for so many keys.
fn folder(keys: usize) -> Folder {
    let mut folder = Folder::faulty();
    folder.tuning = Tuning {
        rest: HOUR,
        prune: Duration::ZERO,
        keys,
        ..Tuning::default()
    };
    folder
}

async fn accept(store: &LocalStore, message: &Arc<Message>) -> Result<(), Error> {
    store.accept(vec![Arc::clone(message)]).await
}

#[track_caller]
fn repeats(result: &Result<(), Error>, first: &Message) {
    let accepted = first.id;
    assert_eq!(*result, Err(Error::Repeated { accepted }));
}

/// What a metric of the store says.
fn metric(store: &LocalStore, name: &str) -> u64 {
    let mut registry = Registry::default();
    store.register_metrics(&mut registry);
    let mut text = String::new();
    let encoded = prometheus_client::encoding::text::encode(&mut text, &registry);
    encoded.expect("text can be written to");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.parse().expect("a number")
}

/// Accepts messages of one key on a thread each; returns those that were accepted.
fn race(store: &LocalStore, messages: &[Arc<Message>]) -> Vec<Arc<Message>> {
    let results = std::thread::scope(|scope| {
        let racers = messages.iter().map(|message| {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let runtime = runtime.expect("the system has room for it");
                runtime.block_on(accept(store, message))
            })
        });
        let racers: Vec<_> = racers.collect();
        let results = racers.into_iter().map(ScopedJoinHandle::join);
        results
            .map(|result| result.expect("no racer panics"))
            .collect::<Vec<_>>()
    });
    let mut accepted = Vec::new();
    let mut repeated = Vec::new();
    for (message, result) in messages.iter().zip(results) {
        match result {
            Ok(()) => accepted.push(Arc::clone(message)),
            Err(Error::KeyBusy) => {}
            Err(Error::Repeated { accepted }) => repeated.push(accepted),
            Err(other) => panic!("{other}"),
        }
    }
    let others = repeated
        .iter()
        .filter(|id| accepted.iter().all(|message| message.id != **id));
    assert_eq!(others.count(), 0, "one is repeated that wasn't accepted");
    accepted
}

#[tokio::test]
async fn of_threads_that_race_for_a_key_one_gets_it_whether_it_is_looked_up_or_not() {
    let mut scene = Scene::new(folder(2));
    let store = scene.open().await;
    for round in 0..40 {
        let key = format!("key {round}");
        let messages: Vec<_> = (0..8)
            .map(|_| keyed(scene.message(100), &key, HOUR))
            .collect();
        let accepted = race(&store, &messages);
        assert_eq!(accepted.len(), 1, "in round {round}");
        for message in &messages {
            repeats(&accept(&store, message).await, &accepted[0]);
        }
        if round % 4 == 3 {
            store.posted().await.expect("nothing fails");
        }
    }
    assert!(metric(&store, "fanway_store_keys_looked_up_total") > 0);
}

#[tokio::test]
async fn a_key_is_looked_up_only_while_memory_may_not_have_it() {
    let mut folder = folder(4);
    let clock = Arc::new(std::sync::atomic::AtomicU64::new(NOW.as_millis()));
    let told = Arc::clone(&clock);
    folder.clock =
        Arc::new(move || Timestamp::from_millis(told.load(std::sync::atomic::Ordering::SeqCst)));
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    let looked_up = |store: &LocalStore| metric(store, "fanway_store_keys_looked_up_total");
    let mut messages = Vec::new();
    for number in 0..10 {
        let message = keyed(scene.message(100), &format!("key {number}"), HOUR);
        accept(&store, &message).await.expect("nobody has the key");
        messages.push(message);
    }
    // What isn't posted is kept, however many there are.
    assert_eq!(metric(&store, "fanway_store_keys"), 10);
    repeats(&accept(&store, &messages[0]).await, &messages[0]);
    assert_eq!(looked_up(&store), 0);
    store.posted().await.expect("nothing fails");
    assert_eq!(metric(&store, "fanway_store_keys"), 4);
    for message in &messages {
        repeats(&accept(&store, message).await, message);
    }
    let before = looked_up(&store);
    assert!(before >= 6, "{before}");
    drop(store);

    // A restart knows no more.
    let store = scene.open().await;
    for message in &messages {
        repeats(&accept(&store, message).await, message);
    }
    assert!(looked_up(&store) >= 6);
    // Once all have expired memory knows all there are: none.
    clock.fetch_add(3_600_001, std::sync::atomic::Ordering::SeqCst);
    let before = looked_up(&store);
    for message in &messages {
        accept(&store, message).await.expect("its time is over");
    }
    assert_eq!(looked_up(&store), before);
}

#[tokio::test]
async fn expired_keys_are_removed_from_the_ledger() {
    let mut folder = folder(4);
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    for number in 0..10 {
        let keep = if number < 7 { HOUR } else { 3 * HOUR };
        let message = keyed(scene.message(100), &format!("key {number}"), keep);
        accept(&store, &message).await.expect("nobody has the key");
    }
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    assert_eq!(scene.folder.check_ledger().keys, 10);
    folder = scene.folder;
    folder.clock = Arc::new(|| NOW.saturating_add(2 * HOUR));
    let store = folder.open();
    store.posted().await.expect("nothing fails");
    assert_eq!(folder.check_ledger().keys, 3);
}

#[tokio::test]
async fn a_key_whose_batch_failed_is_busy_until_the_restart() {
    let mut scene = Scene::new(folder(9));
    let store = scene.open().await;
    let known = keyed(scene.message(100), "known", HOUR);
    accept(&store, &known).await.expect("there is room");
    let message = keyed(scene.message(100), "a key", HOUR);
    scene
        .folder
        .fs()
        .fail(Op::Sync, "segment-", 1, ErrorKind::Other);
    let unknown = accept(&store, &message).await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
    // Nobody can say whether it was accepted.
    assert_eq!(accept(&store, &message).await, Err(Error::KeyBusy));
    repeats(&accept(&store, &known).await, &known);
    let other = keyed(scene.message(100), "other", HOUR);
    for _ in 0..2 {
        let closed = accept(&store, &other).await;
        assert!(matches!(closed, Err(Error::Closed(_))), "{closed:?}");
    }

    scene.folder.crash(&Crash::LoseUnsynced);
    drop(store);
    let store = scene.folder.open();
    repeats(&accept(&store, &known).await, &known);
    for message in [message, other] {
        accept(&store, &message).await.expect("it was never kept");
    }
}

/// A process dies while a batch is being synced; what becomes of the key after that.
async fn after_a_death(leaves: &Crash) -> Result<(), Error> {
    let mut scene = Scene::new(folder(9));
    let store = scene.open().await;
    let message = keyed(scene.message(100), "a key", HOUR);
    let hold = scene.folder.fs().hold(Op::Sync, "segment-");
    let accepting = store.accept(vec![Arc::clone(&message)]);
    hold.wait_until_reached();
    assert_eq!(accept(&store, &message).await, Err(Error::KeyBusy));
    let journal = scene.folder.fs().crash(leaves);
    drop(accepting);
    drop(hold);
    drop(store);

    scene.folder.faulty = Some(journal);
    scene.folder.remove_ledger();
    let store = scene.folder.open();
    let was_kept = view(&store, message.id).await.is_some();
    let result = accept(&store, &message).await;
    assert_eq!(was_kept, result.is_err());
    result
}

#[tokio::test]
async fn a_key_that_was_being_accepted_when_the_process_died_is_decided_by_the_restart() {
    assert_eq!(after_a_death(&Crash::LoseUnsynced).await, Ok(()));
    let kept = after_a_death(&Crash::Killed).await;
    assert!(matches!(kept, Err(Error::Repeated { .. })), "{kept:?}");
}

#[tokio::test]
async fn a_closed_store_looks_nothing_up() {
    let mut scene = Scene::new(folder(0));
    let store = scene.open().await;
    let message = keyed(scene.message(100), "a key", HOUR);
    accept(&store, &message).await.expect("there is room");
    store.close().await.expect("nothing keeps it from closing");
    let refused = accept(&store, &message).await;
    assert!(matches!(refused, Err(Error::Closed(_))), "{refused:?}");
}
