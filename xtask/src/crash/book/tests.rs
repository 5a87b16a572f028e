use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::Book;
use crate::crash::request::Request;
use crate::crash::{ORDERED, SINKS};
use crate::lives::Bound;
use crate::sink::Delivery;

/// One that asks for nothing but delivery.
const REQUEST: Request = Request {
    sender: 0,
    event: 1,
};
/// One whose sender wants to be told.
const TELLING: Request = Request {
    sender: 0,
    event: 5,
};

fn delivery(key: &str, attempt: u32, body: &Value) -> Delivery {
    Delivery {
        path: "/".to_owned(),
        body: body.to_string().into(),
        key: key.to_owned(),
        message: "msg_a".to_owned(),
        attempt,
    }
}

fn arrive(book: &Book, request: Request, sink: usize, key: &str, attempt: u32) {
    book.arrived(sink, request, &delivery(key, attempt, &Value::Null));
}

/// The first attempts, one to each sink, are answered with a success.
fn deliver(book: &Book, request: Request) {
    for sink in 0..SINKS.len() {
        arrive(book, request, sink, "a", 1);
        book.answering(sink, request, true);
    }
}

fn accept(book: &Book, request: Request) {
    book.accepted(request, "msg_a", Some(&book.begin()));
}

fn kill(book: &Book) {
    book.killed(Instant::now(), "running");
}

fn call_back(book: &Book, key: &str, state: &str) {
    let told = json!({"data": {"id": "msg_a", "state": state}});
    book.called_back(TELLING, &delivery(key, 1, &told));
    book.answering_callback(TELLING, true);
}

/// A message whose deliveries stand so, at each sink.
fn document(state: &str, deliveries: [&str; SINKS.len()]) -> Value {
    let deliveries = SINKS.iter().zip(deliveries);
    let deliveries = deliveries.map(|(target, state)| json!({"target": target, "state": state}));
    json!({"state": state, "deliveries": deliveries.collect::<Vec<_>>()})
}

#[track_caller]
fn check(book: &Book, expected: &str) {
    let wrongs = book.total(Bound::Order).wrongs.words.join("\n");
    if expected.is_empty() {
        assert_eq!(wrongs, "");
    }
    assert!(wrongs.contains(expected), "{wrongs}");
}

#[test]
fn what_is_accepted_and_delivered_is_right() {
    let book = Book::default();
    accept(&book, REQUEST);
    accept(&book, REQUEST);
    deliver(&book, REQUEST);
    check(&book, "");
}

#[test]
fn a_request_is_accepted_as_one_message() {
    let book = Book::default();
    accept(&book, REQUEST);
    book.accepted(REQUEST, "msg_b", None);
    check(&book, "0-1 was accepted as msg_a and as msg_b");
}

#[test]
fn what_was_accepted_and_not_delivered_is_lost() {
    let book = Book::default();
    accept(&book, REQUEST);
    arrive(&book, REQUEST, 0, "a", 1);
    book.answering(0, REQUEST, true);
    check(&book, "msg_a (0-1) never came to shipping");
    arrive(&book, REQUEST, 1, "a", 1);
    book.answering(1, REQUEST, false);
    check(&book, "msg_a (0-1) was refused by shipping");
}

#[test]
fn what_comes_was_accepted_for_somebody() {
    let book = Book::default();
    deliver(&book, REQUEST);
    check(&book, "0-1 came, and was accepted for nobody");
    let book = Book::default();
    deliver(&book, REQUEST);
    book.given_up(REQUEST);
    check(&book, "");
}

#[test]
fn an_attempt_that_comes_again_without_a_kill_is_wrong() {
    let book = Book::default();
    arrive(&book, REQUEST, 0, "a", 1);
    kill(&book);
    arrive(&book, REQUEST, 0, "a", 1);
    arrive(&book, REQUEST, 0, "a", 1);
    check(
        &book,
        "inventory: attempt 1 of 0-1 came twice without a kill",
    );
}

#[test]
fn another_attempt_after_a_success_is_wrong() {
    let book = Book::default();
    deliver(&book, REQUEST);
    kill(&book);
    arrive(&book, REQUEST, 0, "a", 2);
    check(&book, "attempt 2 of 0-1 came after a success");
}

