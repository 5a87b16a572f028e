//! Deliveries that have ended, one by one: whether they can be made anew.

use fanway_types::{DeliveryId, DeliveryState};
use rusqlite::{Connection, OptionalExtension, Row};

use super::state::delivery::{DEAD, DELIVERED};
use super::{Error, Plans, history};

/// What would become of a delivery's redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redrivable {
    /// It can be made anew; `key` is the delivery whose id its attempts carried as their key.
    Yes { key: DeliveryId },
    /// Its request is no longer kept.
    NotKept,
    /// It is neither a dead letter on the list nor delivered, or was made anew before.
    No,
}

/// A delivery that is in `deliveries`, and its message.
pub(super) struct Old {
    pub(super) seq: i64,
    /// Bytes of the message's body and its edits.
    pub(super) size: u64,
    pub(super) has_ended: bool,
    has_body: bool,
    state: u8,
    key_run: Option<u16>,
    is_latest: bool,
}

impl Old {
    pub(super) fn find(connection: &Connection, id: DeliveryId) -> Result<Option<Self>, Error> {
        let mut statement = connection.prepare_cached(
            "SELECT m.seq, m.size + m.edited, m.ended_at IS NOT NULL, m.body IS NOT NULL, d.state, d.key_run,
               NOT EXISTS (SELECT 1 FROM deliveries l
                 WHERE l.seq = d.seq AND l.step = d.step AND l.item = d.item AND l.run > d.run)
             FROM messages m JOIN deliveries d ON d.seq = m.seq
             WHERE m.id = ? AND d.step = ? AND d.item = ? AND d.run = ?",
        )?;
        let read = |row: &Row<'_>| {
            Ok(Self {
                seq: row.get(0)?,
                size: row.get::<_, i64>(1)?.cast_unsigned(),
                has_ended: row.get(2)?,
                has_body: row.get(3)?,
                state: row.get(4)?,
                key_run: row.get(5)?,
                is_latest: row.get(6)?,
            })
        };
        let key = (id.message.to_bytes(), id.step, id.item, id.run);
        Ok(statement.query_row(key, read).optional()?)
    }

    /// Whether it is on the list of dead letters.
    pub(super) fn is_listed(&self) -> bool {
        self.state == DEAD
    }

    /// Whether it can be made anew: the row is `id`'s.
    pub(super) fn redrivable(&self, id: DeliveryId) -> Redrivable {
        if !self.is_latest || !matches!(self.state, DEAD | DELIVERED) {
            return Redrivable::No;
        }
        if !self.has_body {
            return Redrivable::NotKept;
        }
        let run = self.key_run.unwrap_or(id.run);
        Redrivable::Yes {
            key: DeliveryId { run, ..id },
        }
    }
}

/// What would become of a redrive of each of these.
pub(crate) fn redrivable(
    connection: &mut Connection,
    plans: &mut Plans,
    ids: &[DeliveryId],
) -> Result<Vec<Redrivable>, Error> {
    let transaction = connection.transaction()?;
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        answers.push(match Old::find(&transaction, *id)? {
            Some(old) => old.redrivable(*id),
            None => in_history(&transaction, plans, *id)?,
        });
    }
    Ok(answers)
}

/// The same for one whose message isn't kept.
fn in_history(
    connection: &Connection,
    plans: &mut Plans,
    id: DeliveryId,
) -> Result<Redrivable, Error> {
    let message = history::get(connection, plans, id.message)?;
    let mut deliveries = message.iter().flat_map(|message| &message.deliveries);
    let was_delivered =
        deliveries.any(|known| known.id == id && known.state == DeliveryState::Delivered);
    Ok(if was_delivered {
        Redrivable::NotKept
    } else {
        Redrivable::No
    })
}

/// Whether a delivery is on the list of dead letters.
pub(crate) fn is_listed(connection: &mut Connection, id: DeliveryId) -> Result<bool, Error> {
    let old = Old::find(connection, id)?;
    Ok(old.is_some_and(|old| old.is_listed()))
}
