//! From records to bytes.

use fanway_types::{
    DeliveryId, Direction, IdempotencyKey, KeyScope, Message, Outcome, Request, TargetName, Terms,
    Timestamp, Verdict,
};
use serde::Serialize;

use super::fields::{Out, counted, put_field, put_start, put_varint};
use super::{ORDER_SIZE, kind, scope, tag, verdict};
use crate::record::{Discard, Record, Redrive};
use crate::seal::{DataKey, Of};

/// Whether a record has something in it that is sealed where anything is.
pub(crate) fn has_content(record: &Record) -> bool {
    match record {
        Record::Message(_) => true,
        Record::Outcome(outcome) => outcome.detail.is_some(),
        Record::Redrive(redrive) => redrive.body.is_some(),
        _ => false,
    }
}

/// Appends a record; what it has in it is sealed where a key for that is given.
pub(crate) fn write(record: &Record, seal: Option<&DataKey>, out: &mut impl Out) {
    match record {
        Record::Message(message) => {
            write_head(message, seal, out);
            let (body, of) = (&message.request.body, Of::Body(message.id));
            put_content(out, tag::BODY, seal.map(|key| (tag::BODY, key, of)), body);
        }
        Record::Outcome(outcome) => write_outcome(outcome, seal, out),
        Record::Plan(plan) => {
            out.put(&[kind::PLAN]);
            put_field(out, tag::JSON, plan.to_json().as_bytes());
        }
        Record::Redrive(redrive) => write_redrive(redrive, seal, out),
        Record::Discard(discard) => write_discard(discard, out),
        Record::Cancel(cancel) => {
            out.put(&[kind::CANCEL]);
            put_field(out, tag::ID, &cancel.message.to_bytes());
            put_time(out, tag::AT, cancel.at);
        }
        Record::Job(job) => {
            out.put(&[kind::JOB]);
            put_json(out, &**job);
        }
        Record::Control(controlled) => {
            out.put(&[kind::CONTROL]);
            put_json(out, &controlled.control);
            put_target(out, &controlled.target);
        }
        Record::Trouble(troubled) => {
            out.put(&[kind::TROUBLE]);
            put_json(out, &troubled.trouble);
            put_target(out, &troubled.target);
        }
        Record::Audit(audit) => {
            out.put(&[kind::AUDIT]);
            put_json(out, &**audit);
        }
    }
}

fn put_json(out: &mut impl Out, value: &impl Serialize) {
    let json = serde_json::to_vec(value).expect("what is kept as JSON has only text keys");
    put_field(out, tag::JSON, &json);
}

fn put_target(out: &mut impl Out, target: &TargetName) {
    put_field(out, tag::TARGET, target.as_str().as_bytes());
}

/// Appends a field, or in its place the sealed one that these say.
fn put_content(out: &mut impl Out, tag: u8, sealed: Option<(u8, &DataKey, Of)>, value: &[u8]) {
    match sealed {
        None => put_field(out, tag, value),
        Some((tag, key, of)) => put_field(out, tag, &key.seal(of, value)),
    }
}

/// Bytes that [`write`] appends where nothing is sealed.
pub(crate) fn size(record: &Record) -> usize {
    counted(|out| write(record, None, out))
}

/// A message's record up to its body: what the ledger keeps beside the body.
pub(crate) fn message_head(message: &Message, seal: Option<&DataKey>) -> Vec<u8> {
    let size = if seal.is_some() {
        0
    } else {
        counted(|out| write_head(message, None, out))
    };
    let mut head = Vec::with_capacity(size);
    write_head(message, seal, &mut head);
    head
}

fn write_head(message: &Message, seal: Option<&DataKey>, out: &mut impl Out) {
    out.put(&[kind::MESSAGE]);
    put_field(out, tag::ID, &message.id.to_bytes());
    put_field(out, tag::ROUTE, message.route.as_str().as_bytes());
    put_field(out, tag::PLAN, &message.plan.to_bytes());
    put_field(out, tag::METHOD, message.request.method.as_bytes());
    match seal {
        None => write_head_content(message, out),
        Some(key) => {
            let mut content = Vec::new();
            write_head_content(message, &mut content);
            put_field(out, tag::SEALED, &key.seal(Of::Head(message.id), &content));
        }
    }
    write_times(&message.terms, out);
}

/// What of a message's head its sender has put there.
fn write_head_content(message: &Message, out: &mut impl Out) {
    let request = &message.request;
    put_field(out, tag::PATH, request.path.as_bytes());
    if let Some(query) = &request.query {
        put_field(out, tag::QUERY, query.as_bytes());
    }
    if !request.params.is_empty() {
        put_start(out, tag::PARAMS, counted(|out| put_params(request, out)));
        put_params(request, out);
    }
    put_field(out, tag::HEADERS, request.headers.as_block());
    let terms = &message.terms;
    if let Some(key) = &terms.key {
        put_start(out, tag::KEY, counted(|out| put_scoped(key, out)));
        put_scoped(key, out);
        put_field(out, tag::FINGERPRINT, &key.fingerprint.to_bytes());
        put_time(out, tag::KEY_UNTIL, key.until);
    }
    if let Some(url) = &terms.callback {
        put_field(out, tag::CALLBACK, url.as_bytes());
    }
}

