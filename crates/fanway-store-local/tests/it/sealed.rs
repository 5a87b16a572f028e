//! What is sealed: nothing of it shows in the data folder, it opens with the operator's keys and
//! with no others, and it doesn't open in another place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanway_journal::fs::RealFs;
use fanway_store::change::{Edited, Key, Redrive};
use fanway_store::dead::Query;
use fanway_store::job::Filter;
use fanway_store::lane::{Hold, Work};
use fanway_store::{Lane, Store};
use fanway_store_local::{
    Encryption, KeyId, LocalStore, OpenError, SealError, Step, Steps, Tuning, data_keys, export,
    ledger_path, rewrap, try_keys,
};
use fanway_types::{DeadReason, DeliveryId, End, Message, Outcome, Request, SecretKey, Timestamp};
use rusqlite::Connection;

use crate::folder::Folder;
use crate::scene::{HOUR, LATER, NOW, Scene, again, dead, deliver, ended, keyed, name, take, view};

/// What stands in all that a sender, a target and an operator can put into the folder.
const MARK: &[u8] = b"d4ta-of-a-person";
const ANSWER: &str = "422: d4ta-of-a-person isn't known here";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn key(byte: u8) -> SecretKey {
    SecretKey::new([byte; SecretKey::SIZE])
}

fn keys(seals: Option<u8>, opens: &[u8]) -> Encryption {
    Encryption {
        seals: seals.map(key),
        opens: opens.iter().copied().map(key).collect(),
    }
}

/// How often a text is in the files of a folder, and in those below it.
fn count(folder: &Path, text: &[u8]) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        found += if path.is_dir() {
            count(&path, text)
        } else {
            let bytes = std::fs::read(&path).expect("the file can be read");
            bytes
                .windows(text.len())
                .filter(|part| *part == text)
                .count()
        };
    }
    found
}

/// A message that has the mark in everything.
fn marked(scene: &mut Scene) -> Arc<Message> {
    let mut message = scene.message(0);
    let id = message.id;
    let alone = Arc::get_mut(&mut message).expect("it was just made");
    let text = |begin: &str| format!("{begin}d4ta-of-a-person").into_boxed_str();
    alone.request = Request {
        method: "POST".into(),
        path: text("/customers/"),
        query: Some(text("name=")),
        params: vec![("name".into(), text(""))],
        headers: [("x-customer", MARK)].into_iter().collect(),
        body: MARK.repeat(4).into(),
    };
    alone.terms.callback = Some(text("https://sender.example/"));
    keyed(message, &text(&id.to_string()), HOUR)
}

fn with_answer(outcome: Outcome) -> Outcome {
    Outcome {
        detail: Some(ANSWER.into()),
        ..outcome
    }
}

async fn dead_letters(store: &LocalStore) -> Vec<DeliveryId> {
    let query = Query {
        // It is looked for in what is sealed.
        filter: Filter {
            text: Some("D4TA-of".into()),
            ..Filter::default()
        },
        after: None,
        limit: 10,
    };
    let page = store.dead_letters(query).await;
    let letters = page.expect("the ledger can be read").letters;
    assert!(
        letters
            .iter()
            .all(|letter| letter.detail.as_deref() == Some(ANSWER))
    );
    letters.iter().map(|letter| letter.delivery).collect()
}

/// What a life leaves: of four messages one each that is delivered, to be attempted again, dead,
/// and made anew with an edited body. The other target has had none of them.
struct Left {
    scene: Scene,
    messages: Vec<Arc<Message>>,
}

fn lane_of(store: &LocalStore, target: &str) -> Box<dyn Lane> {
    store.lane(&name(target)).expect("the only lane")
}

