//! Posting: bringing the journal's records into the ledger.
//!
//! A message all of whose deliveries ended within the posted range costs one history row. What
//! has not ended is posted whole and is settled by later outcomes. Posting the same range twice
//! can't happen, since a transaction stores the position that it reached.

mod change;
mod fresh;
mod line;
mod notify;
mod settle;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanway_store::notice::Notice;
use fanway_types::{MessageState, Outcome, Plan, TargetName, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use super::adopt::{Moved, move_some};
use super::called_off::{call_off, left_called_off};
use super::lines::Line;
use super::schema::watch_log;
use super::{Error, Plans, by_hand, find, lines};
use crate::adopt::Aliases;
use crate::breath::Breath;
use crate::cancel::CalledOff;
use crate::params::Bodies;
use crate::record::Record;
use crate::seal::Ring;
use fresh::{Range, Recorded};

/// The writing end of the ledger.
pub(crate) struct Posting {
    connection: Connection,
    plans: Plans,
    aliases: Arc<Aliases>,
    bodies: Bodies,
    ring: Arc<Ring>,
    backlog: u64,
    log: Arc<AtomicU64>,
    breath: Breath,
}

/// What a posting has done that others want to know.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// For each target the earliest due time that was posted for it.
    pub(crate) due: HashMap<TargetName, Timestamp>,
    /// What became of each redrive and discard, in the journal's order.
    pub(crate) changes: Vec<Changed>,
    /// How many redrives were done.
    pub(crate) redriven: u64,
    /// Notices that were made.
    pub(crate) notices: Vec<Notice>,
    /// What was called off and hasn't ended.
    pub(crate) called_off: Vec<CalledOff>,
    /// For each target the earliest due time of those that have their turn in a line, or that are
    /// doomed.
    pub(crate) turns: HashMap<TargetName, Timestamp>,
}

/// What became of a redrive or discard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It was done.
    Done,
    /// There was no such dead letter any more.
    NotDone,
}

impl Posting {
    /// Takes over the writing connection. What is written is sealed by `ring`.
    pub(crate) fn new(
        mut connection: Connection,
        bodies: Bodies,
        ring: Arc<Ring>,
    ) -> Result<Self, Error> {
        let backlog: i64 =
            connection.query_row("SELECT value FROM meta WHERE key = 'backlog'", [], |row| {
                row.get(0)
            })?;
        let log = watch_log(&mut connection)?;
        Ok(Self {
            connection,
            plans: Plans::default(),
            aliases: Arc::default(),
            bodies,
            ring,
            backlog: backlog.cast_unsigned(),
            log,
            breath: Breath::new(0),
        })
    }

    /// The position that was posted up to.
    pub(crate) fn position(&self) -> Result<u64, Error> {
        find::posted(&self.connection)
    }

    /// The same with the other names that targets have.
    pub(crate) fn with(self, aliases: Arc<Aliases>) -> Self {
        Self { aliases, ..self }
    }

    /// All plans that are kept.
    pub(crate) fn plans(&self) -> Result<Vec<Arc<Plan>>, Error> {
        super::plans::all(&self.connection)
    }

    /// Bytes of messages that haven't ended.
    pub(crate) fn backlog(&self) -> u64 {
        self.backlog
    }

    /// Bytes of the write-ahead log. It begins anew with the first transaction after all of it was
    /// moved.
    pub(crate) fn log(&self) -> u64 {
        self.log.load(Ordering::Relaxed)
    }

    /// The breath of the thread that posts.
    pub(crate) fn breath(&mut self) -> &mut Breath {
        &mut self.breath
    }

    /// The writing connection, between postings.
    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// What an earlier process has left called off and not ended; it ends at `now`.
    pub(crate) fn left_called_off(&mut self, now: Timestamp) -> Result<Vec<CalledOff>, Error> {
        left_called_off(&self.connection, &mut self.plans, now)
    }

    /// Moves some of what waits for `old` to the target that it is another name of.
    pub(crate) fn move_some(&mut self, old: &TargetName) -> Result<Moved, Error> {
        let heir = self.aliases.now(old);
        let moved = move_some(&mut self.connection, &mut self.plans, old, &heir);
        if moved.is_err() {
            self.plans.forget();
        }
        moved
    }

