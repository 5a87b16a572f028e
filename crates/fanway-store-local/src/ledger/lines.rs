//! Lines: the deliveries of one target with one order key, of which one at a time has its turn.
//!
//! A delivery with an order key that hasn't ended is in its line. One of the line has its turn: it
//! is scheduled, or called off, or a dead letter that blocks its key. The others are
//! [`IN_LINE`](delivery::IN_LINE), and no lane reads them but behind the one that has its turn.
//! When that one leaves, the first of them is promoted, in the order of acceptance. A delivery that
//! has left its line has no `order_key` any more.
//!
//! Where the rest of a key is to be dead letters, the key is in `doomed` until they have ended:
//! nothing of it is promoted before.

use std::ops::RangeInclusive;

use fanway_types::{DeliveryId, MessageId, OrderKey, Timestamp};
use foldhash::HashSet;
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::{Error, row};

/// Keys share so many buckets: what a lane remembers of keys that wait in the ledger is one number
/// for each.
pub(crate) const BUCKETS: u16 = 1 << 14;

/// Rows of a bucket that are looked at; one with more is taken to have some that the lane lacks.
const LOOKED_AT: usize = 64;

/// A target's line: the target's number, and the key.
pub(super) type Line = (i64, OrderKey);

/// A row's key in `deliveries`.
pub(super) type RowKey = (i64, u16, u32, u16);

/// The bucket of a key: its first bits, so that a bucket is a range of keys.
pub(crate) fn bucket(key: OrderKey) -> u16 {
    let [first, second, ..] = key.to_bytes();
    u16::from_be_bytes([first, second]) / (u16::MAX / BUCKETS + 1)
}

/// The keys of a bucket, from the first to the last.
fn keys_of(bucket: u16) -> RangeInclusive<[u8; 16]> {
    let width = u16::MAX / BUCKETS + 1;
    let [first, second] = (bucket * width).to_be_bytes();
    let [last_first, last_second] = (bucket * width + (width - 1)).to_be_bytes();
    let (mut from, mut to) = ([0; 16], [0xff; 16]);
    (from[0], from[1], to[0], to[1]) = (first, second, last_first, last_second);
    from..=to
}

/// Whether one of a line has its turn, or the rest of the key is doomed.
pub(super) fn is_taken(connection: &Connection, (target, key): Line) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE target = ?1 AND order_key = ?2 AND state <> 8)
         OR EXISTS (SELECT 1 FROM doomed WHERE target = ?1 AND order_key = ?2)",
    )?;
    Ok(statement.query_row((target, key.to_bytes()), |row| row.get(0))?)
}

/// What has become of a line by [`promote`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promoted {
    /// Nothing: one has its turn, or none is left.
    Nothing,
    /// One has its turn now, and is due then.
    Due(Timestamp),
    /// The same with one that was made anew: its lane doesn't know of it.
    Anew(Timestamp),
    /// There are doomed ones, for the lane to end.
    Doomed,
}

/// Gives the first of a line its turn, where none has it. All up to `posted` is in the ledger.
pub(super) fn promote(connection: &Connection, line: Line, posted: u64) -> Result<Promoted, Error> {
    if let Some(until) = doomed_until(connection, line)? {
        if until > posted || has_doomed(connection, line, until)? {
            return Ok(Promoted::Doomed);
        }
        connection
            .prepare_cached("DELETE FROM doomed WHERE target = ? AND order_key = ?")?
            .execute((line.0, line.1.to_bytes()))?;
    }
    if is_taken(connection, line)? {
        return Ok(Promoted::Nothing);
    }
    let Some((key, due)) = first(connection, line)? else {
        return Ok(Promoted::Nothing);
    };
    let (seq, step, item, run) = key;
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 1, due = ?
             WHERE seq = ? AND step = ? AND item = ? AND run = ?",
        )?
        .execute((due.as_millis().cast_signed(), seq, step, item, run))?;
    Ok(if run > 0 {
        Promoted::Anew(due)
    } else {
        Promoted::Due(due)
    })
}

/// The first of those that wait in a line, and when it is due: one that was never scheduled has
/// been since its message was accepted.
fn first(
    connection: &Connection,
    (target, key): Line,
) -> Result<Option<(RowKey, Timestamp)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT d.seq, d.step, d.item, d.run, d.due, m.id
         FROM deliveries d JOIN messages m ON m.seq = d.seq
         WHERE d.target = ? AND d.order_key = ? AND d.state = 8
         ORDER BY d.seq, d.step, d.item, d.run LIMIT 1",
    )?;
    let read = |row: &Row<'_>| {
        let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let due: Option<i64> = row.get(4)?;
        let accepted = MessageId::from_bytes(row.get(5)?).timestamp();
        let due = due.map_or(accepted, |due| Timestamp::from_millis(due.cast_unsigned()));
        Ok((key, due))
    };
    let found = statement.query_row((target, key.to_bytes()), read);
    Ok(found.optional()?)
}

/// Dooms those of a line that were accepted before the position `until`.
pub(super) fn doom(connection: &Connection, line: Line, until: u64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO doomed (target, order_key, until) VALUES (?, ?, ?)
             ON CONFLICT (target, order_key) DO UPDATE SET until = max(until, excluded.until)",
        )?
        .execute((line.0, line.1.to_bytes(), until.cast_signed()))?;
    Ok(())
}

