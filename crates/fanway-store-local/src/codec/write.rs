//! From records to bytes.

use fanway_types::{
    DeliveryId, Direction, IdempotencyKey, KeyScope, Message, Outcome, Terms, Timestamp, Verdict,
};
use serde::Serialize;

use super::fields::{field_size, put_field, put_varint};
use super::{kind, scope, tag, verdict};
use crate::record::{Discard, Record, Redrive};

/// Appends a record.
pub(crate) fn write(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::Message(message) => {
            write_head(message, out);
            put_field(out, tag::BODY, &message.request.body);
        }
        Record::Outcome(outcome) => write_outcome(outcome, out),
        Record::Plan(plan) => {
            out.push(kind::PLAN);
            put_field(out, tag::JSON, plan.to_json().as_bytes());
        }
        Record::Redrive(redrive) => write_redrive(redrive, out),
        Record::Discard(discard) => write_discard(discard, out),
        Record::Cancel(cancel) => {
            out.push(kind::CANCEL);
            put_field(out, tag::ID, &cancel.message.to_bytes());
            put_time(out, tag::AT, cancel.at);
        }
        Record::Job(job) => {
            out.push(kind::JOB);
            put_json(out, &**job);
        }
        Record::Control(controlled) => {
            out.push(kind::CONTROL);
            put_json(out, &controlled.control);
            let target = controlled.target.as_str().as_bytes();
            put_field(out, tag::TARGET, target);
        }
        Record::Audit(audit) => {
            out.push(kind::AUDIT);
            put_json(out, &**audit);
        }
    }
}

fn put_json(out: &mut Vec<u8>, value: &impl Serialize) {
    let json = serde_json::to_vec(value).expect("what is kept as JSON has only text keys");
    put_field(out, tag::JSON, &json);
}

/// Bytes that [`write`] appends.
pub(crate) fn size(record: &Record) -> usize {
    match record {
        Record::Message(message) => head_size(message) + field_size(message.request.body.len()),
        other => {
            let mut bytes = Vec::with_capacity(64);
            write(other, &mut bytes);
            bytes.len()
        }
    }
}

/// A message's record up to its body: what the ledger keeps beside the body.
pub(crate) fn message_head(message: &Message) -> Vec<u8> {
    let mut head = Vec::with_capacity(head_size(message));
    write_head(message, &mut head);
    head
}

fn write_head(message: &Message, out: &mut Vec<u8>) {
    let request = &message.request;
    out.push(kind::MESSAGE);
    put_field(out, tag::ID, &message.id.to_bytes());
    put_field(out, tag::ROUTE, message.route.as_str().as_bytes());
    put_field(out, tag::PLAN, &message.plan.to_bytes());
    put_field(out, tag::METHOD, request.method.as_bytes());
    put_field(out, tag::PATH, request.path.as_bytes());
    if let Some(query) = &request.query {
        put_field(out, tag::QUERY, query.as_bytes());
    }
    if !request.params.is_empty() {
        put_field(out, tag::PARAMS, &params(message));
    }
    put_field(out, tag::HEADERS, request.headers.as_block());
    write_terms(&message.terms, out);
}

fn write_terms(terms: &Terms, out: &mut Vec<u8>) {
    if let Some(key) = &terms.key {
        put_field(out, tag::KEY, &scoped(key));
        put_field(out, tag::FINGERPRINT, &key.fingerprint.to_bytes());
        put_time(out, tag::KEY_UNTIL, key.until);
    }
    if let Some(at) = terms.not_before {
        put_time(out, tag::NOT_BEFORE, at);
    }
    if let Some(at) = terms.expires {
        put_time(out, tag::EXPIRES, at);
    }
    if let Some(url) = &terms.callback {
        put_field(out, tag::CALLBACK, url.as_bytes());
    }
}

fn terms_size(terms: &Terms) -> usize {
    let key = terms.key.as_ref().map_or(0, |key| {
        field_size(scoped(key).len()) + field_size(16) + field_size(8)
    });
    let times = [terms.not_before, terms.expires].into_iter().flatten();
    let callback = terms
        .callback
        .as_ref()
        .map_or(0, |url| field_size(url.len()));
    key + times.count() * field_size(8) + callback
}

/// A key with its scope.
fn scoped(key: &IdempotencyKey) -> Vec<u8> {
    let KeyScope::Route(route) = &key.scope;
    let mut value = vec![scope::ROUTE];
    put_varint(&mut value, route.as_str().len() as u64);
    value.extend_from_slice(route.as_str().as_bytes());
    value.extend_from_slice(key.text.as_bytes());
    value
}

fn put_time(out: &mut Vec<u8>, tag: u8, at: Timestamp) {
    put_field(out, tag, &at.as_millis().to_le_bytes());
}

fn head_size(message: &Message) -> usize {
    let request = &message.request;
    let params = if request.params.is_empty() {
        0
    } else {
        field_size(params(message).len())
    };
    let query = request
        .query
        .as_ref()
        .map_or(0, |query| field_size(query.len()));
    let fixed = 1 + 2 * field_size(16);
    fixed
        + field_size(message.route.as_str().len())
        + field_size(request.method.len())
        + field_size(request.path.len())
        + query
        + params
        + field_size(request.headers.as_block().len())
        + terms_size(&message.terms)
}

fn params(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in message
        .request
        .params
        .iter()
        .flat_map(|(name, value)| [name, value])
    {
        put_varint(&mut bytes, text.len() as u64);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

fn write_outcome(outcome: &Outcome, out: &mut Vec<u8>) {
    out.push(kind::OUTCOME);
    put_delivery(out, tag::DELIVERY, outcome.delivery);
    let mut value = Vec::with_capacity(17);
    value.extend_from_slice(&outcome.at.as_millis().to_le_bytes());
    value.push(verdict::code(outcome.verdict));
    if let Verdict::Again { due, .. } = outcome.verdict {
        value.extend_from_slice(&due.as_millis().to_le_bytes());
    }
    put_field(out, tag::VERDICT, &value);
    value.clear();
    put_varint(&mut value, u64::from(outcome.attempts));
    put_varint(&mut value, u64::from(outcome.used));
    put_varint(
        &mut value,
        u64::try_from(outcome.spent.as_millis()).unwrap_or(u64::MAX),
    );
    put_field(out, tag::PROGRESS, &value);
    if let Some(status) = outcome.status {
        put_field(out, tag::STATUS, &status.to_le_bytes());
    }
    if let Some(detail) = &outcome.detail {
        put_field(out, tag::DETAIL, detail.as_bytes());
    }
}

fn put_delivery(out: &mut Vec<u8>, tag: u8, delivery: DeliveryId) {
    let mut value = Vec::with_capacity(25);
    value.extend_from_slice(&delivery.message.to_bytes());
    value.extend_from_slice(&delivery.step.to_le_bytes());
    if delivery != DeliveryId::first(delivery.message, delivery.step) {
        value.extend_from_slice(&delivery.item.to_le_bytes());
        value.extend_from_slice(&delivery.run.to_le_bytes());
        value.push(u8::from(delivery.direction == Direction::Undo));
    }
    put_field(out, tag, &value);
}

fn write_redrive(redrive: &Redrive, out: &mut Vec<u8>) {
    out.push(kind::REDRIVE);
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
        put_field(out, tag::BODY, &edited.body);
    }
}

fn write_discard(discard: &Discard, out: &mut Vec<u8>) {
    out.push(kind::DISCARD);
    put_delivery(out, tag::DELIVERY, discard.dead);
    put_time(out, tag::AT, discard.at);
    put_field(out, tag::REASON, discard.reason.as_bytes());
}
