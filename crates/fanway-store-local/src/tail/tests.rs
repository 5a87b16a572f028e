use std::sync::Arc;
use std::time::{Duration, Instant};

use fanway_types::{
    AgainCause, DeliveryId, End, Message, MessageId, Outcome, PlanHash, Request, Timestamp, Verdict,
};

use super::Tail;
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
        tail.push(end, record, None);
        tail.end_batch(begun + Duration::from_secs(1) * number, end);
    }
    (tail, begun)
}

/// Posts what is ripe after so many seconds; returns the ends of its records, and its own.
fn post(tail: &mut Tail, begun: Instant, seconds: u64) -> (Vec<u64>, u64) {
    let until = begun + Duration::from_secs(seconds);
    let range = tail.range(until, 100).expect("something is ripe");
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
    let failed = tail.range(begun + Duration::from_secs(1), 100);
    assert!(failed.is_some());
    assert_eq!(post(&mut tail, begun, 1), (vec![10, 20], 10));
}
