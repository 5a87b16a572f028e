//! What a lane has to do next.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_store::lane::{Progress, Room};
use fanway_store::{Backlog, lane};
use fanway_types::{ByteCount, DeliveryId, MessageId, OrderKey, PlanHash, TargetName, Timestamp};
use foldhash::HashSet;
use rusqlite::{Connection, OptionalExtension, Row};

use super::find::{posted, timestamp};
use super::lines::{self, Known, bucket};
use super::turns::{self, Turns};
use super::{Error, edits, row};
use crate::codec::read_message;
use crate::seal::Ring;

/// A lane's place in the order of acceptance: the position of a message, and a step of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) step: u16,
}

impl Place {
    /// The place behind all steps of the message at this position, and of those before.
    pub(crate) fn behind(position: u64) -> Self {
        Self {
            seq: position,
            step: u16::MAX,
        }
    }
}

/// What a lane asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) target: TargetName,
    /// Deliveries never handed out, behind this place; `None` asks for none of them.
    pub(crate) fresh_after: Option<Place>,
    /// What was read of them behind that place already.
    pub(crate) turns: Turns,
    /// Due times up to now.
    pub(crate) now: Timestamp,
    /// The most to return of fresh ones, and of due ones.
    pub(crate) limit: usize,
    /// Due ones that the lane has already.
    pub(crate) held: HashSet<DeliveryId>,
    /// Of these, what it has let go.
    pub(crate) let_go: HashSet<DeliveryId>,
    /// The most to return of those that wait in line behind one that is due.
    pub(crate) followers: Room,
    /// The bytes of bodies to return; the one that crosses the line is returned too.
    pub(crate) bytes: u64,
    /// What opens what is sealed.
    pub(crate) ring: Arc<Ring>,
}

/// What the ledger has for a lane.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Deliveries never handed out.
    pub(crate) fresh: Vec<lane::Work>,
    /// What was read of them, with these.
    pub(crate) turns: Turns,
    /// Whether they were looked for.
    pub(crate) read_fresh: bool,
    /// Whether there may be more of them than were returned.
    pub(crate) more: bool,
    /// Deliveries whose time has come.
    pub(crate) due: Vec<Found>,
    /// Deliveries that are to be dead letters, since another one of their order key is.
    pub(crate) doomed: Vec<lane::Work>,
    /// Buckets of order keys in which the lane has all that there is, with what was returned.
    pub(crate) clean: Vec<u16>,
    /// All buckets in which there is more, where that was looked at.
    pub(crate) dirty: Option<Vec<u16>>,
    /// The next time at which more will be due, or now where more are.
    pub(crate) next_due: Option<Timestamp>,
    /// The position that the ledger was posted up to at that moment.
    pub(crate) posted: u64,
}

/// A delivery whose time has come.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) work: lane::Work,
    /// Its order key, and what waits in line behind it.
    pub(crate) line: Option<(OrderKey, Vec<lane::Work>)>,
}

pub(super) const COLUMNS: &str =
    "m.id, m.head, m.body, d.seq, d.step, d.item, d.run, p.hash, d.plan_step, d.attempts, d.used,
    d.spent, d.due, d.key_run, m.edited, d.order_key";
/// Followers of one delivery that are read with it at most.
const FOLLOWERS: usize = 256;
/// Doomed deliveries that are read together, and bytes of their bodies.
const DOOMED: usize = 1024;
const DOOMED_BYTES: u64 = 4 << 20;

pub(super) const JOINS: &str =
    "FROM deliveries d JOIN messages m ON m.seq = d.seq JOIN plans p ON p.id = d.plan";
pub(super) const TARGET: &str = "d.target = (SELECT id FROM targets WHERE name = ?1)";

/// Reads what a lane has to do next.
pub(crate) fn next(connection: &mut Connection, ask: &Ask) -> Result<Due, Error> {
    let transaction = connection.transaction()?;
    let mut answer = Due {
        posted: posted(&transaction)?,
        ..Due::default()
    };
    let mut bytes = ask.bytes;
    read_due(&transaction, ask, &mut bytes, &mut answer)?;
    read_doomed(&transaction, ask, &mut answer)?;
    if let Some(after) = ask.fresh_after {
        answer.read_fresh = true;
        turns::read_fresh(&transaction, ask, after, &mut bytes, &mut answer)?;
    }
    look_at_buckets(&transaction, ask, &mut answer)?;
    Ok(answer)
}

pub(super) fn place(row: &Row<'_>) -> Result<Place, Error> {
    Ok(Place {
        seq: row.get::<_, i64>(3)?.cast_unsigned(),
        step: row.get(4)?,
    })
}

