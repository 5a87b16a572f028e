//! Deliveries that have ended and can be gone through by a person or a job, in the order in which
//! they did: dead letters that are on the list and, where they are asked for, those that were
//! delivered. A part at a time, so that a long list keeps nobody else from the ledger.
//!
//! Of those that ended in the same millisecond the order is that of their ids. A place in it means
//! the same when what was there has gone.

use std::sync::Arc;

use fanway_store::job::{Cursor, Filter, Include};
use fanway_types::{ByteCount, DeadReason, MessageId, RouteName, StepName, TargetName, Timestamp};
use rusqlite::{Connection, Row};

use super::state::{delivery, reason};
use super::{Error, Plans, row, sealed};
use crate::seal::{Of, Ring};

/// Rows that one part looks at, and those of the last one's millisecond.
const ROWS: usize = 5_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    /// Only what is behind this place.
    pub(crate) after: Option<Place>,
    /// The most to return, at least 1.
    pub(crate) limit: usize,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    LatestFirst,
}

/// A place between two deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind this one.
    Behind(Cursor),
    /// Behind all that ended at this time.
    BehindAll(Timestamp),
}

/// A part of what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) found: Vec<Ended>,
    /// Where it goes on; `None` where it is known that there is no more.
    pub(crate) next: Option<Place>,
}

/// A delivery that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) place: Cursor,
    pub(crate) route: RouteName,
    pub(crate) step: StepName,
    pub(crate) target: TargetName,
    /// Why it is dead; `None` for what was delivered.
    pub(crate) reason: Option<DeadReason>,
    pub(crate) detail: Option<Arc<str>>,
    pub(crate) status: Option<u16>,
    pub(crate) attempts: u32,
    pub(crate) size: ByteCount,
    pub(crate) is_kept: bool,
}

/// The columns that [`Ended::read`] reads.
pub(super) const COLUMNS: &str =
    "m.id, d.step, d.item, d.run, m.plan, t.name, d.reason, d.detail, d.status, d.attempts, d.at,
    m.size, m.body IS NOT NULL";

/// Reads a part.
pub(crate) fn part(
    connection: &mut Connection,
    plans: &mut Plans,
    ring: &Ring,
    ask: &Ask,
) -> Result<Part, Error> {
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare_cached(&sql(ask))?;
    let (from, to) = ask.times();
    let target = ask.filter.target.as_ref();
    let target = target.map(TargetName::as_str);
    let mut rows = statement.query((target, from, to))?;
    let text = ask.filter.text.as_deref().map(str::to_ascii_lowercase);
    let mut gathering = Gathering::new(ask);
    while let Some(row) = rows.next()? {
        if !gathering.goes_on_with(timestamp(row)?) {
            return Ok(gathering.part);
        }
        // A later run of a delivered one has taken its place.
        if row.get(13)? {
            continue;
        }
        let ended = Ended::read(&transaction, plans, ring, row)?;
        if fits(&ask.filter, &ended) && has_text(&ended, text.as_deref()) {
            gathering.group.push(ended);
        }
    }
    Ok(gathering.end())
}

fn sql(ask: &Ask) -> String {
    let of_target = ask.filter.target.is_some();
    let (index, states) = match (ask.filter.include, of_target) {
        (Include::Dead, false) => ("deliveries_dead", "d.state = 3"),
        (Include::Dead, true) => ("deliveries_dead_of", "d.state = 3"),
        (Include::All, _) => ("deliveries_ended", "d.state IN (2, 3)"),
    };
    let only = if of_target {
        "d.target = (SELECT id FROM targets WHERE name = ?1)"
    } else {
        "?1 IS NULL"
    };
    let descending = match ask.order {
        Order::OldestFirst => "",
        Order::LatestFirst => "DESC",
    };
    format!(
        "SELECT {COLUMNS}, d.state = {} AND EXISTS (SELECT 1 FROM deliveries l
           WHERE l.seq = d.seq AND l.step = d.step AND l.item = d.item AND l.run > d.run)
         FROM deliveries d INDEXED BY {index} CROSS JOIN messages m ON m.seq = d.seq
           CROSS JOIN targets t ON t.id = d.target
         WHERE {states} AND {only} AND d.at >= ?2 AND d.at < ?3 ORDER BY d.at {descending}",
        delivery::DELIVERED
    )
}

