use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_types::{
    AgainCause, DeadReason, DeliveryId, Direction, End, Headers, Message, MessageId, Outcome, Plan,
    PlanHash, Request, Timestamp, Verdict,
};

use super::{Damage, message_head, read, read_message, size, write};
use crate::record::{Discard, Record, Redrive};

fn message() -> Message {
    let headers: Headers = [("content-type", &b"application/json"[..])]
        .into_iter()
        .collect();
    Message {
        id: MessageId::from_bytes(*b"0123456789abcdef"),
        route: "orders".parse().expect("a name"),
        plan: PlanHash::from_bytes([7; 16]),
        request: Request {
            method: "POST".into(),
            path: "/orders/7".into(),
            query: Some("a=b".into()),
            params: vec![("id".into(), "7".into()), ("rest".into(), "".into())],
            headers,
            body: Bytes::from(vec![b'x'; 300]),
        },
        reservation: None,
    }
}

fn delivery() -> DeliveryId {
    DeliveryId {
        item: 3,
        run: 2,
        direction: Direction::Undo,
        ..DeliveryId::first(message().id, 1)
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        delivery: delivery(),
        at: Timestamp::from_millis(1_790_000_000_000),
        verdict,
        attempts: 200,
        used: 3,
        spent: Duration::from_millis(90_000),
        status: Some(503),
        detail: Some("no room".into()),
    }
}

#[track_caller]
fn bytes_of(record: &Record) -> Bytes {
    let mut bytes = vec![0xee];
    write(record, &mut bytes);
    assert_eq!(
        bytes.len() - 1,
        size(record),
        "the size is known beforehand"
    );
    Bytes::from(bytes).slice(1..)
}

#[test]
fn a_message_is_read_back() {
    let Ok(Record::Message(back)) = read(&bytes_of(&Record::Message(Arc::new(message())))) else {
        panic!("no message");
    };
    let sent = message();
    assert_eq!(
        (back.id, &back.route, back.plan),
        (sent.id, &sent.route, sent.plan)
    );
    assert_eq!(back.request, sent.request);
}

#[test]
fn a_head_and_a_body_make_a_message_again() {
    let head = Bytes::from(message_head(&message()));
    let back = read_message(&head, Some(message().request.body)).expect("just written");
    assert_eq!(back.request, message().request);
    assert_eq!(
        read_message(&head, None).map(|_| ()),
        Err(Damage::Missing(0x8f))
    );
}

#[test]
fn every_verdict_is_read_back() {
    let due = Timestamp::from_millis(5);
    let dead = [
        DeadReason::Refused,
        DeadReason::Exhausted,
        DeadReason::Expression,
        DeadReason::Crash,
    ];
    let ends = [End::Delivered, End::Skipped, End::Cancelled]
        .into_iter()
        .chain(dead.map(End::Dead));
    let again = [AgainCause::Failed, AgainCause::Pushback, AgainCause::Probe];
    let verdicts = ends
        .map(Verdict::Ended)
        .chain(again.map(|cause| Verdict::Again { due, cause }));
    for verdict in verdicts {
        let bytes = bytes_of(&Record::Outcome(outcome(verdict)));
        let Ok(Record::Outcome(back)) = read(&bytes) else {
            panic!("no outcome")
        };
        assert_eq!(back, outcome(verdict));
    }
}

#[test]
fn a_plain_delivery_takes_fifty_bytes() {
    let plain = Outcome {
        delivery: DeliveryId::first(message().id, 0),
        attempts: 1,
        used: 1,
        detail: None,
        status: Some(200),
        spent: Duration::from_millis(2),
        ..outcome(Verdict::Ended(End::Delivered))
    };
    assert!(size(&Record::Outcome(plain)) <= 50);
}

#[test]
fn changes_are_read_back() {
    let dead = DeliveryId::first(message().id, 4);
    let redrive = Redrive {
        dead,
        new: delivery(),
        plan: PlanHash::from_bytes([9; 16]),
        step: 2,
        due: Timestamp::from_millis(77),
    };
    let Ok(Record::Redrive(back)) = read(&bytes_of(&Record::Redrive(redrive))) else {
        panic!("no redrive")
    };
    assert_eq!(back, redrive);
    let discard = Discard {
        dead,
        at: Timestamp::from_millis(1),
        reason: "a test order".to_owned(),
    };
    let Ok(Record::Discard(back)) = read(&bytes_of(&Record::Discard(discard.clone()))) else {
        panic!("no discard")
    };
    assert_eq!(back, discard);
    let plan = Plan {
        route: "orders".parse().expect("a name"),
        steps: Vec::new(),
    };
    let Ok(Record::Plan(back)) = read(&bytes_of(&Record::Plan(Arc::new(plan.clone())))) else {
        panic!("no plan")
    };
    assert_eq!(*back, plan);
}

#[test]
fn every_cut_is_noticed_or_loses_nothing() {
    for record in [
        Record::Message(Arc::new(message())),
        Record::Outcome(outcome(Verdict::Ended(End::Delivered))),
    ] {
        let bytes = bytes_of(&record);
        for length in 0..bytes.len() {
            // A cut between two optional fields can't be seen here; the journal's checksum sees it.
            if let Ok(Record::Message(cut)) = read(&bytes.slice(..length)) {
                panic!("a message without its body was read: {cut:?}");
            }
        }
    }
}

#[test]
fn unknown_optional_fields_are_passed_over_and_required_ones_refused() {
    let extended = |tag: u8| {
        let mut bytes =
            bytes_of(&Record::Outcome(outcome(Verdict::Ended(End::Delivered)))).to_vec();
        bytes.extend_from_slice(&[tag, 2, 1, 2]);
        read(&Bytes::from(bytes)).map(|_| ())
    };
    assert_eq!(extended(0x7e), Ok(()));
    assert_eq!(extended(0xfe), Err(Damage::UnknownField(0xfe)));
    assert_eq!(
        read(&Bytes::from_static(&[99])).map(|_| ()),
        Err(Damage::UnknownKind(99))
    );
}
