//! Deliveries that were called off and haven't ended: out of the lanes' reach.

use fanway_types::{DeliveryId, Direction, MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Error, Plans};
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
        .prepare_cached("UPDATE deliveries SET state = 7 WHERE seq = ? AND state IN (0, 1)")?
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
    let delivery = DeliveryId {
        message: MessageId::from_bytes(row.get(0)?),
        step: row.get(2)?,
        item: row.get(3)?,
        run: row.get(4)?,
        direction: Direction::Forward,
    };
    let plan = plans.by_number(connection, row.get(1)?)?;
    let no_step = Error::Row {
        table: "deliveries",
        what: "a step that isn't in the plan",
    };
    let step = plan.steps.get(usize::from(delivery.step)).ok_or(no_step)?;
    let target = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(CalledOff {
        delivery,
        route: plan.route.clone(),
        step: step.name.clone(),
        target: target.parse().map_err(|_| Error::Row {
            table: "targets",
            what: "not a name",
        })?,
        at,
        attempts: row.get(6)?,
        may_be_sent: false,
        caller: None,
    })
}
