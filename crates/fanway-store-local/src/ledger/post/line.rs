//! What posting does about lines: who is in one, who leaves it, and who has the turn then.

use fanway_types::{
    DeadReason, End, OrderKey, Plan, StepIndex, TargetName, Timestamp, Verdict, WhenDead,
};

use super::Writing;
use super::fresh::{Fresh, Recorded};
use crate::ledger::lines::{self, Line, Promoted, RowKey};
use crate::ledger::state::delivery;
use crate::ledger::{Error, row};

/// What a delivery's end means to its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    /// It stays: it blocks its key.
    Stays,
    /// The next one has its turn.
    Goes,
    /// It goes, and takes the rest with it.
    Dooms,
}

impl Leaves {
    /// What an outcome means; `None` where the delivery hasn't ended by it.
    pub(super) fn by(verdict: Verdict, plan: &Plan, step: StepIndex) -> Option<Self> {
        let Verdict::Ended(end) = verdict else {
            return None;
        };
        // One that is dead because another one is says nothing more.
        let End::Dead(
            DeadReason::Refused
            | DeadReason::Exhausted
            | DeadReason::Expression
            | DeadReason::Crash
            | DeadReason::Expired
            | DeadReason::Egress,
        ) = end
        else {
            return Some(Self::Goes);
        };
        let order = plan
            .steps
            .get(usize::from(step))
            .and_then(|step| step.order.as_ref());
        Some(
            match order.map(|order| order.when_dead).unwrap_or_default() {
                WhenDead::Skip => Self::Goes,
                WhenDead::Block => Self::Stays,
                WhenDead::DeadLetterRest => Self::Dooms,
            },
        )
    }
}

/// How a delivery's row begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: u8,
    pub(super) due: Option<Timestamp>,
    /// Its order key, where it is in a line.
    pub(super) key: Option<OrderKey>,
}

impl Standing {
    pub(super) fn out_of_line(state: u8, due: Option<Timestamp>) -> Self {
        Self {
            state,
            due,
            key: None,
        }
    }
}

impl Writing<'_> {
    /// How a delivery with an order key begins that is posted for the first time, and would as
    /// `standing` says without one: it comes into its line unless it has ended.
    pub(super) fn come(
        &mut self,
        line: Line,
        fresh: &Fresh<'_>,
        step: StepIndex,
        last: Option<Recorded<'_>>,
        standing: Standing,
    ) -> Result<Standing, Error> {
        let key = Some(line.1);
        let plan = &fresh.plan.1;
        let leaves = last.and_then(|(_, last)| Leaves::by(last.verdict, plan, step));
        match leaves.zip(last) {
            Some((Leaves::Stays, _)) => return Ok(Standing { key, ..standing }),
            Some((Leaves::Goes, _)) => return Ok(standing),
            Some((Leaves::Dooms, (position, _))) => {
                lines::doom(self.connection, line, position)?;
                self.freed.insert(line);
                return Ok(standing);
            }
            None => {}
        }
        let (state, due) = if lines::is_taken(self.connection, line)? {
            (delivery::IN_LINE, standing.due)
        } else {
            let accepted = fresh.message.received_at();
            (delivery::SCHEDULED, standing.due.or(Some(accepted)))
        };
        Ok(Standing { state, due, key })
    }

    /// Takes one out of its line by its end, where that is what its end means.
    pub(super) fn leave(
        &mut self,
        line: Line,
        key: RowKey,
        leaves: Leaves,
        position: u64,
    ) -> Result<(), Error> {
        if leaves == Leaves::Stays {
            return Ok(());
        }
        if leaves == Leaves::Dooms {
            lines::doom(self.connection, line, position)?;
        }
        lines::leave(self.connection, key)?;
        self.freed.insert(line);
        Ok(())
    }

    /// Notes the lines that a message's deliveries are in, before all of it is removed.
    pub(super) fn free_lines_of(&mut self, seq: i64, plan: &Plan) -> Result<(), Error> {
        // What is made anew by another plan is in a line only where it would be by its own.
        if plan.is_ordered() {
            self.freed.extend(lines::of_message(self.connection, seq)?);
        }
        Ok(())
    }

    /// Gives the next one its turn in each line that something has left. All up to `posted` is in
    /// the ledger.
    pub(super) fn promote(&mut self, posted: u64) -> Result<(), Error> {
        for line in std::mem::take(&mut self.freed) {
            self.breath.take();
            let promoted = lines::promote(self.connection, line, posted)?;
            if promoted == Promoted::Nothing {
                continue;
            }
            let target = row::target_name(self.connection, line.0)?;
            match promoted {
                Promoted::Due(due) => self.note_turn(&target, due),
                Promoted::Anew(due) => self.note_due(&target, due),
                Promoted::Doomed => self.note_turn(&target, Timestamp::default()),
                Promoted::Nothing => {}
            }
        }
        Ok(())
    }

    /// Notes that one has its turn in a line, and when it is due.
    pub(super) fn note_turn(&mut self, target: &TargetName, due: Timestamp) {
        let earliest = self.posted.turns.entry(target.clone()).or_insert(due);
        *earliest = due.min(*earliest);
    }
}
