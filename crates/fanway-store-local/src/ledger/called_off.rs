//! Deliveries that were called off and haven't ended: out of the lanes' reach.

use fanway_types::{MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Error, Plans, row};
use crate::cancel::CalledOff;
use crate::record::Cancel;

const SELECT: &str = "SELECT m.id, m.plan, d.step, d.item, d.run, t.name, d.attempts
     FROM deliveries d JOIN messages m ON m.seq = d.seq JOIN targets t ON t.id = d.target
     WHERE d.state = 7";

/// Takes what of a message hasn't ended out of the lanes' reach, and returns it.
pub(super) fn call_off(
    connection: &Connection,
    plans: &mut Plans,
    cancel: &Cancel,
) -> Result<Vec<CalledOff>, Error> {
    let seq: Option<i64> = connection
        .prepare_cached("SELECT seq FROM messages WHERE id = ? AND ended_at IS NULL")?
        .query_row([cancel.message.to_bytes()], |row| row.get(0))
        .optional()?;
    let Some(seq) = seq else {
        return Ok(Vec::new());
    };
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 7, order_key = iif(state = 8, NULL, order_key)
             WHERE seq = ? AND state IN (0, 1, 8)",
        )?
        .execute([seq])?;
    let mut statement = connection.prepare_cached(&format!("{SELECT} AND d.seq = ?"))?;
    let mut rows = statement.query([seq])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(connection, plans, row, cancel.at)?);
    }
    Ok(found)
}

/// All that an earlier process has left so: they may have been sent, and end at `now`.
pub(super) fn left_called_off(
    connection: &Connection,
    plans: &mut Plans,
    now: Timestamp,
) -> Result<Vec<CalledOff>, Error> {
    let mut statement = connection.prepare(SELECT)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(CalledOff {
            may_be_sent: true,
            ..read(connection, plans, row, now)?
        });
    }
    Ok(found)
}

fn read(
    connection: &Connection,
    plans: &mut Plans,
    row: &Row<'_>,
    at: Timestamp,
) -> Result<CalledOff, Error> {
    let delivery = row::delivery(row, MessageId::from_bytes(row.get(0)?), 2)?;
    let plan = plans.by_number(connection, row.get(1)?)?;
    Ok(CalledOff {
        delivery,
        route: plan.route.clone(),
        step: row::step(&plan, delivery)?.name.clone(),
        target: row::target(row, 5)?,
        at,
        attempts: row.get(6)?,
        may_be_sent: false,
        caller: None,
    })
}
