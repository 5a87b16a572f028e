use std::sync::Arc;

use fanway_store::accept::Error;
use fanway_types::{
    Fingerprint, IdempotencyKey, KeyScope, Message, MessageId, PlanHash, Request, Terms, Timestamp,
};

use super::{Holder, Keys, Taken};

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Message `number` with a key that is its own until `until`.
fn message(number: u8, key: &str, until: u64) -> Arc<Message> {
    let key = IdempotencyKey {
        scope: KeyScope::Route("orders".parse().expect("a name")),
        text: key.into(),
        fingerprint: Fingerprint::of("POST", "/", None, b""),
        until: at(until),
    };
    Arc::new(Message {
        id: MessageId::from_bytes([number; 16]),
        route: "orders".parse().expect("a name"),
        plan: PlanHash::from_bytes([0; 16]),
        request: Request::default(),
        terms: Terms {
            key: Some(key),
            ..Terms::default()
        },
        reservation: None,
    })
}

fn keys(most: usize) -> Arc<Keys> {
    Arc::new(Keys::new(Vec::new(), Timestamp::default(), most))
}

/// Takes a message's key; whether it has to be looked up.
fn take(keys: &Arc<Keys>, message: &Arc<Message>, now: u64) -> Result<(Taken, bool), Error> {
    let taken = keys.take(std::slice::from_ref(message), at(now))?;
    let is_unsure = !taken.unsure().is_empty();
    Ok((taken, is_unsure))
}

#[track_caller]
fn check(keys: &Arc<Keys>, message: &Arc<Message>, now: u64, expected: &Result<bool, Error>) {
    let taken = take(keys, message, now).map(|(_, is_unsure)| is_unsure);
    assert_eq!(taken, *expected);
}

fn repeated(number: u8) -> Result<bool, Error> {
    let accepted = MessageId::from_bytes([number; 16]);
    Err(Error::Repeated { accepted })
}

/// Takes a message's key for good, and posts the message.
fn post(keys: &Arc<Keys>, message: &Arc<Message>) {
    let (taken, _) = take(keys, message, 0).expect("nobody has the key");
    taken.keep();
    keys.note_durable(std::slice::from_ref(message));
    keys.note_posted(std::slice::from_ref(message), at(0));
}

#[test]
fn a_key_is_busy_until_its_message_is_durable_or_it_is_given_back() {
    let keys = keys(9);
    let (first, second) = (message(1, "a", 9), message(2, "a", 9));
    let (taken, _) = take(&keys, &first, 0).expect("nobody has the key");
    check(&keys, &second, 0, &Err(Error::KeyBusy));
    drop(taken);
    let (taken, _) = take(&keys, &second, 0).expect("it was given back");
    taken.keep();
    check(&keys, &first, 0, &Err(Error::KeyBusy));
    keys.note_durable(&[second]);
    check(&keys, &first, 0, &repeated(2));
}

#[test]
fn what_is_durable_by_then_is_not_given_back() {
    let keys = keys(9);
    let first = message(1, "a", 9);
    let (taken, _) = take(&keys, &first, 0).expect("nobody has the key");
    keys.note_durable(std::slice::from_ref(&first));
    drop(taken);
    check(&keys, &message(2, "a", 9), 0, &repeated(1));
}

#[test]
fn a_late_word_about_one_message_says_nothing_of_the_next_one() {
    let keys = keys(9);
    let (first, second) = (message(1, "a", 5), message(2, "a", 9));
    let (late, _) = take(&keys, &first, 0).expect("nobody has the key");
    let (taken, _) = take(&keys, &second, 6).expect("the first one's time is over");
    keys.note_durable(std::slice::from_ref(&first));
    keys.note_posted(&[first], at(6));
    drop(late);
    check(&keys, &message(3, "a", 9), 6, &Err(Error::KeyBusy));
    drop(taken);
    check(&keys, &message(3, "a", 9), 6, &Ok(false));
}

#[test]
fn nothing_is_looked_up_unless_something_was_forgotten_that_has_not_expired() {
    let keys = keys(2);
    for (number, key, until) in [(1, "a", 30), (2, "b", 10), (3, "c", 20)] {
        post(&keys, &message(number, key, until));
    }
    // `b` expires first, and was forgotten.
    assert_eq!(keys.len(), 2);
    check(&keys, &message(4, "a", 99), 10, &repeated(1));
    check(&keys, &message(4, "c", 99), 10, &repeated(3));
    check(&keys, &message(4, "b", 99), 10, &Ok(true));
    check(&keys, &message(4, "new", 99), 10, &Ok(true));
    check(&keys, &message(4, "b", 99), 11, &Ok(false));
}

#[test]
fn only_what_is_posted_is_forgotten_and_what_has_expired_in_any_case() {
    let keys = keys(1);
    let messages = [("a", 10), ("b", 20), ("c", 30)].map(|(key, until)| message(1, key, until));
    for message in &messages {
        let (taken, _) = take(&keys, message, 0).expect("nobody has the key");
        taken.keep();
    }
    keys.note_durable(&messages);
    keys.note_posted(&[], at(0));
    assert_eq!(keys.len(), 3);
    keys.note_posted(&messages[1..2], at(0));
    assert_eq!(keys.len(), 2);
    keys.note_posted(&messages, at(31));
    assert_eq!(keys.len(), 0);
}

#[test]
fn a_key_is_busy_while_it_is_looked_up_and_known_once_it_was_found() {
    let older = message(1, "a", 50);
    let key = older.terms.key.as_ref().expect("it has one");
    let row = (key.hash(), Holder::new(older.id, key));
    let keys = Arc::new(Keys::new(Vec::new(), at(50), 9));
    let (first, second) = (message(2, "a", 99), message(3, "a", 99));
    let (mut taken, is_unsure) = take(&keys, &first, 0).expect("nobody is known to have the key");
    assert!(is_unsure);
    check(&keys, &second, 0, &Err(Error::KeyBusy));
    let found = taken.settle(&[row], at(0));
    assert_eq!(found, repeated(1).map(drop));
    drop(taken);
    check(&keys, &second, 0, &repeated(1));

    let (mut taken, _) = take(&keys, &message(4, "b", 99), 0).expect("nobody has the key");
    assert_eq!(taken.settle(&[], at(0)), Ok(()));
    check(&keys, &message(5, "b", 99), 0, &Err(Error::KeyBusy));
    drop(taken);
    check(&keys, &message(5, "b", 99), 0, &Ok(true));
}

#[test]
fn what_the_ledger_has_of_an_expired_key_is_in_nobodys_way() {
    let older = message(1, "a", 50);
    let key = older.terms.key.as_ref().expect("it has one");
    let row = (key.hash(), Holder::new(older.id, key));
    let keys = Arc::new(Keys::new(Vec::new(), at(60), 9));
    let (mut taken, _) = take(&keys, &message(2, "a", 99), 51).expect("nobody has the key");
    assert_eq!(taken.settle(&[row], at(51)), Ok(()));
}

#[test]
fn a_refused_group_leaves_nothing_taken() {
    let keys = keys(9);
    post(&keys, &message(1, "a", 9));
    let group = [message(2, "b", 9), message(3, "a", 9), message(4, "c", 9)];
    let refused = keys.take(&group, at(0)).map(drop);
    assert_eq!(refused, repeated(1).map(drop));
    let group = [message(2, "b", 9), message(3, "b", 9)];
    let refused = keys.take(&group, at(0)).map(drop);
    assert_eq!(refused, Err(Error::KeyTaken));
    assert_eq!(keys.len(), 1);
}
