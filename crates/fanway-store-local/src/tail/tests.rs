use std::sync::Arc;
use std::time::{Duration, Instant};

use fanway_types::{
    AgainCause, DeliveryId, End, Message, MessageId, Outcome, PlanHash, Request, Timestamp, Verdict,
};

use super::{ROOM, Ripe, Tail};
use crate::record::Record;

fn message(number: u8) -> Record {
    Record::Message(Arc::new(Message {
        id: MessageId::from_bytes([number; 16]),
        route: "orders".parse().expect("a name"),
        plan: PlanHash::from_bytes([0; 16]),
        request: Request::default(),
        terms: fanway_types::Terms::default(),
        reservation: None,
    }))
}

fn outcome(number: u8, verdict: Verdict) -> Record {
    Record::Outcome(Outcome {
        delivery: DeliveryId::first(MessageId::from_bytes([number; 16]), 0),
        at: Timestamp::default(),
        verdict,
        attempts: 1,
        used: 1,
        spent: Duration::ZERO,
        status: None,
        detail: None,
        fallback: None,
    })
}

const ENDED: Verdict = Verdict::Ended(End::Delivered);
const AGAIN: Verdict = Verdict::Again {
    due: Timestamp::from_millis(9),
    cause: AgainCause::Failed,
};

/// A tail with one record in each batch, a second apart; ends are 10, 20, 30 …
fn tail(records: Vec<Record>) -> (Tail, Instant) {
    let (mut tail, begun) = (Tail::new(0), Instant::now());
    for (record, number) in records.into_iter().zip(1..) {
        let end = u64::from(number) * 10;
        let open = usize::from(matches!(record, Record::Message(_)));
        tail.push(end, record, None, open);
        tail.end_batch(begun + Duration::from_secs(1) * number, end);
    }
    (tail, begun)
}

/// Posts what is ripe after so many seconds; returns the ends of its records, and its own.
fn post(tail: &mut Tail, begun: Instant, seconds: u64) -> (Vec<u64>, u64) {
    let until = begun + Duration::from_secs(seconds);
    let range = tail
        .range(Ripe::all(until), 100)
        .expect("something is ripe");
    tail.take_posted(&range);
    (
        range.records.iter().map(|(end, _)| *end).collect(),
        range.end,
    )
}

#[test]
fn an_end_is_posted_with_its_message_and_only_once() {
    let (mut tail, begun) = tail(vec![
        message(1),
        message(2),
        outcome(1, ENDED),
        outcome(2, ENDED),
    ]);
    assert_eq!(post(&mut tail, begun, 1), (vec![10, 30], 10));
    assert_eq!(post(&mut tail, begun, 3), (vec![20, 40], 30));
    assert_eq!(post(&mut tail, begun, 4), (vec![], 40));
    assert_eq!(tail.bytes(), 0);
}

#[test]
fn what_is_to_be_attempted_again_is_posted_in_its_turn() {
    let (mut tail, begun) = tail(vec![message(1), outcome(1, AGAIN), outcome(1, ENDED)]);
    assert_eq!(post(&mut tail, begun, 1), (vec![10, 30], 10));
    assert_eq!(post(&mut tail, begun, 3), (vec![20], 30));
}

#[test]
fn what_was_not_posted_after_all_is_posted_again() {
    let (mut tail, begun) = tail(vec![message(1), outcome(1, ENDED)]);
    let failed = tail.range(Ripe::all(begun + Duration::from_secs(1)), 100);
    assert!(failed.is_some());
    assert_eq!(post(&mut tail, begun, 1), (vec![10, 20], 10));
}

/// Checks the position that posting reaches where all is ripe that was committed by the second
/// `rested`, and what has ended by the second `ended`.
#[track_caller]
fn check_ripe(records: Vec<Record>, rested: u64, ended: u64, expected: Option<u64>) {
    let (tail, begun) = tail(records);
    let ripe = Ripe {
        rested: begun + Duration::from_secs(rested),
        ended: begun + Duration::from_secs(ended),
    };
    assert_eq!(tail.range(ripe, 100).map(|range| range.end), expected);
}

#[test]
fn what_has_ended_is_posted_before_its_rest_is_over() {
    let ended = || vec![message(1), message(2), outcome(1, ENDED), outcome(2, ENDED)];
    check_ripe(ended(), 0, 0, None);
    check_ripe(ended(), 0, 2, Some(20));
    check_ripe(ended(), 0, 9, Some(40));
}

#[test]
fn a_message_that_has_not_ended_holds_up_what_is_behind_it_until_its_rest_is_over() {
    let second_is_open = || {
        vec![
            message(1),
            outcome(1, ENDED),
            message(2),
            message(3),
            outcome(3, ENDED),
            outcome(2, AGAIN),
        ]
    };
    check_ripe(second_is_open(), 0, 9, Some(20));
    check_ripe(second_is_open(), 2, 9, Some(20));
    check_ripe(second_is_open(), 3, 9, Some(60));
    check_ripe(second_is_open(), 3, 4, Some(40));
}

#[test]
fn outcomes_of_messages_that_are_posted_hold_nothing_up() {
    check_ripe(vec![outcome(1, AGAIN), outcome(1, ENDED)], 0, 9, Some(20));
}

#[test]
fn a_message_has_ended_when_its_last_delivery_has() {
    let (mut tail, begun) = (Tail::new(0), Instant::now());
    let ripe = Ripe {
        rested: begun,
        ended: begun + Duration::from_secs(2),
    };
    let mut push = |end, record, open| {
        tail.push(end, record, None, open);
        tail.end_batch(begun + Duration::from_secs(1), end);
        tail.range(ripe, 100).map(|range| range.end)
    };
    assert_eq!(push(10, message(1), 2), None);
    assert_eq!(push(20, outcome(1, ENDED), 0), None);
    assert_eq!(push(30, outcome(1, ENDED), 0), Some(30));
}

#[test]
fn room_that_a_long_tail_took_is_given_back() {
    let long = 20 * ROOM;
    let (mut tail, begun) = (Tail::new(0), Instant::now());
    for end in (1_u64..).take(long) {
        tail.push(end, outcome(1, ENDED), None, 0);
    }
    tail.end_batch(begun, long as u64);
    let range = tail.range(Ripe::all(begun), long).expect("all is ripe");
    tail.take_posted(&range);
    assert!(tail.items.capacity() < 4 * ROOM);
}
