//! Outcomes of messages that were posted before they had ended.

use fanway_store::lookup::MessageView;
use fanway_types::{
    DeliveryId, DeliveryState, End, MessageId, OrderKey, Outcome, Plan, StepIndex, Terms, Verdict,
};
use rusqlite::OptionalExtension;

use super::line::Leaves;
use super::{Recorded, Writing, millis, spent};
use crate::ledger::state::{delivery, number, reason_number};
use crate::ledger::{Error, edits, find, history, row, sealed};
use crate::params::Bodies;
use crate::seal::Of;
use crate::view;

/// A message that is in `messages`.
struct Row {
    seq: i64,
    plan: i64,
    /// Bytes of its body and its edits.
    size: u64,
    has_ended: bool,
    has_edits: bool,
    /// The URL that its sender named.
    callback: Option<Box<str>>,
}

/// A row that was brought up to date.
struct Updated {
    target: i64,
    plan: i64,
    /// Its order key, where it is in a line, and the step that it runs.
    line: Option<(OrderKey, StepIndex)>,
}

impl Row {
    /// What of its terms its end has to do with.
    fn terms(&self) -> Terms {
        Terms {
            callback: self.callback.clone(),
            ..Terms::default()
        }
    }
}

impl Writing<'_> {
    /// Brings posted deliveries up to date, message by message.
    pub(super) fn settle(&mut self, mut outcomes: Vec<Recorded<'_>>) -> Result<(), Error> {
        // Stable, so that the outcomes of one delivery stay in their order.
        outcomes.sort_by_key(|(_, outcome)| outcome.delivery.message);
        for of_message in outcomes
            .chunk_by(|(_, left), (_, right)| left.delivery.message == right.delivery.message)
        {
            self.settle_message(of_message[0].1.delivery.message, of_message)?;
        }
        Ok(())
    }

    fn settle_message(&mut self, id: MessageId, outcomes: &[Recorded<'_>]) -> Result<(), Error> {
        // A message that isn't there any more has ended: nothing of it can change.
        let Some(row) = self.row(id)?.filter(|row| !row.has_ended) else {
            return Ok(());
        };
        let ends = |(_, outcome): &Recorded<'_>| matches!(outcome.verdict, Verdict::Ended(_));
        if outcomes.iter().any(ends) && self.remove_ended(id, &row, outcomes)? {
            return Ok(());
        }
        let mut last = None;
        for (position, outcome) in outcomes {
            let Some(plan) = self.update(row.seq, *position, outcome)? else {
                continue;
            };
            match outcome.verdict {
                Verdict::Ended(End::Dead(_)) => {
                    self.settle_death(*position, &row, outcome.delivery, plan)?;
                    last = Some(*position);
                }
                Verdict::Ended(_) => last = Some(*position),
                Verdict::Again { .. } => {}
            }
        }
        match last {
            Some(position) => self.end_message(position, id, &row),
            None => Ok(()),
        }
    }

    /// Tells of a delivery that is dead by now, where the plan that it ran asks for that.
    fn settle_death(
        &mut self,
        position: u64,
        row: &Row,
        delivery: DeliveryId,
        plan: i64,
    ) -> Result<(), Error> {
        let plan = self.plans.by_number(self.connection, plan)?;
        if plan.on_dead.is_none() {
            return Ok(());
        }
        let own = self.plans.by_number(self.connection, row.plan)?;
        let view = find::view(self.connection, self.ring, row.seq, delivery.message, &own)?;
        let dead = view.deliveries.iter().find(|known| known.id == delivery);
        match dead {
            Some(dead) => self.notify_of_death(position, dead, &plan),
            None => Ok(()),
        }
    }

    /// Removes a message that ends with these outcomes and isn't kept: its rows needn't be brought
    /// up to date first. Returns whether it was one.
    fn remove_ended(
        &mut self,
        id: MessageId,
        row: &Row,
        outcomes: &[Recorded<'_>],
    ) -> Result<bool, Error> {
        let plan = self.plans.by_number(self.connection, row.plan)?;
        let mut view = find::view(self.connection, self.ring, row.seq, id, &plan)?;
        let mut last = 0;
        for (position, outcome) in outcomes {
            view::apply(&mut view, outcome);
            last = *position;
        }
        if !view.state.has_ended() || self.is_kept(view.state) {
            return Ok(false);
        }
        self.notify_of_end(last, &view, &plan, &row.terms())?;
        self.remove(row, &plan, &view)?;
        Ok(true)
    }

    /// Leaves nothing of a message but its history.
    fn remove(&mut self, row: &Row, plan: &Plan, view: &MessageView) -> Result<(), Error> {
        self.free_lines_of(row.seq, plan)?;
        *self.backlog = self.backlog.saturating_sub(row.size);
        let ended = history::Ended {
            id: view.id,
            plan: row.plan,
            view,
        };
        history::put(self.connection, &ended)?;
        if row.has_edits {
            edits::remove(self.connection, row.seq)?;
        }
        for sql in [
            "DELETE FROM deliveries WHERE seq = ?",
            "DELETE FROM messages WHERE seq = ?",
        ] {
            self.connection.prepare_cached(sql)?.execute([row.seq])?;
        }
        Ok(())
    }

    fn row(&self, id: MessageId) -> Result<Option<Row>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, plan, size + edited, ended_at, edited > 0, callback FROM messages WHERE id = ?",
        )?;
        let mut rows = statement.query([id.to_bytes()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let callback = sealed::text(self.ring, Of::Callback(id), row.get_ref(5)?)?;
        Ok(Some(Row {
            seq: row.get(0)?,
            plan: row.get(1)?,
            size: row.get::<_, i64>(2)?.cast_unsigned(),
            has_ended: row.get::<_, Option<i64>>(3)?.is_some(),
            has_edits: row.get(4)?,
            callback: callback.map(Into::into),
        }))
    }

    /// Brings a delivery up to date, and returns its plan's number; `None` where it has ended
    /// before. One that was called off stays so until it ends.
    fn update(&mut self, seq: i64, position: u64, outcome: &Outcome) -> Result<Option<i64>, Error> {
        let (state, due, reason) = match outcome.verdict {
            Verdict::Ended(End::Dead(reason)) => (delivery::DEAD, None, Some(reason)),
            Verdict::Ended(end) => (number(DeliveryState::from(end)), None, None),
            Verdict::Again { due, .. } => (delivery::SCHEDULED, Some(due), None),
        };
        let id = outcome.delivery;
        let fallback = outcome.fallback.as_ref();
        let fallback = fallback
            .map(|name| self.target(name, position))
            .transpose()?;
        let detail = outcome.detail.as_deref();
        let detail = detail.map(|text| sealed::put_text(self.ring, Of::Detail(id), text));
        let updated: Option<Updated> = self
            .connection
            .prepare_cached(
                "UPDATE deliveries SET state = iif(state IN (7, 8) AND ?1 = 1, state, ?1), due = ?2,
                 attempts = max(attempts, ?3), used = ?4, spent = ?5, at = ?6,
                 status = coalesce(?7, status), reason = ?8, detail = ?9,
                 fallback_of = iif(?10 IS NULL, fallback_of, coalesce(fallback_of, target)),
                 target = coalesce(?10, target)
                 WHERE seq = ?11 AND step = ?12 AND item = ?13 AND run = ?14 AND state IN (0, 1, 7, 8)
                 RETURNING target, plan, order_key, plan_step",
            )?
            .query_row(
                rusqlite::params![
                    state,
                    due.map(millis),
                    outcome.attempts,
                    outcome.used,
                    spent(outcome),
                    millis(outcome.at),
                    outcome.status,
                    reason.map(reason_number),
                    detail,
                    fallback,
                    seq,
                    id.step,
                    id.item,
                    id.run,
                ],
                |row| {
                    let step = row.get(3)?;
                    let line = row.get::<_, Option<_>>(2)?;
                    Ok(Updated {
                        target: row.get(0)?,
                        plan: row.get(1)?,
                        line: line.map(|key| (OrderKey::from_bytes(key), step)),
                    })
                },
            )
            .optional()?;
        let Some(Updated { target, plan, line }) = updated else {
            return Ok(None);
        };
        if let Some((key, step)) = line {
            let of_row = (seq, id.step, id.item, id.run);
            let plan = self.plans.by_number(self.connection, plan)?;
            if let Some(leaves) = Leaves::by(outcome.verdict, &plan, step) {
                self.leave((target, key), of_row, leaves, position)?;
            }
        }
        if let Some(due) = due {
            let name = row::target_name(self.connection, target)?;
            self.note_due(&name, due);
        }
        Ok(Some(plan))
    }

    /// Writes a message's history where all of its deliveries have ended now.
    fn end_message(&mut self, position: u64, id: MessageId, row: &Row) -> Result<(), Error> {
        let plan = self.plans.by_number(self.connection, row.plan)?;
        let view = find::view(self.connection, self.ring, row.seq, id, &plan)?;
        let Some(ended_at) = view.ended_at else {
            return Ok(());
        };
        self.notify_of_end(position, &view, &plan, &row.terms())?;
        if !self.is_kept(view.state) {
            return self.remove(row, &plan, &view);
        }
        *self.backlog = self.backlog.saturating_sub(row.size);
        let ended = history::Ended {
            id,
            plan: row.plan,
            view: &view,
        };
        history::put(self.connection, &ended)?;
        let sql = match self.bodies {
            Bodies::None => {
                edits::remove(self.connection, row.seq)?;
                "UPDATE messages SET ended_at = ?, body = NULL, edited = 0 WHERE seq = ?"
            }
            Bodies::Failures | Bodies::All => "UPDATE messages SET ended_at = ? WHERE seq = ?",
        };
        self.connection
            .prepare_cached(sql)?
            .execute((millis(ended_at), row.seq))?;
        Ok(())
    }
}