fn read_due(
    connection: &Connection,
    ask: &Ask,
    bytes: &mut u64,
    answer: &mut Due,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} {JOINS} WHERE {TARGET} AND d.state = 1 ORDER BY d.due LIMIT ?2",
    ))?;
    let mut room = ask.followers;
    // One more than can be taken says when the next one is due.
    let limit = i64::try_from(ask.limit + ask.held.len() + 1).unwrap_or(i64::MAX);
    let mut rows = statement.query((ask.target.as_str(), limit))?;
    while let Some(row) = rows.next()? {
        if ask.held.contains(&delivery_id(row)?) {
            continue;
        }
        let due = timestamp(row, 12)?.unwrap_or_default();
        if due > ask.now || answer.due.len() == ask.limit || *bytes == 0 {
            answer.next_due = Some(due);
            return Ok(());
        }
        let key = row.get::<_, Option<_>>(15)?.map(OrderKey::from_bytes);
        let found = work(connection, &ask.ring, row, bytes)?;
        let line = match key {
            Some(key) => Some((key, read_followers(connection, ask, key, row, &mut room)?)),
            None => None,
        };
        answer.due.push(Found { work: found, line });
    }
    Ok(())
}

/// Reads what waits in line behind a delivery that has its turn.
fn read_followers(
    connection: &Connection,
    ask: &Ask,
    key: OrderKey,
    turn: &Row<'_>,
    room: &mut Room,
) -> Result<Vec<lane::Work>, Error> {
    let mut followers = Vec::new();
    let (mut most, mut bytes) = (room.deliveries.min(FOLLOWERS), room.bytes.get());
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} {JOINS} WHERE {TARGET} AND d.order_key = ?2 AND d.state = 8
         AND (d.seq, d.step, d.item, d.run) > (?3, ?4, ?5, ?6)
         ORDER BY d.seq, d.step, d.item, d.run",
    ))?;
    let (seq, step): (i64, u16) = (turn.get(3)?, turn.get(4)?);
    let (item, run): (u32, u16) = (turn.get(5)?, turn.get(6)?);
    let key = key.to_bytes();
    let mut rows = statement.query((ask.target.as_str(), key, seq, step, item, run))?;
    while most > 0 && bytes > 0 {
        let Some(row) = rows.next()? else { break };
        if ask.held.contains(&delivery_id(row)?) {
            continue;
        }
        // Whose time hasn't come when it has its turn waits for it in the ledger, and all behind it.
        if timestamp(row, 12)?.is_some_and(|due| due > ask.now) {
            break;
        }
        followers.push(work(connection, &ask.ring, row, &mut bytes)?);
        most -= 1;
    }
    room.deliveries -= followers.len();
    room.bytes = ByteCount::new(bytes);
    Ok(followers)
}

/// Reads what is to be dead letters because another one of its order key is.
fn read_doomed(connection: &Connection, ask: &Ask, answer: &mut Due) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "SELECT order_key, until FROM doomed WHERE target = (SELECT id FROM targets WHERE name = ?)",
    )?;
    let mut keys = statement.query([ask.target.as_str()])?;
    let mut bytes = DOOMED_BYTES;
    while let Some(doomed) = keys.next()? {
        let (key, until): ([u8; 16], i64) = (doomed.get(0)?, doomed.get(1)?);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} {JOINS} WHERE {TARGET} AND d.order_key = ?2 AND d.state = 8
             AND d.seq < ?3 AND d.run = 0",
        ))?;
        let mut rows = statement.query((ask.target.as_str(), key, until))?;
        while let Some(row) = rows.next()? {
            if bytes == 0 || answer.doomed.len() == DOOMED {
                return Ok(());
            }
            if !ask.held.contains(&delivery_id(row)?) {
                answer
                    .doomed
                    .push(work(connection, &ask.ring, row, &mut bytes)?);
            }
        }
    }
    Ok(())
}

