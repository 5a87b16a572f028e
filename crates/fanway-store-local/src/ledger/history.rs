//! Ended messages in a compact form: one row each.
//!
//! `history.deliveries` has, for each delivery, as LEB128 numbers: its step; its state, 16 more
//! where item and run follow, 32 more for a cancelled one that may have been sent, 64 more where a
//! fallback had it; those two, or the length and the name of the fallback behind them;
//! attempts; the last status code, or 0; milliseconds from the message's acceptance to its end; for
//! a dead one the reason's number.

use fanway_store::lookup::{DeliveryView, MessageView};
use fanway_types::{DeliveryId, DeliveryState, MessageId, Plan, TargetName, Timestamp};
use rusqlite::Connection;

use super::state::{message, message_number, number, reason, reason_number, shown};
use super::{Error, Plans};
use crate::cancel::MAY_BE_SENT;
use crate::codec::{put_varint, take_varint};

const HAS_ADDRESS: u64 = 16;
const IS_UNSURE: u64 = 32;
const HAS_FALLBACK: u64 = 64;

/// A row to be.
pub(super) struct Ended<'a> {
    pub(super) id: MessageId,
    pub(super) plan: i64,
    pub(super) view: &'a MessageView,
}

/// Writes an ended message's row, in place of an earlier one.
pub(super) fn put(connection: &Connection, ended: &Ended<'_>) -> Result<(), Error> {
    let view = ended.view;
    let ended_at = view.ended_at.unwrap_or(ended.id.timestamp());
    let mut deliveries = Vec::with_capacity(16);
    for delivery in &view.deliveries {
        write(delivery, ended.id.timestamp(), &mut deliveries);
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO history (id, plan, ended_at, state, deliveries) VALUES (?, ?, ?, ?, ?)")?
        .execute((
            ended.id.to_bytes(),
            ended.plan,
            ended_at.as_millis().cast_signed(),
            message_number(view.state),
            deliveries,
        ))?;
    Ok(())
}

fn write(delivery: &DeliveryView, received_at: Timestamp, out: &mut Vec<u8>) {
    let id = delivery.id;
    let mut state = u64::from(number(delivery.state));
    if delivery.state == DeliveryState::Cancelled && delivery.detail.as_deref() == Some(MAY_BE_SENT)
    {
        state += IS_UNSURE;
    }
    if delivery.fallback_of.is_some() {
        state += HAS_FALLBACK;
    }
    put_varint(out, u64::from(id.step));
    if (id.item, id.run) == (0, 0) {
        put_varint(out, state);
    } else {
        put_varint(out, state + HAS_ADDRESS);
        put_varint(out, u64::from(id.item));
        put_varint(out, u64::from(id.run));
    }
    if delivery.fallback_of.is_some() {
        let name = delivery.target.as_str().as_bytes();
        put_varint(out, name.len() as u64);
        out.extend_from_slice(name);
    }
    put_varint(out, u64::from(delivery.attempts));
    put_varint(out, u64::from(delivery.status.unwrap_or(0)));
    let after = delivery.at.map_or(0, |at| {
        at.as_millis().saturating_sub(received_at.as_millis())
    });
    put_varint(out, after);
    if let Some(reason) = delivery.reason {
        put_varint(out, u64::from(reason_number(reason)));
    }
}

/// A message's row, where there is one.
pub(super) fn get(
    connection: &Connection,
    plans: &mut Plans,
    id: MessageId,
) -> Result<Option<MessageView>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT plan, ended_at, state, deliveries FROM history WHERE id = ?")?;
    let mut rows = statement.query([id.to_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let plan = plans.by_number(connection, row.get(0)?)?;
    let ended_at = Timestamp::from_millis(row.get::<_, i64>(1)?.cast_unsigned());
    let deliveries = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
    let state = message(row.get(2)?)?;
    let deliveries = self::deliveries(deliveries, id, &plan)?;
    Ok(Some(MessageView {
        id,
        route: plan.route.clone(),
        state,
        ended_at: Some(ended_at),
        deliveries,
    }))
}

/// A row's deliveries.
pub(super) fn deliveries(
    bytes: &[u8],
    message: MessageId,
    plan: &Plan,
) -> Result<Vec<DeliveryView>, Error> {
    let damaged = Error::Row {
        table: "history",
        what: "the deliveries can't be read",
    };
    read(bytes, message, plan).ok_or(damaged)
}

fn read(mut bytes: &[u8], message: MessageId, plan: &Plan) -> Option<Vec<DeliveryView>> {
    let mut deliveries = Vec::new();
    while !bytes.is_empty() {
        let mut next = || take_varint(&mut bytes);
        let mut id = DeliveryId::first(message, u16::try_from(next()?).ok()?);
        let flags = next()?;
        let state = flags % HAS_ADDRESS;
        if flags & HAS_ADDRESS != 0 {
            id.item = u32::try_from(next()?).ok()?;
            id.run = u16::try_from(next()?).ok()?;
        }
        let fallback = match flags & HAS_FALLBACK {
            0 => None,
            _ => Some(take_name(&mut bytes)?),
        };
        let mut next = || take_varint(&mut bytes);
        let attempts = u32::try_from(next()?).ok()?;
        let status = u16::try_from(next()?).ok()?;
        let at = Timestamp::from_millis(message.timestamp().as_millis().checked_add(next()?)?);
        let state = shown(u8::try_from(state).ok()?, attempts).ok()?;
        let dead = state == DeliveryState::Dead;
        let reason = if dead {
            Some(reason(u8::try_from(next()?).ok()?).ok()?)
        } else {
            None
        };
        let step = plan.steps.get(usize::from(id.step))?;
        deliveries.push(DeliveryView {
            id,
            step: step.name.clone(),
            fallback_of: fallback.is_some().then(|| step.target.clone()),
            target: fallback.unwrap_or_else(|| step.target.clone()),
            critical: step.critical,
            state,
            in_line: false,
            attempts,
            status: (status != 0).then_some(status),
            at: Some(at),
            due: None,
            reason,
            detail: (flags & IS_UNSURE != 0).then(|| MAY_BE_SENT.into()),
        });
    }
    Some(deliveries)
}

/// Takes a target's name off the front.
fn take_name(bytes: &mut &[u8]) -> Option<TargetName> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (name, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    str::from_utf8(name).ok()?.parse().ok()
}