impl Left {
    /// A life in a folder.
    async fn by(folder: Folder) -> Self {
        let mut scene = Scene::new(folder);
        let store = scene.open().await;
        let messages: Vec<_> = (0..4).map(|_| marked(&mut scene)).collect();
        store.accept(messages.clone()).await.expect("there is room");
        let mut lane = lane_of(&store, "stock");
        let work = take(&mut *lane, NOW).await;
        deliver(&mut *lane, &work[..1]);
        lane.record(&work[1], with_answer(again(&work[1], LATER)), Hold::LetGo);
        for dead_one in &work[2..] {
            lane.record(dead_one, with_answer(dead(dead_one)), Hold::LetGo);
        }
        store.posted().await.expect("nothing fails here");
        let made_anew = Redrive {
            old: work[3].delivery,
            plan: scene.plan.hash(),
            step: 0,
            key: Key::Kept,
            body: Some(Edited {
                body: MARK.repeat(2).into(),
                content_type: None,
            }),
        };
        let redriven = store.redrive(vec![made_anew], None, None, NOW).await;
        redriven.expect("the store is open")[0]
            .as_ref()
            .expect("it is on the list");
        // One that only the journal has.
        let last = marked(&mut scene);
        store
            .accept(vec![Arc::clone(&last)])
            .await
            .expect("there is room");
        let messages = messages.into_iter().chain([last]).collect();
        Self { scene, messages }
    }

    /// Finds all of it, whatever it was written by.
    async fn check(&self) {
        let store = self.scene.folder.open();
        assert_eq!(dead_letters(&store).await.len(), 1);
        let letter = store.dead_letter(dead_letters(&store).await[0]).await;
        let letter = letter
            .expect("the ledger can be read")
            .expect("it is listed");
        let message = letter.message.expect("its body is kept");
        assert_eq!(message.request, self.messages[2].request);
        let retried = view(&store, self.messages[1].id).await.expect("it is kept");
        assert_eq!(retried.deliveries[0].detail.as_deref(), Some(ANSWER));

        let mut lane = lane_of(&store, "stock");
        let mut work = take(&mut *lane, LATER).await;
        work.sort_by_key(|work| work.delivery);
        let edited = work.iter().find(|work| work.delivery.run == 1);
        let edited = edited.expect("what was made anew is due");
        assert_eq!(edited.message.request.body, MARK.repeat(2));
        self.check_work(&work);
        let mut lane = lane_of(&store, "shipping");
        let work = take(&mut *lane, LATER).await;
        assert_eq!(work.len(), 5);
        self.check_work(&work);
        for message in &self.messages {
            let again = store.accept(vec![Arc::clone(message)]).await;
            assert!(again.is_err(), "its key is taken");
        }
        drop(lane);
        store.close().await.expect("nothing keeps it from closing");
        drop(store);
        self.scene.folder.check_ledger();
    }

    fn check_work(&self, work: &[Work]) {
        for work in work.iter().filter(|work| work.delivery.run == 0) {
            let sent = self.messages.iter().find(|sent| sent.id == work.message.id);
            let sent = sent.expect("it was accepted");
            assert_eq!(work.message.request, sent.request);
            assert_eq!(work.message.terms, sent.terms);
        }
    }

    /// How often the mark is in the folder.
    fn marks(&self) -> usize {
        count(&self.scene.folder.path(), MARK)
    }
}

#[tokio::test]
async fn nothing_that_a_message_has_in_it_shows_in_the_data_folder() {
    let left = Left::by(Folder::new().sealed()).await;
    // Behind a crash, with the journal as it was; then once more with all of it posted.
    assert_eq!(left.marks(), 0);
    left.check().await;
    assert_eq!(left.marks(), 0);
    assert_eq!(count(&left.scene.folder.path(), &[7; 32]), 0, "the key");
    let prints = left
        .messages
        .iter()
        .filter_map(|message| message.terms.key.as_ref());
    for print in prints.map(|key| key.fingerprint.to_bytes()) {
        assert_eq!(count(&left.scene.folder.path(), &print), 0, "a fingerprint");
    }
}

#[tokio::test]
async fn without_keys_the_same_look_finds_it() {
    let left = Left::by(Folder::new()).await;
    assert!(left.marks() > 40, "{}", left.marks());
    left.check().await;
}

