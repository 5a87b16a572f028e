//! Looking a message up.

use std::sync::Arc;

use fanway_store::lookup::{DeliveryView, MessageView};
use fanway_types::{MessageId, MessageState, Plan, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::state::delivery::IN_LINE;
use super::state::{reason, shown};
use super::{Error, Plans, history, row, sealed};
use crate::seal::{Of, Ring};
use crate::view::settle;

/// What the ledger knows of a message, and the position that it was posted up to at that moment.
pub(crate) fn find(
    connection: &mut Connection,
    plans: &mut Plans,
    ring: &Ring,
    id: MessageId,
) -> Result<(Option<MessageView>, u64), Error> {
    let transaction = connection.transaction()?;
    let posted = posted(&transaction)?;
    let kept: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT seq, plan FROM messages WHERE id = ?")?
        .query_row([id.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let view = match kept {
        Some((seq, plan)) => {
            let plan = plans.by_number(&transaction, plan)?;
            Some(view(&transaction, ring, seq, id, &plan)?)
        }
        None => history::get(&transaction, plans, id)?,
    };
    Ok((view, posted))
}

/// The position that the ledger was posted up to.
pub(super) fn posted(connection: &Connection) -> Result<u64, Error> {
    let posted: i64 = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'posted'")?
        .query_row([], |row| row.get(0))?;
    Ok(posted.cast_unsigned())
}

/// A message that is in `messages`, with each step's latest delivery.
pub(super) fn view(
    connection: &Connection,
    ring: &Ring,
    seq: i64,
    id: MessageId,
    plan: &Arc<Plan>,
) -> Result<MessageView, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT d.step, d.item, d.run, t.name, d.state, d.attempts, d.status, d.at, d.due, d.reason, d.detail,
           (SELECT name FROM targets WHERE id = d.fallback_of)
         FROM deliveries d JOIN targets t ON t.id = d.target
         WHERE d.seq = ? ORDER BY d.step, d.item, d.run",
    )?;
    let mut rows = statement.query([seq])?;
    let mut deliveries: Vec<DeliveryView> = Vec::with_capacity(plan.steps.len());
    while let Some(row) = rows.next()? {
        let delivery = delivery(row, ring, id, plan)?;
        let same_step = |last: &DeliveryView| {
            (last.id.step, last.id.item) == (delivery.id.step, delivery.id.item)
        };
        if deliveries.last().is_some_and(same_step) {
            deliveries.pop();
        }
        deliveries.push(delivery);
    }
    let mut view = MessageView {
        id,
        route: plan.route.clone(),
        state: MessageState::Pending,
        ended_at: None,
        deliveries,
    };
    settle(&mut view);
    Ok(view)
}

fn delivery(
    row: &Row<'_>,
    ring: &Ring,
    message: MessageId,
    plan: &Plan,
) -> Result<DeliveryView, Error> {
    let id = row::delivery(row, message, 0)?;
    let step = row::step(plan, id)?;
    let attempts = row.get(5)?;
    let number = row.get(4)?;
    let state = shown(number, attempts)?;
    let (at, due) = (timestamp(row, 7)?, timestamp(row, 8)?);
    Ok(DeliveryView {
        id,
        step: step.name.clone(),
        target: row::target(row, 3)?,
        fallback_of: row::optional_target(row, 11)?,
        critical: step.critical,
        state,
        in_line: number == IN_LINE,
        attempts,
        status: row.get(6)?,
        at,
        // Before anything is recorded of it only one that has to wait says when it is due.
        due: due.filter(|due| at.is_some() || (id.run == 0 && *due > message.timestamp())),
        reason: row.get::<_, Option<u8>>(9)?.map(reason).transpose()?,
        detail: sealed::text(ring, Of::Detail(id), row.get_ref(10)?)?.map(Into::into),
    })
}

/// A column that may hold milliseconds.
pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Error> {
    Ok(row
        .get::<_, Option<i64>>(column)?
        .map(|millis| Timestamp::from_millis(millis.cast_unsigned())))
}