/// When and in which order it is delivered.
fn write_times(terms: &Terms, out: &mut impl Out) {
    if let Some(at) = terms.not_before {
        put_time(out, tag::NOT_BEFORE, at);
    }
    if let Some(at) = terms.expires {
        put_time(out, tag::EXPIRES, at);
    }
    if !terms.order.is_empty() {
        put_start(out, tag::ORDER, terms.order.len() * ORDER_SIZE);
        for (step, key) in &terms.order {
            out.put(&step.to_le_bytes());
            out.put(&key.to_bytes());
        }
    }
}

/// A key with its scope.
fn put_scoped(key: &IdempotencyKey, out: &mut impl Out) {
    let KeyScope::Route(route) = &key.scope;
    out.put(&[scope::ROUTE]);
    put_varint(out, route.as_str().len() as u64);
    out.put(route.as_str().as_bytes());
    out.put(key.text.as_bytes());
}

fn put_time(out: &mut impl Out, tag: u8, at: Timestamp) {
    put_field(out, tag, &at.as_millis().to_le_bytes());
}

fn put_params(request: &Request, out: &mut impl Out) {
    let params = request.params.iter();
    for text in params.flat_map(|(name, value)| [name, value]) {
        put_varint(out, text.len() as u64);
        out.put(text.as_bytes());
    }
}

fn write_outcome(outcome: &Outcome, seal: Option<&DataKey>, out: &mut impl Out) {
    out.put(&[kind::OUTCOME]);
    put_delivery(out, tag::DELIVERY, outcome.delivery);
    put_start(out, tag::VERDICT, counted(|out| put_verdict(outcome, out)));
    put_verdict(outcome, out);
    put_start(
        out,
        tag::PROGRESS,
        counted(|out| put_progress(outcome, out)),
    );
    put_progress(outcome, out);
    if let Some(status) = outcome.status {
        put_field(out, tag::STATUS, &status.to_le_bytes());
    }
    if let Some(detail) = &outcome.detail {
        let of = Of::Detail(outcome.delivery);
        let sealed = seal.map(|key| (tag::SEALED_DETAIL, key, of));
        put_content(out, tag::DETAIL, sealed, detail.as_bytes());
    }
    if let Some(fallback) = &outcome.fallback {
        put_field(out, tag::FALLBACK, fallback.as_str().as_bytes());
    }
}

fn put_verdict(outcome: &Outcome, out: &mut impl Out) {
    out.put(&outcome.at.as_millis().to_le_bytes());
    out.put(&[verdict::code(outcome.verdict)]);
    if let Verdict::Again { due, .. } = outcome.verdict {
        out.put(&due.as_millis().to_le_bytes());
    }
}

fn put_progress(outcome: &Outcome, out: &mut impl Out) {
    put_varint(out, u64::from(outcome.attempts));
    put_varint(out, u64::from(outcome.used));
    let spent = u64::try_from(outcome.spent.as_millis()).unwrap_or(u64::MAX);
    put_varint(out, spent);
}

fn put_delivery(out: &mut impl Out, tag: u8, delivery: DeliveryId) {
    put_start(out, tag, counted(|out| put_address(delivery, out)));
    put_address(delivery, out);
}

fn put_address(delivery: DeliveryId, out: &mut impl Out) {
    out.put(&delivery.message.to_bytes());
    out.put(&delivery.step.to_le_bytes());
    if delivery != DeliveryId::first(delivery.message, delivery.step) {
        out.put(&delivery.item.to_le_bytes());
        out.put(&delivery.run.to_le_bytes());
        out.put(&[u8::from(delivery.direction == Direction::Undo)]);
    }
}

fn write_redrive(redrive: &Redrive, seal: Option<&DataKey>, out: &mut impl Out) {
    out.put(&[kind::REDRIVE]);
    put_delivery(out, tag::DELIVERY, redrive.old);
    put_delivery(out, tag::NEW_DELIVERY, redrive.new);
    put_field(out, tag::NEW_PLAN, &redrive.plan.to_bytes());
    put_field(out, tag::NEW_STEP, &redrive.step.to_le_bytes());
    put_time(out, tag::DUE, redrive.due);
    if redrive.key != redrive.new {
        put_delivery(out, tag::KEY_OF, redrive.key);
    }
    if let Some(job) = redrive.job {
        put_field(out, tag::OF_JOB, &job.to_bytes());
    }
    if let Some(edited) = &redrive.body {
        if let Some(media_type) = &edited.content_type {
            put_field(out, tag::CONTENT_TYPE, media_type.as_bytes());
        }
        let sealed = seal.map(|key| (tag::SEALED, key, Of::Edit(redrive.new)));
        put_content(out, tag::BODY, sealed, &edited.body);
    }
}

fn write_discard(discard: &Discard, out: &mut impl Out) {
    out.put(&[kind::DISCARD]);
    put_delivery(out, tag::DELIVERY, discard.dead);
    put_time(out, tag::AT, discard.at);
    put_field(out, tag::REASON, discard.reason.as_bytes());
}