#[tokio::test]
async fn a_callback_is_sealed_and_its_notice_too() {
    let mut scene = Scene::new(Folder::new().sealed());
    let store = scene.open().await;
    let message = marked(&mut scene);
    store.accept(vec![message]).await.expect("there is room");
    // It is posted whole, and ends later.
    store.posted().await.expect("nothing fails here");
    for target in ["stock", "shipping"] {
        let mut lane = lane_of(&store, target);
        let work = take(&mut *lane, NOW).await;
        let reason = DeadReason::Refused;
        lane.record(
            &work[0],
            with_answer(ended(&work[0], End::Dead(reason))),
            Hold::LetGo,
        );
    }
    store.posted().await.expect("nothing fails here");
    let [origin] = &store.origins()[..] else {
        panic!("one callback");
    };
    let mut lane = store.lane(&origin.target).expect("the only lane");
    let work = take(&mut *lane, NOW).await;
    assert_eq!(&*work[0].message.request.path, "/d4ta-of-a-person");
    assert!(
        work[0]
            .message
            .request
            .body
            .starts_with(b"{\"type\":\"message.ended\"")
    );
    let folder = scene.folder.path();
    assert_eq!(
        (count(&folder, MARK), count(&folder, b"message.ended")),
        (0, 0)
    );
}

#[tokio::test]
async fn what_a_discard_leaves_behind_is_sealed() {
    let mut scene = Scene::new(Folder::new().sealed());
    let store = scene.open().await;
    let message = marked(&mut scene);
    store.accept(vec![message]).await.expect("there is room");
    let mut lane = lane_of(&store, "stock");
    let work = take(&mut *lane, NOW).await;
    lane.record(&work[0], with_answer(dead(&work[0])), Hold::LetGo);
    let id = work[0].delivery;
    store.posted().await.expect("nothing fails here");
    let discarded = store
        .discard(id, "a test order".to_owned(), None, NOW)
        .await;
    discarded.expect("it is listed");
    let seen = view(&store, id.message).await.expect("it is kept");
    let detail = seen.deliveries[0].detail.as_deref();
    assert_eq!(detail, Some(&*format!("discarded: a test order\n{ANSWER}")));
    assert_eq!(count(&scene.folder.path(), MARK), 0);
}

#[tokio::test]
async fn a_key_is_rotated_without_anything_being_sealed_anew() {
    let mut left = Left::by(Folder::new().sealed()).await;
    let bodies = bodies(&left);
    for encrypt in [keys(Some(8), &[7]), keys(Some(8), &[])] {
        left.scene.folder.encrypt = encrypt;
        left.check().await;
        let after = self::bodies(&left);
        assert!(bodies.iter().all(|body| after.contains(body)));
    }
    left.scene.folder.encrypt = keys(Some(7), &[]);
    check_refused(&left.scene.folder, 8);
}

/// The bodies in the ledger, as they are there.
fn bodies(left: &Left) -> Vec<Vec<u8>> {
    let ledger = ledger(&left.scene.folder);
    let mut statement = ledger
        .prepare("SELECT body FROM messages")
        .expect("a table");
    let rows = statement
        .query_map([], |row| row.get(0))
        .expect("no parameters");
    rows.collect::<Result<_, _>>().expect("each has a body")
}

fn ledger(folder: &Folder) -> Connection {
    Connection::open(ledger_path(&folder.path())).expect("the ledger is there")
}

