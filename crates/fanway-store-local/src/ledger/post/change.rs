//! What operators do to deliveries that have ended.

use fanway_types::{DeliveryId, Step};

use super::{Changed, Writing, millis};
use crate::ledger::old::{Old, Redrivable};
use crate::ledger::state::delivery::{DEAD, DEAD_OFF_LIST, SCHEDULED};
use crate::ledger::{Error, by_hand, edits};
use crate::record::{Discard, Redrive};

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
            edits::put(self.connection, old.seq, redrive.new, edited)?;
            *self.backlog += edited.body.len() as u64;
        }
        self.note_due(&step.target, redrive.due);
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
        self.connection
            .prepare_cached(
                "INSERT INTO deliveries (seq, step, item, run, target, plan, plan_step, state, due, key_run,
                 attempts, used, spent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)",
            )?
            .execute((
                seq,
                new.step,
                new.item,
                new.run,
                target,
                plan,
                redrive.step,
                SCHEDULED,
                millis(redrive.due),
                (key != new).then_some(key.run),
            ))?;
        Ok(())
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
        self.connection
            .prepare_cached(
                "UPDATE deliveries SET detail = 'discarded: ' || ? || coalesce(char(10) || detail, '')
                 WHERE seq = ? AND step = ? AND item = ? AND run = ?",
            )?
            .execute((&discard.reason, old.seq, id.step, id.item, id.run))?;
        Ok(Changed::Done)
    }

    /// A delivery that isn't on the list stays as it is.
    fn take_off_list(&self, seq: i64, dead: DeliveryId) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "UPDATE deliveries SET state = ? WHERE seq = ? AND step = ? AND item = ? AND run = ? AND state = ?",
            )?
            .execute((DEAD_OFF_LIST, seq, dead.step, dead.item, dead.run, DEAD))?;
        Ok(())
    }
}