/// Says of the buckets whether the lane has all that there is: of those of the order keys that were
/// found, and where all that is fresh was read, of all.
fn look_at_buckets(connection: &Connection, ask: &Ask, answer: &mut Due) -> Result<(), Error> {
    let lines = || answer.due.iter().filter_map(|found| found.line.as_ref());
    let is_all = answer.read_fresh && !answer.more;
    if !is_all && lines().next().is_none() {
        return Ok(());
    }
    let number = connection
        .prepare_cached("SELECT id FROM targets WHERE name = ?")?
        .query_row([ask.target.as_str()], |row| row.get(0))
        .optional()?;
    let Some(number) = number else {
        answer.dirty = is_all.then(Vec::new);
        return Ok(());
    };
    let followers = lines().flat_map(|(_, followers)| followers);
    let given = answer.due.iter().map(|found| &found.work).chain(followers);
    let given: HashSet<_> = given.map(|work| work.delivery).collect();
    let known = Known {
        has: &ask.held,
        given: &given,
        let_go: &ask.let_go,
    };
    if is_all {
        answer.dirty = Some(lines::unknown(connection, number, &known)?);
        return Ok(());
    }
    let found: HashSet<_> = lines().map(|(key, _)| bucket(*key)).collect();
    let mut clean = Vec::new();
    for bucket in found {
        if lines::is_known(connection, number, bucket, &known)? {
            clean.push(bucket);
        }
    }
    answer.clean = clean;
    Ok(())
}

fn delivery_id(row: &Row<'_>) -> Result<DeliveryId, Error> {
    row::delivery(row, MessageId::from_bytes(row.get(0)?), 4)
}

pub(super) fn work(
    connection: &Connection,
    ring: &Ring,
    row: &Row<'_>,
    bytes: &mut u64,
) -> Result<lane::Work, Error> {
    let head = Bytes::from(row.get::<_, Vec<u8>>(1)?);
    let body = Bytes::from(row.get::<_, Vec<u8>>(2)?);
    let delivery = delivery_id(row)?;
    let mut message = read_message(&head, Some(body), ring)?;
    if row.get::<_, i64>(14)? > 0
        && let Some(edited) = edits::of(connection, row.get(3)?, delivery, ring)?
    {
        message.request = edited.in_place_of(&message.request);
    }
    *bytes = bytes.saturating_sub(message.request.body.len() as u64);
    let key_run: Option<u16> = row.get(13)?;
    Ok(lane::Work {
        delivery,
        key: DeliveryId {
            run: key_run.unwrap_or(delivery.run),
            ..delivery
        },
        message: Arc::new(message),
        plan: PlanHash::from_bytes(row.get(7)?),
        step: row.get(8)?,
        progress: Progress {
            attempts: row.get(9)?,
            used: row.get(10)?,
            spent: Duration::from_millis(row.get::<_, i64>(11)?.cast_unsigned()),
        },
    })
}

/// What waits for each target.
pub(crate) fn backlog(connection: &Connection) -> Result<Vec<Backlog>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT t.name,
           (SELECT count(*) FROM deliveries d WHERE d.target = t.id AND d.state = 0)
             + (SELECT count(*) FROM deliveries d WHERE d.target = t.id AND d.state = 1)
             + (SELECT count(*) FROM deliveries d WHERE d.target = t.id AND d.state = 7)
             + (SELECT count(*) FROM deliveries d WHERE d.target = t.id AND d.state = 8
                AND d.order_key IS NOT NULL),
           min(coalesce((WITH RECURSIVE waiting (plan) AS (
                 SELECT min(plan) FROM deliveries d WHERE d.target = t.id AND d.state = 0
                 UNION ALL
                 SELECT (SELECT min(plan) FROM deliveries d WHERE d.target = t.id AND d.state = 0
                   AND d.plan > waiting.plan) FROM waiting WHERE waiting.plan IS NOT NULL)
               SELECT min((SELECT min(seq) FROM deliveries d WHERE d.target = t.id AND d.state = 0
                 AND d.plan = waiting.plan)) FROM waiting), 1 << 62),
               coalesce((SELECT min(seq) FROM deliveries d WHERE d.target = t.id AND d.state = 1), 1 << 62)),
           (SELECT count(*) FROM deliveries d WHERE d.target = t.id AND d.state = 3)
         FROM targets t",
    )?;
    let mut rows = statement.query([])?;
    let mut backlogs = Vec::new();
    while let Some(row) = rows.next()? {
        let oldest = oldest(connection, row.get(2)?)?;
        backlogs.push(Backlog {
            target: row::target(row, 0)?,
            pending: row.get::<_, i64>(1)?.cast_unsigned(),
            oldest,
            dead: row.get::<_, i64>(3)?.cast_unsigned(),
        });
    }
    Ok(backlogs)
}

fn oldest(connection: &Connection, seq: i64) -> Result<Option<Timestamp>, Error> {
    let mut statement = connection.prepare_cached("SELECT id FROM messages WHERE seq = ?")?;
    let mut rows = statement.query([seq])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(MessageId::from_bytes(row.get(0)?).timestamp()))
}
