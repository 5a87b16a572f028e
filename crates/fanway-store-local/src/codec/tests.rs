use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_store::change::{Audit, Control, Edited, Force, Pause, PauseCause};
use fanway_store::job::{Cursor, Filter, Job, State};
use fanway_store::trouble::{Cause, Open, Trouble};
use fanway_types::{
    AgainCause, DeadReason, DeliveryId, Direction, End, Fingerprint, Headers, IdempotencyKey,
    JobId, KeyScope, Message, MessageId, OrderKey, Outcome, Plan, PlanHash, Request, SecretKey,
    Terms, Timestamp, Verdict,
};

use super::{Damage, message_head, order_key, size, tag, write};
use crate::params::Encryption;
use crate::record::{Cancel, Controlled, Discard, Record, Redrive, Troubled};
use crate::seal::{self, DataKey, Ring};

fn read(record: &Bytes) -> Result<Record, Damage> {
    super::read(record, &Ring::default())
}

fn read_message(head: &Bytes, body: Option<Bytes>) -> Result<Message, Damage> {
    super::read_message(head, body, &Ring::default())
}

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
        terms: Terms::default(),
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
        fallback: None,
    }
}

#[track_caller]
fn bytes_of(record: &Record) -> Bytes {
    let mut bytes = vec![0xee];
    write(record, None, &mut bytes);
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
fn all_terms_of_a_message_are_read_back() {
    let key = IdempotencyKey {
        scope: KeyScope::Route("orders".parse().expect("a name")),
        text: "8e03978e-40d5-43dd-bc93-6894a57f9324".into(),
        fingerprint: Fingerprint::of("POST", "/orders/7", None, b""),
        until: Timestamp::from_millis(4),
    };
    let whole = Terms {
        key: Some(key),
        not_before: Some(Timestamp::from_millis(1)),
        expires: Some(Timestamp::from_millis(2)),
        callback: Some("https://example.com/told?of=it".into()),
        order: [(0, OrderKey::of("42")), (2, OrderKey::of("43"))].into(),
    };
    let only = [
        Terms {
            key: whole.key.clone(),
            ..Terms::default()
        },
        Terms {
            not_before: whole.not_before,
            ..Terms::default()
        },
        Terms {
            expires: whole.expires,
            ..Terms::default()
        },
        Terms {
            callback: whole.callback.clone(),
            ..Terms::default()
        },
        Terms {
            order: whole.order.clone(),
            ..Terms::default()
        },
    ];
    for terms in only.into_iter().chain([whole]) {
        let message = Message {
            terms: terms.clone(),
            ..message()
        };
        let Ok(Record::Message(back)) = read(&bytes_of(&Record::Message(Arc::new(message)))) else {
            panic!("no message");
        };
        assert_eq!(back.terms, terms);
    }
}

#[test]
fn a_head_and_a_body_make_a_message_again() {
    let head = Bytes::from(message_head(&message(), None));
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
    let ends = [End::Delivered, End::Skipped, End::Cancelled]
        .into_iter()
        .chain(DeadReason::ALL.map(End::Dead));
    let again = AgainCause::ALL;
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
        old: dead,
        new: delivery(),
        plan: PlanHash::from_bytes([9; 16]),
        step: 2,
        due: Timestamp::from_millis(77),
        key: delivery(),
        body: None,
        job: None,
    };
    let edited = |content_type: Option<&str>| Edited {
        body: Bytes::from_static(b"{}"),
        content_type: content_type.map(Into::into),
    };
    let redrives = [
        redrive.clone(),
        Redrive {
            key: dead,
            body: Some(edited(None)),
            job: Some(JobId::from_bytes([5; 16])),
            ..redrive.clone()
        },
        Redrive {
            body: Some(edited(Some("application/json"))),
            ..redrive
        },
    ];
    for redrive in redrives {
        let record = Record::Redrive(Arc::new(redrive.clone()));
        let Ok(Record::Redrive(back)) = read(&bytes_of(&record)) else {
            panic!("no redrive")
        };
        assert_eq!(*back, redrive);
    }
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
        callback: None,
        on_dead: None,
    };
    let Ok(Record::Plan(back)) = read(&bytes_of(&Record::Plan(Arc::new(plan.clone())))) else {
        panic!("no plan")
    };
    assert_eq!(*back, plan);
}