/// The lines of which some are doomed that weren't all in the ledger at the position `posted`.
pub(super) fn doomed_behind(connection: &Connection, posted: u64) -> Result<Vec<Line>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT target, order_key FROM doomed WHERE until > ?")?;
    let rows = statement.query_map([posted.cast_signed()], |row| {
        Ok((row.get(0)?, OrderKey::from_bytes(row.get(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn doomed_until(connection: &Connection, (target, key): Line) -> Result<Option<u64>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT until FROM doomed WHERE target = ? AND order_key = ?")?;
    let until = statement.query_row((target, key.to_bytes()), |row| row.get::<_, i64>(0));
    Ok(until.optional()?.map(i64::cast_unsigned))
}

/// Whether any of a line are left that were accepted before `until`; what was made anew isn't
/// among them.
fn has_doomed(connection: &Connection, (target, key): Line, until: u64) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM deliveries
         WHERE target = ? AND order_key = ? AND state = 8 AND seq < ? AND run = 0)",
    )?;
    let left = statement.query_row((target, key.to_bytes(), until.cast_signed()), |row| {
        row.get(0)
    });
    Ok(left?)
}

/// Takes one that has ended out of its line.
pub(super) fn leave(connection: &Connection, key: RowKey) -> Result<(), Error> {
    let (seq, step, item, run) = key;
    connection
        .prepare_cached(
            "UPDATE deliveries SET order_key = NULL
             WHERE seq = ? AND step = ? AND item = ? AND run = ?",
        )?
        .execute((seq, step, item, run))?;
    Ok(())
}

/// The lines that a message's deliveries are in.
pub(super) fn of_message(connection: &Connection, seq: i64) -> Result<Vec<Line>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT target, order_key FROM deliveries WHERE seq = ? AND order_key IS NOT NULL",
    )?;
    let rows = statement.query_map([seq], |row| {
        Ok((row.get(0)?, OrderKey::from_bytes(row.get(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a lane knows of.
pub(super) struct Known<'a> {
    /// What it has, and what it was given just now.
    pub(super) has: &'a HashSet<DeliveryId>,
    pub(super) given: &'a HashSet<DeliveryId>,
    /// Of the first: what it has let go.
    pub(super) let_go: &'a HashSet<DeliveryId>,
}

impl Known<'_> {
    fn includes(&self, delivery: DeliveryId) -> bool {
        self.given.contains(&delivery)
            || (self.has.contains(&delivery) && !self.let_go.contains(&delivery))
    }
}

/// The buckets in whose lines there is something that a lane doesn't know of.
pub(super) fn unknown(
    connection: &Connection,
    target: i64,
    known: &Known<'_>,
) -> Result<Vec<u16>, Error> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(next) = next_bucket(connection, target, from)? {
        if !is_known(connection, target, next, known)? {
            found.push(next);
        }
        from = next + 1;
        if from == BUCKETS {
            break;
        }
    }
    Ok(found)
}

/// The first bucket from one on that has any lines.
fn next_bucket(connection: &Connection, target: i64, from: u16) -> Result<Option<u16>, Error> {
    let key = *keys_of(from).start();
    let mut first: Option<u16> = None;
    for sql in [
        "SELECT order_key FROM deliveries WHERE target = ? AND order_key >= ? AND state <> 8
         ORDER BY order_key LIMIT 1",
        "SELECT order_key FROM deliveries WHERE target = ? AND order_key >= ? AND state = 8
         ORDER BY order_key LIMIT 1",
        "SELECT order_key FROM doomed WHERE target = ? AND order_key >= ?
         ORDER BY order_key LIMIT 1",
    ] {
        let found: Option<[u8; 16]> = connection
            .prepare_cached(sql)?
            .query_row((target, key), |row| row.get(0))
            .optional()?;
        let found = found.map(|key| bucket(OrderKey::from_bytes(key)));
        first = first.into_iter().chain(found).min();
    }
    Ok(first)
}

/// Whether a lane knows of all that is in a bucket's lines.
pub(super) fn is_known(
    connection: &Connection,
    target: i64,
    bucket: u16,
    known: &Known<'_>,
) -> Result<bool, Error> {
    let keys = keys_of(bucket);
    let (from, to) = (keys.start(), keys.end());
    let is_doomed: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM doomed WHERE target = ? AND order_key BETWEEN ? AND ?)",
        )?
        .query_row((target, from, to), |row| row.get(0))?;
    if is_doomed {
        return Ok(false);
    }
    let mut left = LOOKED_AT;
    for state in ["<> 8", "= 8"] {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT m.id, d.step, d.item, d.run FROM deliveries d JOIN messages m ON m.seq = d.seq
             WHERE d.target = ? AND d.order_key BETWEEN ? AND ? AND d.state {state}",
        ))?;
        let mut rows = statement.query([&target as &dyn ToSql, from, to])?;
        while let Some(row) = rows.next()? {
            let delivery = row::delivery(row, MessageId::from_bytes(row.get(0)?), 1)?;
            left -= 1;
            if left == 0 || !known.includes(delivery) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use fanway_types::OrderKey;

    use super::{BUCKETS, bucket, keys_of};

    #[test]
    fn buckets_are_ranges_of_keys_and_have_each_key_once() {
        let mut next = 0u32;
        for number in 0..BUCKETS {
            let keys = keys_of(number);
            let of = |key: &[u8; 16]| bucket(OrderKey::from_bytes(*key));
            assert_eq!((of(keys.start()), of(keys.end())), (number, number));
            let first = |key: &[u8; 16]| u32::from(u16::from_be_bytes([key[0], key[1]]));
            assert_eq!(first(keys.start()), next);
            next = first(keys.end()) + 1;
        }
        assert_eq!(next, 1 << 16);
    }
}