/// A start is refused, and names the key that it needs.
#[track_caller]
fn check_refused(folder: &Folder, needs: u8) {
    let expected = SealError::NoKey(vec![KeyId::of(&key(needs))]);
    match folder.try_open() {
        Err(OpenError::Keys(error)) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn with_a_wrong_key_or_none_a_start_is_refused_and_nothing_is_lost() {
    let mut left = Left::by(Folder::new().sealed()).await;
    for wrong in [keys(Some(8), &[]), keys(None, &[8]), keys(None, &[])] {
        left.scene.folder.encrypt = wrong;
        check_refused(&left.scene.folder, 7);
    }
    left.scene.folder.encrypt = keys(Some(7), &[]);
    left.check().await;
}

#[tokio::test]
async fn it_is_switched_on_and_off_in_a_folder_that_holds_both() {
    let mut left = Left::by(Folder::new()).await;
    left.scene.folder.encrypt = keys(Some(7), &[]);
    left.check().await;
    let plain = left.marks();
    let store = left.scene.open().await;
    let more = marked(&mut left.scene);
    store.accept(vec![more]).await.expect("there is room");
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    assert_eq!(left.marks(), plain, "what comes now is sealed");

    left.scene.folder.encrypt = keys(None, &[7]);
    let store = left.scene.open().await;
    let work = take(&mut *lane_of(&store, "stock"), LATER).await;
    assert!(
        work.iter()
            .all(|work| work.message.request.body.starts_with(MARK))
    );
    let more = marked(&mut left.scene);
    store.accept(vec![more]).await.expect("there is room");
    store.close().await.expect("nothing keeps it from closing");
    assert!(left.marks() > plain, "what comes now isn't");
}

#[tokio::test]
async fn once_nothing_sealed_is_left_no_key_is_needed() {
    let mut scene = Scene::new(Folder::new().sealed());
    let store = scene.open().await;
    let message = scene.message(10);
    store.accept(vec![message]).await.expect("there is room");
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    scene.folder.encrypt = keys(None, &[7]);
    let store = scene.open().await;
    for target in ["stock", "shipping"] {
        let mut lane = lane_of(&store, target);
        let work = take(&mut *lane, NOW).await;
        deliver(&mut *lane, &work);
    }
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    let ledger = ledger_path(&scene.folder.path());
    assert_eq!(data_keys(&ledger).expect("it can be read")[0].values, 0);
    scene.folder.encrypt = keys(None, &[]);
    check_refused(&scene.folder, 7);
    scene.folder.encrypt = keys(None, &[7]);
    drop(scene.folder.open());
    scene.folder.encrypt = keys(None, &[]);
    drop(scene.folder.open());
}

#[tokio::test]
async fn tools_see_which_keys_are_used_try_them_and_rewrap() {
    let mut left = Left::by(Folder::new().sealed()).await;
    left.check().await;
    let ledger = ledger_path(&left.scene.folder.path());
    let seen = || data_keys(&ledger).expect("it can be read");
    assert_eq!(
        (seen().len(), seen()[0].wrapped_by),
        (1, KeyId::of(&key(7)))
    );
    let tried = try_keys(&ledger, &keys(Some(7), &[])).expect("it is the key");
    assert_eq!((tried.values, tried.shut), (seen()[0].values, 0));
    // Of each of the five head, body, callback and fingerprint; three details, an edit.
    assert_eq!(tried.values, 24);
    assert!(try_keys(&ledger, &keys(Some(8), &[])).is_err());

    let both = keys(Some(8), &[7]);
    assert_eq!(rewrap(&ledger, &both).expect("both are given"), 1);
    assert_eq!(rewrap(&ledger, &both).expect("both are given"), 0);
    assert_eq!(seen()[0].wrapped_by, KeyId::of(&key(8)));
    left.scene.folder.encrypt = keys(Some(8), &[]);
    left.check().await;
    let mut bodies = Vec::new();
    let exported = export(&ledger, &keys(Some(8), &[]), None, |kept| {
        bodies.push(kept.message.request.body);
        true
    });
    exported.expect("it is the key");
    assert!(bodies.iter().all(|body| *body == MARK.repeat(4)));
}

/// Does something to the ledger of a life, and reads on.
async fn after(sql: &str) -> Result<(), String> {
    let left = Left::by(Folder::new().sealed()).await;
    let store = left.scene.folder.open();
    store.close().await.expect("nothing keeps it from closing");
    drop(store);
    let changed = ledger(&left.scene.folder).execute_batch(sql);
    changed.expect("the tables are there");
    let store = left.scene.folder.try_open();
    let store = store.map_err(|error| format!("{error:?}"))?;
    let mut lane = lane_of(&store, "shipping");
    let mut work = Vec::new();
    let taken = std::future::poll_fn(|cx| lane.poll_take(cx, NOW, crate::scene::PLENTY, &mut work));
    taken.await.map_err(|error| format!("{error:?}"))?;
    left.check_work(&work);
    Ok(())
}

#[tokio::test]
async fn what_was_swapped_or_changed_is_never_handed_out() {
    assert_eq!(after("").await, Ok(()));
    for sql in [
        "UPDATE messages SET body = (SELECT body FROM messages ORDER BY seq DESC LIMIT 1)",
        "UPDATE messages SET body = cast(substr(body, 1, length(body) - 1) || x'00' AS BLOB)",
        "UPDATE messages SET body = x''",
        "DELETE FROM data_keys",
    ] {
        let error = after(sql).await.expect_err(sql);
        assert!(error.contains("Sealed"), "{error} after {sql}");
    }
}

/// The numbers of the data keys that bodies in the ledger are sealed by.
fn numbers(folder: &Folder) -> Vec<u32> {
    let ledger = ledger(folder);
    let mut statement = ledger
        .prepare("SELECT body FROM messages ORDER BY seq")
        .expect("a table");
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0));
    let bodies = rows.expect("no parameters").map(|row| row.expect("a body"));
    bodies
        .map(|body| u32::from_le_bytes([body[0], body[1], body[2], body[3]]))
        .collect()
}