#[test]
fn a_second_key_is_wrong() {
    let book = Book::default();
    deliver(&book, REQUEST);
    arrive(&book, REQUEST, 0, "b", 2);
    check(&book, "0-1 came with the keys a and b");
}

#[test]
fn what_was_shown_to_have_ended_must_not_come_again() {
    let book = Book::default();
    accept(&book, REQUEST);
    deliver(&book, REQUEST);
    book.shown(REQUEST, &document("delivered", ["delivered"; SINKS.len()]));
    check(&book, "");
    kill(&book);
    arrive(&book, REQUEST, 0, "a", 1);
    check(
        &book,
        "0-1 came to inventory after it was shown to have ended",
    );
}

#[test]
fn what_isnt_delivered_must_not_be_shown_so() {
    let book = Book::default();
    arrive(&book, REQUEST, 0, "a", 1);
    book.answering(0, REQUEST, true);
    book.shown(REQUEST, &document("delivered", ["delivered"; SINKS.len()]));
    check(&book, "0-1 is shown as delivered to shipping");
}

#[test]
fn what_was_called_off_need_not_be_delivered() {
    let book = Book::default();
    accept(&book, REQUEST);
    book.calling_off(REQUEST);
    check(&book, "");
    book.too_late(REQUEST);
    check(&book, "msg_a (0-1) never came to inventory");
}

#[test]
fn only_what_was_called_off_is_cancelled() {
    let book = Book::default();
    accept(&book, REQUEST);
    book.shown(REQUEST, &document("cancelled", ["cancelled"; SINKS.len()]));
    check(&book, "0-1 is shown as cancelled to inventory");
}

#[test]
fn only_a_kill_makes_a_success_one_that_may_have_been() {
    let cancelled = document("cancelled", ["cancelled"; SINKS.len()]);
    let book = Book::default();
    accept(&book, REQUEST);
    deliver(&book, REQUEST);
    book.calling_off(REQUEST);
    kill(&book);
    book.shown(REQUEST, &cancelled);
    check(&book, "");
    let book = Book::default();
    deliver(&book, REQUEST);
    book.calling_off(REQUEST);
    book.shown(REQUEST, &cancelled);
    check(&book, "which took it in life Some(0)");
}

#[test]
fn what_comes_out_of_order_is_wrong() {
    let later = Request {
        sender: 0,
        event: 9,
    };
    let book = Book::default();
    arrive(&book, TELLING, ORDERED, "a", 1);
    book.answering(ORDERED, TELLING, false);
    arrive(&book, later, ORDERED, "b", 1);
    check(&book, "0-9 came before 0-5 had ended");
    let book = Book::default();
    book.given_up(later);
    arrive(&book, later, ORDERED, "b", 1);
    arrive(&book, TELLING, ORDERED, "a", 1);
    let wrongs = book.total(Bound::Order).wrongs.words.join("\n");
    assert!(!wrongs.contains("0-9"), "{wrongs}");
}

#[test]
fn what_was_put_off_must_not_come_early() {
    let book = Book::default();
    let now = SystemTime::now();
    book.sending(REQUEST, Some(now - Duration::from_secs(1)));
    book.sending(TELLING, Some(now + Duration::from_hours(1)));
    accept(&book, REQUEST);
    deliver(&book, REQUEST);
    check(&book, "");
    arrive(&book, TELLING, 0, "a", 1);
    check(&book, "too early");
}

#[test]
fn who_asks_for_a_callback_gets_it_under_one_key() {
    let book = Book::default();
    accept(&book, TELLING);
    deliver(&book, TELLING);
    assert_eq!(book.missing_callbacks(), 1);
    check(&book, "msg_a (0-5) got no callback");
    let book = Book::default();
    accept(&book, TELLING);
    deliver(&book, TELLING);
    call_back(&book, "c", "delivered");
    assert_eq!(book.missing_callbacks(), 0);
    check(&book, "");
    call_back(&book, "d", "delivered");
    check(&book, "0-5 got the callbacks c and d");
}

#[test]
fn a_callback_tells_what_is_so() {
    let book = Book::default();
    accept(&book, TELLING);
    call_back(&book, "c", "delivered");
    check(&book, "a callback says that 0-5 is delivered");
    let book = Book::default();
    accept(&book, TELLING);
    call_back(&book, "c", "cancelled");
    check(&book, "a callback says that 0-5 is cancelled");
}