#[test]
fn what_is_kept_for_operators_is_read_back() {
    let cancel = Cancel {
        message: message().id,
        at: Timestamp::from_millis(3),
    };
    let read = |record: &Record| read(&bytes_of(record));
    let Ok(Record::Cancel(back)) = read(&Record::Cancel(cancel)) else {
        panic!("no cancel")
    };
    assert_eq!(back, cancel);
    let control = Control {
        pause: Some(Pause {
            since: Timestamp::from_millis(3),
            reason: "it is being moved".to_owned(),
            cause: PauseCause::Operator,
            address: None,
        }),
        breaker: Force::Closed,
    };
    let target = "stock".parse().expect("a name");
    let controlled = Controlled { target, control };
    let Ok(Record::Control(back)) = read(&Record::Control(Arc::new(controlled.clone()))) else {
        panic!("no control")
    };
    assert_eq!(*back, controlled);
    let troubled = Troubled {
        target: controlled.target,
        trouble: Trouble {
            breaker: Some(Open {
                cause: Cause::Slow,
                until: Timestamp::from_millis(3),
            }),
            pushback: Some(Timestamp::from_millis(4)),
        },
    };
    let Ok(Record::Trouble(back)) = read(&Record::Trouble(Arc::new(troubled.clone()))) else {
        panic!("no trouble")
    };
    assert_eq!(*back, troubled);
    let audit = Audit {
        at: Timestamp::from_millis(3),
        actor: "somebody".into(),
        action: "target.pause".into(),
        subject: "stock".into(),
        detail: Some("it is being moved".into()),
    };
    let Ok(Record::Audit(back)) = read(&Record::Audit(Arc::new(audit.clone()))) else {
        panic!("no audit record")
    };
    assert_eq!(*back, audit);
    let job = Job {
        id: JobId::from_bytes([5; 16]),
        filter: Filter::default(),
        to: None,
        new_key: true,
        pace: Some(7),
        state: State::Running,
        cursor: Some(Cursor {
            at: Timestamp::from_millis(3),
            delivery: delivery(),
        }),
        found: 3,
        redriven: 2,
        passed_over: 1,
        ended_at: None,
    };
    let Ok(Record::Job(back)) = read(&Record::Job(Arc::new(job.clone()))) else {
        panic!("no job")
    };
    assert_eq!(*back, job);
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

/// Keys, and the data key that seals among them.
fn keys() -> (Ring, DataKey) {
    let ring = Ring::new(&Encryption::default());
    let key = SecretKey::new([5; SecretKey::SIZE]);
    ring.add(1, Timestamp::default(), &key);
    (ring, DataKey::new(1, Timestamp::default(), &key))
}

fn sealed(record: &Record) -> Bytes {
    let mut bytes = Vec::new();
    write(record, Some(&keys().1), &mut bytes);
    Bytes::from(bytes)
}

/// A message with all that its sender can name in it.
fn telling() -> Message {
    let fingerprint = Fingerprint::of("POST", "/orders/7", None, b"");
    Message {
        request: Request {
            path: "/secret-path".into(),
            query: Some("secret-query".into()),
            params: vec![("id".into(), "secret-param".into())],
            headers: [("x-secret", &b"secret-header"[..])].into_iter().collect(),
            body: Bytes::from_static(b"secret-body"),
            ..message().request
        },
        terms: Terms {
            key: Some(IdempotencyKey {
                scope: KeyScope::Route("orders".parse().expect("a name")),
                text: "secret-key".into(),
                fingerprint,
                until: Timestamp::from_millis(4),
            }),
            not_before: Some(Timestamp::from_millis(1)),
            expires: Some(Timestamp::from_millis(2)),
            callback: Some("https://secret-callback.example".into()),
            order: [(0, OrderKey::of("42"))].into(),
        },
        ..message()
    }
}

#[track_caller]
fn check_hidden(bytes: &[u8]) {
    let shows = bytes.windows(6).any(|part| part == b"secret");
    assert!(!shows, "{:?}", String::from_utf8_lossy(bytes));
}

#[test]
fn a_sealed_message_is_read_back_and_shows_nothing_that_its_sender_has_put_there() {
    let sent = telling();
    let bytes = sealed(&Record::Message(Arc::new(telling())));
    check_hidden(&bytes);
    let print = sent.terms.key.as_ref().expect("it has one").fingerprint;
    assert!(!bytes.windows(16).any(|part| part == print.to_bytes()));
    let Ok(Record::Message(back)) = super::read(&bytes, &keys().0) else {
        panic!("no message");
    };
    assert_eq!(
        (back.id, &back.route, back.plan),
        (sent.id, &sent.route, sent.plan)
    );
    assert_eq!(back.request, sent.request);
    assert_eq!(back.terms, sent.terms);
}

#[test]
fn a_sealed_head_and_a_body_make_a_message_again() {
    let (ring, key) = keys();
    let head = Bytes::from(message_head(&telling(), Some(&key)));
    check_hidden(&head);
    let body = key.seal(seal::Of::Body(telling().id), b"secret-body");
    let back = super::read_message(&head, Some(body.into()), &ring).expect("just written");
    assert_eq!(back.request, telling().request);
    assert_eq!(order_key(&head, 0), Ok(Some(OrderKey::of("42"))));
    assert_eq!(order_key(&head, 1), Ok(None));
}

#[test]
fn a_sealed_detail_and_a_sealed_edit_are_read_back() {
    let outcome = Outcome {
        detail: Some("secret answer".into()),
        ..outcome(Verdict::Ended(End::Dead(DeadReason::Refused)))
    };
    let bytes = sealed(&Record::Outcome(outcome.clone()));
    check_hidden(&bytes);
    let Ok(Record::Outcome(back)) = super::read(&bytes, &keys().0) else {
        panic!("no outcome");
    };
    assert_eq!(back, outcome);

    let old = DeliveryId::first(message().id, 1);
    let new = old.next_run().expect("far from the end");
    let redrive = Redrive {
        old,
        new,
        plan: PlanHash::from_bytes([7; 16]),
        step: 1,
        due: Timestamp::from_millis(3),
        key: old,
        body: Some(Edited {
            body: Bytes::from_static(b"secret edit"),
            content_type: None,
        }),
        job: None,
    };
    let bytes = sealed(&Record::Redrive(Arc::new(redrive.clone())));
    check_hidden(&bytes);
    let Ok(Record::Redrive(back)) = super::read(&bytes, &keys().0) else {
        panic!("no redrive");
    };
    assert_eq!(*back, redrive);
}

#[test]
fn without_its_data_key_a_sealed_record_is_refused() {
    let bytes = sealed(&Record::Message(Arc::new(telling())));
    let missing = Damage::Sealed(seal::Error::NoDataKey(1));
    assert_eq!(read(&bytes).map(|_| ()), Err(missing));
}

#[test]
fn an_older_release_refuses_what_is_sealed() {
    for tag in [tag::SEALED, tag::SEALED_DETAIL] {
        assert_eq!(tag & tag::REQUIRED, tag::REQUIRED);
    }
}
