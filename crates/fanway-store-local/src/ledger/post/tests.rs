use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_store::job::{Filter, Job, State};
use fanway_types::{
    DeadReason, DeliveryId, End, JobId, Message, MessageId, Outcome, Request, Terms, Timestamp,
    Verdict,
};

use super::{Changed, Posting};
use crate::ledger::sample::plan;
use crate::ledger::{jobs, open_writer};
use crate::params::Bodies;
use crate::record::{Discard, Record, Redrive};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn delivery(number: u8) -> DeliveryId {
    DeliveryId::first(MessageId::from_bytes([number; 16]), 0)
}

/// A message whose one delivery is dead.
fn dead_letter(number: u8) -> [Record; 2] {
    let message = Message {
        id: delivery(number).message,
        route: plan().route,
        plan: plan().hash(),
        request: Request {
            body: Bytes::from_static(b"seven"),
            ..Request::default()
        },
        terms: Terms::default(),
        reservation: None,
    };
    let outcome = Outcome {
        delivery: delivery(number),
        at: AT,
        verdict: Verdict::Ended(End::Dead(DeadReason::Refused)),
        attempts: 1,
        used: 1,
        spent: Duration::ZERO,
        status: None,
        detail: None,
        fallback: None,
    };
    [Record::Message(Arc::new(message)), Record::Outcome(outcome)]
}

fn job() -> Job {
    Job {
        id: JobId::from_bytes([9; 16]),
        filter: Filter::default(),
        to: None,
        new_key: false,
        pace: None,
        state: State::Running,
        cursor: None,
        found: 3,
        redriven: 3,
        passed_over: 0,
        ended_at: None,
    }
}

fn redrive(number: u8) -> Record {
    let old = delivery(number);
    Record::Redrive(Arc::new(Redrive {
        old,
        new: old.next_run().expect("far from the end"),
        plan: plan().hash(),
        step: 0,
        due: AT,
        key: old,
        body: None,
        job: Some(job().id),
    }))
}

/// Posts three letters, of which the second is discarded, and a batch over them up to its record
/// number `cut`; then the rest of the batch.
#[track_caller]
fn check(cut: usize) {
    let dir = tempfile::tempdir().expect("the system gives temporary folders");
    let ledger = open_writer(&dir.path().join("ledger")).expect("the folder is empty");
    let mut posting =
        Posting::new(ledger, Bodies::Failures, Arc::default()).expect("it was just made");
    let discard = Discard {
        dead: delivery(2),
        at: AT,
        reason: "a test order".to_owned(),
    };
    let before = [Record::Plan(Arc::new(plan()))]
        .into_iter()
        .chain((1..=3).flat_map(dead_letter))
        .chain([Record::Discard(discard)]);
    let batch = [Record::Job(Arc::new(job()))]
        .into_iter()
        .chain((1..=3).map(redrive));
    let records: Vec<_> = (1..)
        .map(|n: u64| n * 10)
        .zip(before.chain(batch))
        .collect();
    let (first, rest) = records.split_at(8 + cut);
    let mut changes = Vec::new();
    for part in [first, rest] {
        let end = part.last().map_or(0, |(end, _)| *end);
        let posted = posting
            .post(part, end, |_| ())
            .expect("all of it makes sense");
        changes.extend(posted.changes);
    }
    let [done, not_done] = [Changed::Done, Changed::NotDone];
    assert_eq!(changes, [done, done, not_done, done], "cut at {cut}");
    let expected = Job {
        redriven: 2,
        passed_over: 1,
        ..job()
    };
    let jobs = jobs(posting.connection_mut()).expect("the ledger is sound");
    assert_eq!(jobs, [expected], "cut at {cut}");
}

#[test]
fn a_job_counts_what_was_done_however_its_batch_is_cut() {
    for cut in 0..=3 {
        check(cut);
    }
}