/// A folder whose clock can be put forward.
fn with_clock() -> (Folder, Arc<AtomicU64>) {
    let mut folder = Folder::new().sealed();
    let millis = Arc::new(AtomicU64::new(NOW.as_millis()));
    let clock = Arc::clone(&millis);
    folder.clock = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    (folder, millis)
}

fn pass_a_day(millis: &AtomicU64) {
    let day = u64::try_from(DAY.as_millis()).expect("it is short");
    millis.fetch_add(day, Ordering::Relaxed);
}

#[tokio::test]
async fn a_data_key_is_replaced_after_a_day_and_what_it_sealed_still_opens() {
    let (folder, clock) = with_clock();
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    for _ in 0..3 {
        scene.accept(&store, 1, 10).await.expect("there is room");
        store.posted().await.expect("nothing fails here");
        pass_a_day(&clock);
        // The next turn of the posting thread makes the key.
        store.posted().await.expect("nothing fails here");
        store.posted().await.expect("nothing fails here");
    }
    drop(store);
    assert_eq!(numbers(&scene.folder), [1, 2, 3]);
    let store = scene.open().await;
    let work = take(&mut *lane_of(&store, "stock"), NOW).await;
    assert_eq!(work.len(), 3);
}

#[tokio::test]
async fn a_process_that_dies_while_it_makes_a_data_key_loses_nothing() {
    let (mut folder, clock) = with_clock();
    folder.tuning = Tuning {
        steps: Steps::new(|step| step != Step::Renew),
        ..Tuning::default()
    };
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    scene.accept(&store, 1, 10).await.expect("there is room");
    pass_a_day(&clock);
    let _the_thread_dies = store.posted().await;
    drop(store);
    scene.folder.tuning.steps = Steps::default();
    let store = scene.open().await;
    scene.accept(&store, 1, 10).await.expect("there is room");
    let work = take(&mut *lane_of(&store, "stock"), NOW).await;
    let bodies = work.iter().map(|work| &work.message.request.body[..]);
    assert_eq!(bodies.collect::<Vec<_>>(), [b"xxxxxxxxxx"; 2]);
    store.posted().await.expect("nothing fails here");
    assert_eq!(numbers(&scene.folder), [1, 2]);
}

#[tokio::test]
async fn a_journal_verifies_without_keys() {
    let left = Left::by(Folder::new().sealed()).await;
    let journal = fanway_store_local::journal_path(&left.scene.folder.path());
    let report = fanway_journal::verify(&journal, &RealFs).expect("nobody has it open");
    assert!(report.kept.records > 5, "{}", report.kept.records);
}