impl Ask {
    /// From when, and before when.
    fn times(&self) -> (i64, i64) {
        let since = self.filter.since.map_or(0, millis);
        let until = self.filter.until.map_or(i64::MAX, millis);
        let next = |at: Timestamp| millis(at).saturating_add(1);
        match (self.after, self.order) {
            (None, _) => (since, until),
            (Some(Place::Behind(place)), Order::OldestFirst) => {
                (since.max(millis(place.at)), until)
            }
            (Some(Place::BehindAll(at)), Order::OldestFirst) => (since.max(next(at)), until),
            (Some(Place::Behind(place)), Order::LatestFirst) => (since, until.min(next(place.at))),
            (Some(Place::BehindAll(at)), Order::LatestFirst) => (since, until.min(millis(at))),
        }
    }

    /// Whether this place is behind the one that is asked for.
    fn is_behind(&self, place: Cursor) -> bool {
        let Some(Place::Behind(after)) = self.after else {
            return true;
        };
        match self.order {
            Order::OldestFirst => place > after,
            Order::LatestFirst => place < after,
        }
    }
}

/// What was found so far, and those that ended in the same millisecond as the last one.
struct Gathering<'a> {
    ask: &'a Ask,
    part: Part,
    group: Vec<Ended>,
    at: Option<Timestamp>,
    looked_at: usize,
}

impl<'a> Gathering<'a> {
    fn new(ask: &'a Ask) -> Self {
        Self {
            ask,
            part: Part::default(),
            group: Vec::new(),
            at: None,
            looked_at: 0,
        }
    }

    /// Whether a row that ended at `at` is part of it.
    fn goes_on_with(&mut self, at: Timestamp) -> bool {
        if let Some(before) = self.at.filter(|before| *before != at) {
            self.close_group();
            if self.part.next.is_none() && self.looked_at >= ROWS {
                self.part.next = Some(Place::BehindAll(before));
            }
            if self.part.next.is_some() {
                return false;
            }
        }
        self.at = Some(at);
        self.looked_at += 1;
        true
    }

    /// Adds the group, in its order, as far as there is room.
    fn close_group(&mut self) {
        let ask = self.ask;
        self.group.retain(|ended| ask.is_behind(ended.place));
        self.group.sort_by_key(|ended| ended.place);
        if ask.order == Order::LatestFirst {
            self.group.reverse();
        }
        self.part.found.append(&mut self.group);
        if self.part.found.len() >= ask.limit {
            self.part.found.truncate(ask.limit);
            let last = self.part.found.last();
            self.part.next = last.map(|last| Place::Behind(last.place));
        }
    }

    fn end(mut self) -> Part {
        self.close_group();
        self.part
    }
}

impl Ended {
    /// Reads [`COLUMNS`].
    pub(super) fn read(
        connection: &Connection,
        plans: &mut Plans,
        ring: &Ring,
        row: &Row<'_>,
    ) -> Result<Self, Error> {
        let delivery = row::delivery(row, MessageId::from_bytes(row.get(0)?), 1)?;
        let plan = plans.by_number(connection, row.get(4)?)?;
        let at = timestamp(row)?;
        let detail = sealed::text(ring, Of::Detail(delivery), row.get_ref(7)?)?;
        Ok(Self {
            place: Cursor { at, delivery },
            route: plan.route.clone(),
            step: row::step(&plan, delivery)?.name.clone(),
            target: row::target(row, 5)?,
            reason: row.get::<_, Option<u8>>(6)?.map(reason).transpose()?,
            detail: detail.map(Into::into),
            status: row.get(8)?,
            attempts: row.get(9)?,
            size: ByteCount::new(row.get::<_, i64>(11)?.cast_unsigned()),
            is_kept: row.get(12)?,
        })
    }
}

/// Whether a detail has a text in it, which is in lower case.
fn has_text(ended: &Ended, text: Option<&str>) -> bool {
    let Some(text) = text else { return true };
    let detail = ended.detail.as_deref();
    detail.is_some_and(|detail| detail.to_ascii_lowercase().contains(text))
}

/// Whether the rest of a filter holds.
fn fits(filter: &Filter, ended: &Ended) -> bool {
    let reason = filter.reason.map(|reason| reason.0);
    filter
        .route
        .as_ref()
        .is_none_or(|route| *route == ended.route)
        && reason.is_none_or(|reason| ended.reason == Some(reason))
}

fn timestamp(row: &Row<'_>) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_millis(
        row.get::<_, i64>(10)?.cast_unsigned(),
    ))
}

fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
