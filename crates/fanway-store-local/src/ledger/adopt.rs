//! Moving what waits under one target's name to another's, a little at a time.

use std::collections::BTreeSet;

use fanway_types::{MessageId, OrderKey, TargetName, Timestamp};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::lines::Promoted;
use super::{Error, Plans, find, lines};

/// Rows that one call moves at most, so that posting doesn't wait for long.
const ROWS: usize = 2_000;

/// What a call has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The earliest due time of what it moved.
    pub(crate) due: Option<Timestamp>,
    /// Whether there may be more.
    pub(crate) more: bool,
}

/// A row to be moved: its key, and when it is due from now on.
type Key = (i64, u16, u32, u16);

/// Moves some of what waits for `old`, and of its dead letters, to `heir`, in a transaction of its
/// own. What was never attempted is due since its message was accepted, so that the lane that
/// reads by due times is given it in about that order.
pub(super) fn move_some(
    connection: &mut Connection,
    plans: &mut Plans,
    old: &TargetName,
    heir: &TargetName,
) -> Result<Moved, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let old: Option<i64> = transaction
        .prepare_cached("SELECT id FROM targets WHERE name = ?")?
        .query_row([old.as_str()], |row| row.get(0))
        .optional()?;
    let Some(old) = old else {
        return Ok(Moved::default());
    };
    let heir = plans.target(&transaction, heir)?;
    let waiting = waiting(&transaction, old)?;
    let in_line = in_line(&transaction, old, ROWS - waiting.len())?;
    let dead = dead(&transaction, old, ROWS - waiting.len() - in_line.len())?;
    let mut due_at = transaction.prepare_cached(
        "UPDATE deliveries SET target = ?, state = 1, due = ?
         WHERE seq = ? AND step = ? AND item = ? AND run = ?",
    )?;
    for ((seq, step, item, run), due) in &waiting {
        due_at.execute((heir, due.as_millis().cast_signed(), seq, step, item, run))?;
    }
    let mut as_it_is = transaction.prepare_cached(
        "UPDATE deliveries SET target = ? WHERE seq = ? AND step = ? AND item = ? AND run = ?",
    )?;
    for (seq, step, item, run) in &dead {
        as_it_is.execute((heir, seq, step, item, run))?;
    }
    drop((due_at, as_it_is));
    let turns = take_turns(&transaction, heir, &in_line)?;
    if in_line.is_empty() {
        transaction
            .prepare_cached("UPDATE OR REPLACE doomed SET target = ? WHERE target = ?")?
            .execute((heir, old))?;
    }
    transaction.commit()?;
    Ok(Moved {
        due: waiting.iter().map(|(_, due)| *due).chain(turns).min(),
        more: waiting.len() + in_line.len() + dead.len() == ROWS,
    })
}

/// Moves what is in lines to the heir's lines, at their ends; returns when those are due that have
/// their turn then.
fn take_turns(
    connection: &Connection,
    heir: i64,
    in_line: &[(Key, OrderKey)],
) -> Result<Vec<Timestamp>, Error> {
    let mut move_row = connection.prepare_cached(
        "UPDATE deliveries SET target = ?, state = 8 WHERE seq = ? AND step = ? AND item = ? AND run = ?",
    )?;
    let mut keys = BTreeSet::new();
    for ((seq, step, item, run), key) in in_line {
        move_row.execute((heir, seq, step, item, run))?;
        keys.insert(*key);
    }
    let posted = find::posted(connection)?;
    let mut turns = Vec::new();
    for key in keys {
        match lines::promote(connection, (heir, key), posted)? {
            Promoted::Due(due) | Promoted::Anew(due) => turns.push(due),
            Promoted::Doomed => turns.push(Timestamp::default()),
            Promoted::Nothing => {}
        }
    }
    Ok(turns)
}

/// What is in a target's lines and hasn't ended, those first that have their turn.
fn in_line(
    connection: &Connection,
    target: i64,
    most: usize,
) -> Result<Vec<(Key, OrderKey)>, Error> {
    let mut found = Vec::new();
    for state in ["<> 8 AND state = 1", "= 8"] {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT seq, step, item, run, order_key FROM deliveries
             WHERE target = ? AND order_key > x'' AND state {state} ORDER BY order_key LIMIT ?",
        ))?;
        let rows = statement.query_map((target, limit(most - found.len())), |row| {
            let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((key, OrderKey::from_bytes(row.get(4)?)))
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

/// What waits for a target out of line, those that are due first, each with when it is due.
fn waiting(connection: &Connection, target: i64) -> Result<Vec<(Key, Timestamp)>, Error> {
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT seq, step, item, run, due FROM deliveries WHERE target = ? AND state = 1
         AND order_key IS NULL ORDER BY due LIMIT ?",
    )?;
    let mut rows = statement.query((target, limit(ROWS)))?;
    while let Some(row) = rows.next()? {
        let due: i64 = row.get(4)?;
        found.push((
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?),
            Timestamp::from_millis(due.cast_unsigned()),
        ));
    }
    let mut statement = connection.prepare_cached(
        "SELECT d.seq, d.step, d.item, d.run, m.id FROM deliveries d JOIN messages m ON m.seq = d.seq
         WHERE d.target = ? AND d.state = 0 ORDER BY d.plan, d.seq, d.step LIMIT ?",
    )?;
    let mut rows = statement.query((target, limit(ROWS - found.len())))?;
    while let Some(row) = rows.next()? {
        found.push((
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?),
            MessageId::from_bytes(row.get(4)?).timestamp(),
        ));
    }
    Ok(found)
}

fn dead(connection: &Connection, target: i64, most: usize) -> Result<Vec<Key>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, step, item, run FROM deliveries WHERE target = ? AND state = 3 LIMIT ?",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let keys = statement.query_map((target, limit(most)), read)?;
    Ok(keys.collect::<Result<_, _>>()?)
}

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
