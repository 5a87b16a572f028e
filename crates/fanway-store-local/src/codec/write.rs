//! From records to bytes.

use fanway_types::{DeliveryId, Direction, Message, Outcome, Verdict};

use super::fields::{field_size, put_field, put_varint};
use super::{kind, tag, verdict};
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
    }
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
    put_delivery(out, tag::DELIVERY, redrive.dead);
    put_delivery(out, tag::NEW_DELIVERY, redrive.new);
    put_field(out, tag::NEW_PLAN, &redrive.plan.to_bytes());
    put_field(out, tag::NEW_STEP, &redrive.step.to_le_bytes());
    put_field(out, tag::DUE, &redrive.due.as_millis().to_le_bytes());
}

fn write_discard(discard: &Discard, out: &mut Vec<u8>) {
    out.push(kind::DISCARD);
    put_delivery(out, tag::DELIVERY, discard.dead);
    put_field(out, tag::AT, &discard.at.as_millis().to_le_bytes());
    put_field(out, tag::REASON, discard.reason.as_bytes());
}
