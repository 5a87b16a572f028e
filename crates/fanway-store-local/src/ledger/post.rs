//! Posting: bringing the journal's records into the ledger.
//!
//! A message all of whose deliveries ended within the posted range costs one history row. What
//! has not ended is posted whole and is settled by later outcomes. Posting the same range twice
//! can't happen, since a transaction stores the position that it reached.

mod change;
mod settle;

use std::collections::HashMap;
use std::sync::Arc;

use fanway_store::lookup::MessageView;
use fanway_types::{
    Message, MessageId, MessageState, Outcome, Plan, TargetName, Timestamp, Verdict,
};
use rusqlite::{Connection, TransactionBehavior};

use super::state::{number, reason_number};
use super::{Error, Plans, find, history};
use crate::codec::message_head;
use crate::params::Bodies;
use crate::record::Record;
use crate::view;

/// The writing end of the ledger.
pub(crate) struct Posting {
    connection: Connection,
    plans: Plans,
    bodies: Bodies,
    backlog: u64,
}

/// What a posting has done that others want to know.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// For each target the earliest due time that was posted for it.
    pub(crate) due: HashMap<TargetName, Timestamp>,
    /// What became of each redrive and discard, in the journal's order.
    pub(crate) changes: Vec<Changed>,
}

/// What became of a redrive or discard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It was done.
    Done,
    /// There was no such dead letter any more.
    NotDone,
}

/// A message of the range that is being posted.
struct Fresh<'a> {
    seq: u64,
    message: &'a Arc<Message>,
    plan: (i64, Arc<Plan>),
    view: MessageView,
    /// The last outcome of each delivery, in the plan's order.
    outcomes: Vec<Option<&'a Outcome>>,
}

/// The part of a range that hasn't been written yet.
#[derive(Default)]
struct Range<'a> {
    fresh: Vec<Fresh<'a>>,
    places: HashMap<MessageId, usize>,
    /// Outcomes of messages that earlier ranges posted.
    later: Vec<&'a Outcome>,
}

impl Posting {
    /// Takes over the writing connection.
    pub(crate) fn new(connection: Connection, bodies: Bodies) -> Result<Self, Error> {
        let backlog: i64 =
            connection.query_row("SELECT value FROM meta WHERE key = 'backlog'", [], |row| {
                row.get(0)
            })?;
        Ok(Self {
            connection,
            plans: Plans::default(),
            bodies,
            backlog: backlog.cast_unsigned(),
        })
    }

    /// The position that was posted up to.
    pub(crate) fn position(&self) -> Result<u64, Error> {
        find::posted(&self.connection)
    }

    /// All plans that are kept.
    pub(crate) fn plans(&self) -> Result<Vec<Arc<Plan>>, Error> {
        super::plans::all(&self.connection)
    }

    /// Bytes of messages that haven't ended.
    pub(crate) fn backlog(&self) -> u64 {
        self.backlog
    }

    /// The writing connection, between postings.
    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Posts records, each with the position behind it, in one transaction that reaches `end`.
    /// When it fails nothing was posted.
    pub(crate) fn post(&mut self, records: &[(u64, Record)], end: u64) -> Result<Posted, Error> {
        let backlog = self.backlog;
        let result = self.try_post(records, end);
        if result.is_err() {
            self.backlog = backlog;
            self.plans.forget();
        }
        result
    }

    fn try_post(&mut self, records: &[(u64, Record)], end: u64) -> Result<Posted, Error> {
        let Self {
            connection,
            plans,
            bodies,
            backlog,
        } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing {
            connection: &transaction,
            plans,
            bodies: *bodies,
            backlog,
            posted: Posted::default(),
        };
        let mut range = Range::default();
        for (seq, record) in records {
            match record {
                Record::Message(message) => writing.add(&mut range, *seq, message)?,
                Record::Outcome(outcome) => range.outcome(outcome),
                Record::Plan(plan) => writing.plans.add(&transaction, plan)?,
                Record::Redrive(redrive) => {
                    writing.write(std::mem::take(&mut range))?;
                    let changed = writing.redrive(redrive)?;
                    writing.posted.changes.push(changed);
                }
                Record::Discard(discard) => {
                    writing.write(std::mem::take(&mut range))?;
                    let changed = writing.discard(discard)?;
                    writing.posted.changes.push(changed);
                }
            }
        }
        writing.write(range)?;
        let posted = writing.posted;
        let mut meta = transaction.prepare_cached("UPDATE meta SET value = ? WHERE key = ?")?;
        meta.execute((end.cast_signed(), "posted"))?;
        meta.execute((backlog.cast_signed(), "backlog"))?;
        drop(meta);
        transaction.commit()?;
        Ok(posted)
    }
}

