//! What operators do to deliveries that have ended.

use bytes::Bytes;
use fanway_types::{DeliveryId, OrderKey, Step, StepIndex};
use rusqlite::OptionalExtension;

use super::{Changed, Writing, millis};
use crate::codec;
use crate::ledger::old::{Old, Redrivable};
use crate::ledger::state::delivery::{DEAD, DEAD_OFF_LIST, IN_LINE, SCHEDULED};
use crate::ledger::{Error, by_hand, edits, lines, sealed};
use crate::record::{Discard, Redrive};
use crate::seal::Of;

impl Writing<'_> {
    /// Makes the new delivery of a redrive, unless something was done to the old one meanwhile.
    /// What its job counted beforehand is put right then.
    pub(super) fn redrive(&mut self, redrive: &Redrive) -> Result<Changed, Error> {
        let changed = self.try_redrive(redrive)?;
        match (changed, redrive.job) {
            (Changed::Done, _) => self.posted.redriven += 1,
            (Changed::NotDone, Some(job)) => by_hand::pass_over(self.connection, job)?,
            (Changed::NotDone, None) => {}
        }
        Ok(changed)
    }

    fn try_redrive(&mut self, redrive: &Redrive) -> Result<Changed, Error> {
        let id = redrive.old;
        let can_be_done = |old: &Old| matches!(old.redrivable(id), Redrivable::Yes { .. });
        let Some(old) = Old::find(self.connection, id)?.filter(can_be_done) else {
            return Ok(Changed::NotDone);
        };
        let (plan_number, plan) = self.plans.by_hash(self.connection, redrive.plan)?;
        let Some(step) = plan.steps.get(usize::from(redrive.step)) else {
            return Ok(Changed::NotDone);
        };
        self.take_off_list(old.seq, id)?;
        self.insert_run(old.seq, redrive, plan_number, step)?;
        self.reopen(&old)?;
        if let Some(edited) = &redrive.body {
            edits::put(self.connection, old.seq, redrive.new, edited, self.ring)?;
            *self.backlog += edited.body.len() as u64;
        }
        Ok(Changed::Done)
    }

    fn insert_run(
        &mut self,
        seq: i64,
        redrive: &Redrive,
        plan: i64,
        step: &Step,
    ) -> Result<(), Error> {
        let target = self.target(&step.target, u64::MAX)?;
        let (new, key) = (redrive.new, redrive.key);
        let order_key = match step.order {
            Some(_) => self.order_key(seq, new.step)?,
            None => None,
        };
        let is_in_line = match order_key {
            Some(order_key) => lines::is_taken(self.connection, (target, order_key))?,
            None => false,
        };
        let state = if is_in_line { IN_LINE } else { SCHEDULED };
        if !is_in_line {
            self.note_due(&step.target, redrive.due);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO deliveries (seq, step, item, run, target, plan, plan_step, state, due, key_run,
                 order_key, attempts, used, spent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)",
            )?
            .execute((
                seq,
                new.step,
                new.item,
                new.run,
                target,
                plan,
                redrive.step,
                state,
                millis(redrive.due),
                (key != new).then_some(key.run),
                order_key.map(OrderKey::to_bytes),
            ))?;
        Ok(())
    }

    /// The order key that a message was accepted with for a step.
    fn order_key(&self, seq: i64, step: StepIndex) -> Result<Option<OrderKey>, Error> {
        let head: Vec<u8> = self
            .connection
            .prepare_cached("SELECT head FROM messages WHERE seq = ?")?
            .query_row([seq], |row| row.get(0))?;
        Ok(codec::order_key(&Bytes::from(head), step)?)
    }

    /// The message of a delivery that is made anew is pending again.
    fn reopen(&mut self, old: &Old) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "UPDATE messages SET ended_at = NULL WHERE seq = ? AND ended_at IS NOT NULL",
            )?
            .execute([old.seq])?;
        if old.has_ended {
            *self.backlog += old.size;
        }
        Ok(())
    }

    /// Takes a dead letter off the list, and lets go of its request where nothing else needs it.
    pub(super) fn discard(&mut self, discard: &Discard) -> Result<Changed, Error> {
        let id = discard.dead;
        let Some(old) = Old::find(self.connection, id)?.filter(Old::is_listed) else {
            return Ok(Changed::NotDone);
        };
        self.take_off_list(old.seq, id)?;
        self.note_discard(old.seq, discard)?;
        Ok(Changed::Done)
    }

    /// Says of a dead letter why it was discarded, before what is said of it already.
    fn note_discard(&self, seq: i64, discard: &Discard) -> Result<(), Error> {
        let id = discard.dead;
        let of = Of::Detail(id);
        let key = (seq, id.step, id.item, id.run);
        let before = self
            .connection
            .prepare_cached(
                "SELECT detail FROM deliveries WHERE seq = ? AND step = ? AND item = ? AND run = ?",
            )?
            .query_row(key, |row| Ok(sealed::text(self.ring, of, row.get_ref(0)?)))??;
        let mut detail = format!("discarded: {}", discard.reason);
        if let Some(before) = before {
            detail.push('\n');
            detail.push_str(&before);
        }
        self.connection
            .prepare_cached(
                "UPDATE deliveries SET detail = ? WHERE seq = ? AND step = ? AND item = ? AND run = ?",
            )?
            .execute((
                sealed::put_text(self.ring, of, &detail),
                seq,
                id.step,
                id.item,
                id.run,
            ))?;
        Ok(())
    }

    /// A delivery that isn't on the list stays as it is. One that has blocked its key doesn't any
    /// more.
    fn take_off_list(&mut self, seq: i64, dead: DeliveryId) -> Result<(), Error> {
        let blocked: Option<(i64, [u8; 16])> = self
            .connection
            .prepare_cached(
                "SELECT target, order_key FROM deliveries
                 WHERE seq = ? AND step = ? AND item = ? AND run = ? AND order_key IS NOT NULL",
            )?
            .query_row((seq, dead.step, dead.item, dead.run), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let blocked = blocked.map(|(target, key)| (target, OrderKey::from_bytes(key)));
        self.freed.extend(blocked);
        self.connection
            .prepare_cached(
                "UPDATE deliveries SET state = ?, order_key = NULL
                 WHERE seq = ? AND step = ? AND item = ? AND run = ? AND state = ?",
            )?
            .execute((DEAD_OFF_LIST, seq, dead.step, dead.item, dead.run, DEAD))?;
        Ok(())
    }
}
