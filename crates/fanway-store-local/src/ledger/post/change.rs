//! What operators do to dead letters.

use fanway_types::DeliveryId;
use rusqlite::OptionalExtension;

use super::{Changed, Writing, millis};
use crate::ledger::Error;
use crate::ledger::state::delivery::{DEAD, DEAD_OFF_LIST, SCHEDULED};
use crate::record::{Discard, Redrive};

/// A message that has a dead letter.
struct Row {
    seq: i64,
    size: u64,
    has_ended: bool,
    has_body: bool,
}

impl Writing<'_> {
    /// Makes the new delivery of a redrive, unless the letter is no longer on the list.
    pub(super) fn redrive(&mut self, redrive: &Redrive) -> Result<Changed, Error> {
        let Some(row) = self.dead_row(redrive.dead)?.filter(|row| row.has_body) else {
            return Ok(Changed::NotDone);
        };
        let (plan_number, plan) = self.plans.by_hash(self.connection, redrive.plan)?;
        let Some(step) = plan.steps.get(usize::from(redrive.step)) else {
            return Ok(Changed::NotDone);
        };
        let target = self.plans.target(self.connection, &step.target)?;
        self.take_off_list(row.seq, redrive.dead)?;
        self.connection
            .prepare_cached(
                "INSERT INTO deliveries (seq, step, item, run, target, plan, plan_step, state, due, attempts, used,
                 spent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)",
            )?
            .execute((
                row.seq,
                redrive.new.step,
                redrive.new.item,
                redrive.new.run,
                target,
                plan_number,
                redrive.step,
                SCHEDULED,
                millis(redrive.due),
            ))?;
        self.connection
            .prepare_cached("UPDATE messages SET ended_at = NULL WHERE seq = ?")?
            .execute([row.seq])?;
        if row.has_ended {
            *self.backlog += row.size;
        }
        let earliest = self
            .posted
            .due
            .entry(step.target.clone())
            .or_insert(redrive.due);
        *earliest = redrive.due.min(*earliest);
        Ok(Changed::Done)
    }

    /// Takes a dead letter off the list, and lets go of its request where nothing else needs it.
    pub(super) fn discard(&mut self, discard: &Discard) -> Result<Changed, Error> {
        let Some(row) = self.dead_row(discard.dead)? else {
            return Ok(Changed::NotDone);
        };
        self.take_off_list(row.seq, discard.dead)?;
        let id = discard.dead;
        self.connection
            .prepare_cached(
                "UPDATE deliveries SET detail = 'discarded: ' || ? || coalesce(char(10) || detail, '')
                 WHERE seq = ? AND step = ? AND item = ? AND run = ?",
            )?
            .execute((&discard.reason, row.seq, id.step, id.item, id.run))?;
        Ok(Changed::Done)
    }

    fn dead_row(&self, dead: DeliveryId) -> Result<Option<Row>, Error> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Row {
                seq: row.get(0)?,
                size: row.get::<_, i64>(1)?.cast_unsigned(),
                has_ended: row.get(2)?,
                has_body: row.get(3)?,
            })
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT m.seq, m.size, m.ended_at IS NOT NULL, m.body IS NOT NULL
             FROM messages m JOIN deliveries d ON d.seq = m.seq
             WHERE m.id = ? AND d.step = ? AND d.item = ? AND d.run = ? AND d.state = ?",
        )?;
        let key = (
            dead.message.to_bytes(),
            dead.step,
            dead.item,
            dead.run,
            DEAD,
        );
        Ok(statement.query_row(key, read).optional()?)
    }

    fn take_off_list(&self, seq: i64, dead: DeliveryId) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE deliveries SET state = ? WHERE seq = ? AND step = ? AND item = ? AND run = ?")?
            .execute((DEAD_OFF_LIST, seq, dead.step, dead.item, dead.run))?;
        Ok(())
    }
}