impl<'a> Range<'a> {
    fn outcome(&mut self, outcome: &'a Outcome) {
        let Some(place) = self.places.get(&outcome.delivery.message) else {
            self.later.push(outcome);
            return;
        };
        let fresh = &mut self.fresh[*place];
        let ended = |view: &MessageView| {
            view.deliveries
                .iter()
                .any(|known| known.id == outcome.delivery && known.state.has_ended())
        };
        if ended(&fresh.view) {
            return;
        }
        view::apply(&mut fresh.view, outcome);
        if let Some(last) = fresh.outcomes.get_mut(usize::from(outcome.delivery.step)) {
            *last = Some(outcome);
        }
    }
}

/// A transaction under way.
struct Writing<'a> {
    connection: &'a Connection,
    plans: &'a mut Plans,
    bodies: Bodies,
    backlog: &'a mut u64,
    posted: Posted,
}

impl Writing<'_> {
    fn add<'m>(
        &mut self,
        range: &mut Range<'m>,
        seq: u64,
        message: &'m Arc<Message>,
    ) -> Result<(), Error> {
        let plan = self.plans.by_hash(self.connection, message.plan)?;
        let view = view::fresh(message, &plan.1);
        let outcomes = vec![None; view.deliveries.len()];
        range.places.insert(message.id, range.fresh.len());
        range.fresh.push(Fresh {
            seq,
            message,
            plan,
            view,
            outcomes,
        });
        Ok(())
    }

    fn write(&mut self, range: Range<'_>) -> Result<(), Error> {
        for fresh in &range.fresh {
            self.write_fresh(fresh)?;
        }
        self.settle(range.later)
    }

    fn write_fresh(&mut self, fresh: &Fresh<'_>) -> Result<(), Error> {
        let view = &fresh.view;
        if view.state.has_ended() {
            let ended = history::Ended {
                id: view.id,
                plan: fresh.plan.0,
                view,
            };
            history::put(self.connection, &ended)?;
            if !self.is_kept(view.state) {
                return Ok(());
            }
        } else {
            *self.backlog += fresh.message.request.body.len() as u64;
        }
        self.insert_message(fresh)?;
        for (delivery, last) in view.deliveries.iter().zip(&fresh.outcomes) {
            self.insert_delivery(fresh, delivery.id.step, *last)?;
        }
        Ok(())
    }

    /// Whether an ended message stays in `messages`.
    fn is_kept(&self, state: MessageState) -> bool {
        self.bodies == Bodies::All || matches!(state, MessageState::Failed | MessageState::Partial)
    }

    fn insert_message(&self, fresh: &Fresh<'_>) -> Result<(), Error> {
        let body = &fresh.message.request.body;
        let ended_at = fresh.view.ended_at;
        let keeps_body = ended_at.is_none() || self.bodies != Bodies::None;
        self.connection
            .prepare_cached("INSERT INTO messages (seq, id, plan, ended_at, size, head, body) VALUES (?, ?, ?, ?, ?, ?, ?)")?
            .execute((
                fresh.seq.cast_signed(),
                fresh.message.id.to_bytes(),
                fresh.plan.0,
                ended_at.map(millis),
                i64::try_from(body.len()).unwrap_or(i64::MAX),
                message_head(fresh.message),
                keeps_body.then_some(&body[..]),
            ))?;
        Ok(())
    }

    fn insert_delivery(
        &mut self,
        fresh: &Fresh<'_>,
        step: u16,
        last: Option<&Outcome>,
    ) -> Result<(), Error> {
        let view = &fresh.view.deliveries[usize::from(step)];
        let target = self.plans.target(self.connection, &view.target)?;
        let due = self.due(&view.target, last);
        // What a lane gave back without an attempt is scheduled too, though it shows as pending.
        let state = if due.is_some() {
            super::state::delivery::SCHEDULED
        } else {
            number(view.state)
        };
        self.connection
            .prepare_cached(
                "INSERT INTO deliveries (seq, step, item, run, target, plan, plan_step, state, due, attempts, used,
                 spent, at, status, reason, detail) VALUES (?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute((
                fresh.seq.cast_signed(),
                step,
                target,
                fresh.plan.0,
                step,
                state,
                due.map(millis),
                view.attempts,
                last.map_or(0, |last| last.used),
                last.map_or(0, spent),
                view.at.map(millis),
                view.status,
                view.reason.map(reason_number),
                view.detail.as_deref(),
            ))?;
        Ok(())
    }

    /// When a delivery is due after its last outcome, noted for its target.
    fn due(&mut self, target: &TargetName, last: Option<&Outcome>) -> Option<Timestamp> {
        let Verdict::Again { due, .. } = last?.verdict else {
            return None;
        };
        let earliest = self.posted.due.entry(target.clone()).or_insert(due);
        *earliest = due.min(*earliest);
        Some(due)
    }
}

fn millis(at: Timestamp) -> i64 {
    at.as_millis().cast_signed()
}

fn spent(outcome: &Outcome) -> i64 {
    i64::try_from(outcome.spent.as_millis()).unwrap_or(i64::MAX)
}
