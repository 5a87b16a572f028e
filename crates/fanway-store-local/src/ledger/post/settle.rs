//! Outcomes of messages that were posted before they had ended.

use fanway_store::lookup::MessageView;
use fanway_types::{DeliveryState, End, MessageId, Outcome, TargetName, Verdict};
use rusqlite::OptionalExtension;

use super::{Writing, millis, spent};
use crate::ledger::state::{delivery, number, reason_number};
use crate::ledger::{Error, find, history};
use crate::params::Bodies;
use crate::view;

/// A message that is in `messages`.
struct Row {
    seq: i64,
    plan: i64,
    size: u64,
    has_ended: bool,
}

impl Writing<'_> {
    /// Brings posted deliveries up to date, message by message.
    pub(super) fn settle(&mut self, mut outcomes: Vec<&Outcome>) -> Result<(), Error> {
        // Stable, so that the outcomes of one delivery stay in their order.
        outcomes.sort_by_key(|outcome| outcome.delivery.message);
        for of_message in
            outcomes.chunk_by(|left, right| left.delivery.message == right.delivery.message)
        {
            self.settle_message(of_message[0].delivery.message, of_message)?;
        }
        Ok(())
    }

    fn settle_message(&mut self, id: MessageId, outcomes: &[&Outcome]) -> Result<(), Error> {
        // A message that isn't there any more has ended: nothing of it can change.
        let Some(row) = self.row(id)?.filter(|row| !row.has_ended) else {
            return Ok(());
        };
        let ends = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Ended(_));
        if outcomes.iter().any(ends) && self.remove_ended(id, &row, outcomes)? {
            return Ok(());
        }
        let mut any_ended = false;
        for outcome in outcomes {
            let updated = self.update(row.seq, outcome)?;
            any_ended |= updated && matches!(outcome.verdict, Verdict::Ended(_));
        }
        if any_ended {
            self.end_message(id, &row)
        } else {
            Ok(())
        }
    }

    /// Removes a message that ends with these outcomes and isn't kept: its rows needn't be brought
    /// up to date first. Returns whether it was one.
    fn remove_ended(
        &mut self,
        id: MessageId,
        row: &Row,
        outcomes: &[&Outcome],
    ) -> Result<bool, Error> {
        let plan = self.plans.by_number(self.connection, row.plan)?;
        let mut view = find::view(self.connection, row.seq, id, &plan)?;
        for outcome in outcomes {
            view::apply(&mut view, outcome);
        }
        if !view.state.has_ended() || self.is_kept(view.state) {
            return Ok(false);
        }
        self.remove(row, &view)?;
        Ok(true)
    }

    /// Leaves nothing of a message but its history.
    fn remove(&mut self, row: &Row, view: &MessageView) -> Result<(), Error> {
        *self.backlog = self.backlog.saturating_sub(row.size);
        let ended = history::Ended {
            id: view.id,
            plan: row.plan,
            view,
        };
        history::put(self.connection, &ended)?;
        for sql in [
            "DELETE FROM deliveries WHERE seq = ?",
            "DELETE FROM messages WHERE seq = ?",
        ] {
            self.connection.prepare_cached(sql)?.execute([row.seq])?;
        }
        Ok(())
    }

    fn row(&self, id: MessageId) -> Result<Option<Row>, Error> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Row {
                seq: row.get(0)?,
                plan: row.get(1)?,
                size: row.get::<_, i64>(2)?.cast_unsigned(),
                has_ended: row.get::<_, Option<i64>>(3)?.is_some(),
            })
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq, plan, size, ended_at FROM messages WHERE id = ?")?;
        Ok(statement.query_row([id.to_bytes()], read).optional()?)
    }

    /// Brings a delivery up to date; false where it has ended before.
    fn update(&mut self, seq: i64, outcome: &Outcome) -> Result<bool, Error> {
        let (state, due, reason) = match outcome.verdict {
            Verdict::Ended(End::Dead(reason)) => (delivery::DEAD, None, Some(reason)),
            Verdict::Ended(end) => (number(DeliveryState::from(end)), None, None),
            Verdict::Again { due, .. } => (delivery::SCHEDULED, Some(due), None),
        };
        let id = outcome.delivery;
        let target: Option<i64> = self
            .connection
            .prepare_cached(
                "UPDATE deliveries SET state = ?, due = ?, attempts = ?, used = ?, spent = ?, at = ?,
                 status = coalesce(?, status), reason = ?, detail = ?
                 WHERE seq = ? AND step = ? AND item = ? AND run = ? AND state < 2 RETURNING target",
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
                    outcome.detail.as_deref(),
                    seq,
                    id.step,
                    id.item,
                    id.run,
                ],
                |row| row.get(0),
            )
            .optional()?;
        let Some(target) = target else {
            return Ok(false);
        };
        if due.is_some() {
            let name = self.target_name(target)?;
            self.due(&name, Some(outcome));
        }
        Ok(true)
    }

    pub(super) fn target_name(&self, number: i64) -> Result<TargetName, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name FROM targets WHERE id = ?")?;
        let name: String = statement.query_row([number], |row| row.get(0))?;
        name.parse().map_err(|_| Error::Row {
            table: "targets",
            what: "not a name",
        })
    }

    /// Writes a message's history where all of its deliveries have ended now.
    fn end_message(&mut self, id: MessageId, row: &Row) -> Result<(), Error> {
        let plan = self.plans.by_number(self.connection, row.plan)?;
        let view = find::view(self.connection, row.seq, id, &plan)?;
        let Some(ended_at) = view.ended_at else {
            return Ok(());
        };
        if !self.is_kept(view.state) {
            return self.remove(row, &view);
        }
        *self.backlog = self.backlog.saturating_sub(row.size);
        let ended = history::Ended {
            id,
            plan: row.plan,
            view: &view,
        };
        history::put(self.connection, &ended)?;
        let sql = match self.bodies {
            Bodies::None => "UPDATE messages SET ended_at = ?, body = NULL WHERE seq = ?",
            Bodies::Failures | Bodies::All => "UPDATE messages SET ended_at = ? WHERE seq = ?",
        };
        self.connection
            .prepare_cached(sql)?
            .execute((millis(ended_at), row.seq))?;
        Ok(())
    }
}