    /// Posts records, each with the position behind it, in one transaction that reaches `end`.
    /// `announce` is called before anybody can see what was posted. When it fails nothing was.
    pub(crate) fn post(
        &mut self,
        records: &[(u64, Record)],
        end: u64,
        announce: impl FnOnce(&Posted),
    ) -> Result<Posted, Error> {
        self.breath = Breath::new(records.len());
        let backlog = self.backlog;
        let result = self.try_post(records, end, announce);
        if result.is_err() {
            self.backlog = backlog;
            self.plans.forget();
        }
        result
    }

    fn try_post(
        &mut self,
        records: &[(u64, Record)],
        end: u64,
        announce: impl FnOnce(&Posted),
    ) -> Result<Posted, Error> {
        let Self {
            connection,
            plans,
            aliases,
            bodies,
            ring,
            backlog,
            breath,
            ..
        } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = find::posted(&transaction)?;
        let freed = lines::doomed_behind(&transaction, before)?;
        let mut writing = Writing {
            connection: &transaction,
            plans,
            aliases,
            bodies: *bodies,
            ring,
            backlog,
            breath,
            posted: Posted::default(),
            freed: freed.into_iter().collect(),
        };
        let are_messages = |(_, record): &&(u64, Record)| matches!(record, Record::Message(_));
        let mut range = Range::of(records.iter().filter(are_messages).count());
        for (seq, record) in records {
            writing.breath.take();
            match record {
                Record::Message(message) => writing.add(&mut range, *seq, message)?,
                Record::Outcome(outcome) => range.outcome(*seq, outcome),
                Record::Cancel(cancel) => range.cancels.push(cancel),
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
                Record::Job(job) => by_hand::put_job(&transaction, job)?,
                Record::Control(controlled) => by_hand::put_control(&transaction, controlled)?,
                Record::Trouble(troubled) => by_hand::put_trouble(&transaction, troubled)?,
                Record::Audit(audit) => by_hand::put_audit(&transaction, audit)?,
            }
        }
        writing.write(range)?;
        writing.promote(end)?;
        let posted = writing.posted;
        let mut meta = transaction.prepare_cached("UPDATE meta SET value = ? WHERE key = ?")?;
        meta.execute((end.cast_signed(), "posted"))?;
        meta.execute((backlog.cast_signed(), "backlog"))?;
        drop(meta);
        announce(&posted);
        transaction.commit()?;
        Ok(posted)
    }
}

/// A transaction under way.
struct Writing<'a> {
    connection: &'a Connection,
    plans: &'a mut Plans,
    aliases: &'a Aliases,
    bodies: Bodies,
    ring: &'a Ring,
    backlog: &'a mut u64,
    breath: &'a mut Breath,
    posted: Posted,
    /// Lines that something has left, or may.
    freed: BTreeSet<Line>,
}

impl Writing<'_> {
    fn write(&mut self, range: Range<'_>) -> Result<(), Error> {
        for fresh in &range.fresh {
            self.write_fresh(fresh)?;
            self.breath.take();
        }
        self.settle(range.later)?;
        // Last, so that it is known what has ended by then.
        for cancel in range.cancels {
            let called_off = call_off(self.connection, self.plans, cancel)?;
            self.posted.called_off.extend(called_off);
        }
        Ok(())
    }

    /// Whether an ended message stays in `messages`.
    fn is_kept(&self, state: MessageState) -> bool {
        self.bodies == Bodies::All || matches!(state, MessageState::Failed | MessageState::Partial)
    }

    /// The number of a target's row, under the name that it goes by for a message at `seq`.
    fn target(&mut self, name: &TargetName, seq: u64) -> Result<i64, Error> {
        let name = self.aliases.at(name, seq);
        self.plans.target(self.connection, &name)
    }

    /// Notes when something of a target is due.
    fn note_due(&mut self, target: &TargetName, due: Timestamp) {
        let earliest = self.posted.due.entry(target.clone()).or_insert(due);
        *earliest = due.min(*earliest);
    }
}

fn millis(at: Timestamp) -> i64 {
    at.as_millis().cast_signed()
}

fn spent(outcome: &Outcome) -> i64 {
    i64::try_from(outcome.spent.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
