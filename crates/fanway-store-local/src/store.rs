//! The store's handle.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fanway_journal::{Class, Journal, Rejected};
use fanway_store::lane::Work;
use fanway_store::lookup::Found;
use fanway_store::{
    Backlog, BoxFuture, Error, Health, Lane, Problem, Redrive, Store, accept, dead,
};
use fanway_types::{
    ByteCount, DeliveryId, MemoryBudget, Message, MessageId, Plan, PlanHash, TargetName, Timestamp,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::commons::Commons;
use crate::entry::{Entry, Waiter};
use crate::lane::LocalLane;
use crate::ledger::{self, Changed};
use crate::params::{Clock, Keep, Syncing};
use crate::reader::Reader;
use crate::record::{Discard, Record};
use crate::tail::Ticket;
use crate::view;

/// What a caller is told to wait when posting has fallen behind.
const BEHIND: Duration = Duration::from_secs(1);
/// What a caller is told to wait when there is no room.
const FULL: Duration = Duration::from_secs(5);

/// A local store that is open. Clones are handles of the same one.
///
/// It stops when it is closed, or when the last handle and the last lane are dropped.
#[derive(Clone, Debug)]
pub struct LocalStore {
    pub(crate) inner: Arc<Inner>,
}

/// An open store's parts.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) commons: Arc<Commons>,
    pub(crate) lane_reader: Reader,
    pub(crate) query_reader: Reader,
    pub(crate) budget: MemoryBudget,
    pub(crate) intake: Mutex<Intake>,
    pub(crate) settings: Settings,
}

/// What of the parameters is needed while the store runs.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    pub(crate) keep: Keep,
    pub(crate) max: Option<ByteCount>,
    pub(crate) sync: Syncing,
    /// Bytes in the tail beyond which nothing is accepted.
    pub(crate) tail: ByteCount,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// The journal, and how many entries were appended to it.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) journal: Option<Journal<Entry>>,
    pub(crate) appended: Ticket,
    pub(crate) poster: Option<JoinHandle<()>>,
}

impl Inner {
    /// Appends entries as one group; returns the last one's ticket.
    pub(crate) fn append(&self, entries: Vec<Entry>, class: Class) -> Result<Ticket, Rejected> {
        let count = entries.len() as Ticket;
        // The lock makes tickets follow the journal's order.
        let mut intake = self.intake();
        intake
            .journal
            .as_ref()
            .ok_or(Rejected::Closed)?
            .append_group(entries, class)?;
        intake.appended += count;
        Ok(intake.appended)
    }

    /// How many entries were appended.
    pub(crate) fn appended(&self) -> Ticket {
        self.intake().appended
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the journal has done, while it is open.
    pub(crate) fn journal_stats(&self) -> Option<fanway_journal::Stats> {
        self.intake().journal.as_ref().map(Journal::stats)
    }

    /// Counts a message that was read back against the memory budget, as far as that has room.
    pub(crate) fn reserved(&self, mut work: Work) -> Work {
        let size = ByteCount::new(work.message.request.body.len() as u64);
        if let Some(message) = Arc::get_mut(&mut work.message) {
            message.reservation = self.budget.try_reserve(size);
        }
        work
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.commons.is_closed() {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    /// Why nothing is accepted now.
    fn refusal(&self) -> Option<accept::Error> {
        if let Some(error) = self.commons.failure() {
            return Some(accept::Error::Closed(format!("the ledger failed: {error}")));
        }
        if self.commons.tail_bytes.load(Ordering::Relaxed) > self.settings.tail.get() {
            return Some(accept::Error::Behind {
                retry_after: BEHIND,
            });
        }
        let backlog = self.commons.backlog.load(Ordering::Relaxed);
        if self.settings.max.is_some_and(|max| backlog >= max.get()) {
            return Some(accept::Error::Full {
                reason: "the backlog has reached store.max",
                retry_after: FULL,
            });
        }
        None
    }

    fn accept(
        &self,
        messages: Vec<Arc<Message>>,
    ) -> Result<oneshot::Receiver<Result<(), String>>, accept::Error> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        // A message without its plan could never be posted, nor anything behind it.
        if let Some(message) = messages
            .iter()
            .find(|m| self.commons.plan(m.plan).is_none())
        {
            let plan = message.plan;
            return Err(accept::Error::Closed(format!("plan {plan} isn't kept")));
        }
        let (sender, receiver) = oneshot::channel();
        let mut entries: Vec<_> = messages
            .into_iter()
            .map(|message| Entry {
                record: Record::Message(message),
                waiter: Waiter::Nobody,
            })
            .collect();
        // A group is durable when its last entry is.
        match entries.last_mut() {
            Some(last) => last.waiter = Waiter::Durable(sender),
            None => drop(sender.send(Ok(()))),
        }
        self.append(entries, Class::Message).map_err(refused)?;
        Ok(receiver)
    }

    /// Appends a change and waits until the ledger shows it.
    async fn change(&self, record: Record) -> Result<Changed, dead::Error> {
        let (sender, receiver) = oneshot::channel();
        let entry = Entry {
            record,
            waiter: Waiter::Posted(sender),
        };
        self.append(vec![entry], Class::Message)
            .map_err(|rejected| match rejected {
                Rejected::Full { .. } | Rejected::QueueFull { .. } | Rejected::TooLarge { .. } => {
                    dead::Error::Full
                }
                Rejected::Poisoned(_) | Rejected::Closed => dead::Error::Store(Error::Closed),
            })?;
        receiver
            .await
            .map_err(|_| dead::Error::Store(Error::Closed))
    }

    /// Makes all durable and posts it, then closes the journal. Blocks.
    fn close(&self) -> Result<(), Error> {
        let (journal, poster) = {
            let mut intake = self.intake();
            (intake.journal.take(), intake.poster.take())
        };
        let Some(journal) = journal else {
            return Ok(());
        };
        let poisoned = |poison| Error::Engine(Arc::new(poison));
        self.commons.close();
        let flushed = journal.flush().map_err(poisoned);
        self.commons.bell.close();
        if let Some(poster) = poster {
            // A poster that panicked leaves the rest to the next start.
            let _panicked = poster.join();
        }
        flushed?;
        journal.close().map_err(poisoned)?;
        Ok(())
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |code, detail| problems.push(Problem { code, detail });
        let Some(journal) = self.intake().journal.clone() else {
            add("closed", "the store is closed".to_owned());
            return problems;
        };
        let health = journal.health();
        if let Some(poison) = health.poisoned {
            add("journal_poisoned", poison.to_string());
        } else if health.full_for_messages {
            let cause = health.starved.map_or_else(
                || "posting has fallen behind".to_owned(),
                |error| error.to_string(),
            );
            add("journal_full", format!("no room for messages: {cause}"));
        }
        match self.refusal() {
            Some(accept::Error::Closed(detail)) => add("ledger_failed", detail),
            Some(accept::Error::Behind { .. }) => {
                add("behind", "posting has fallen behind".to_owned());
            }
            Some(other) => add("backlog_full", other.to_string()),
            None => {}
        }
        problems
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commons.bell.abandon();
        let poster = self.intake().poster.take();
        if let Some(poster) = poster {
            let _panicked = poster.join();
        }
    }
}

fn refused(rejected: Rejected) -> accept::Error {
    match rejected {
        Rejected::Full { .. } => accept::Error::Full {
            reason: "the disk is full",
            retry_after: FULL,
        },
        Rejected::QueueFull { .. } => accept::Error::Behind {
            retry_after: BEHIND,
        },
        Rejected::TooLarge { size, limit } => accept::Error::TooLarge {
            size: ByteCount::new(size),
            limit: ByteCount::new(limit),
        },
        Rejected::Poisoned(cause) => accept::Error::Closed(cause.to_string()),
        Rejected::Closed => accept::Error::Closed("it is shutting down".to_owned()),
    }
}

/// An engine's failure, for whoever stands before the seam.
pub(crate) fn engine(error: ledger::Error) -> Error {
    Error::Engine(Arc::new(error))
}

/// The answer of a reader.
async fn answer<T>(receiver: oneshot::Receiver<Result<T, ledger::Error>>) -> Result<T, Error> {
    receiver.await.map_err(|_| Error::Closed)?.map_err(engine)
}

impl Store for LocalStore {
    fn keep_plan(&self, plan: Arc<Plan>) -> BoxFuture<'_, Result<PlanHash, Error>> {
        Box::pin(async move {
            self.inner.check_open()?;
            let hash = plan.hash();
            if self.inner.commons.plan(hash).is_some() {
                return Ok(hash);
            }
            let (sender, receiver) = oneshot::channel();
            let entry = Entry {
                record: Record::Plan(Arc::clone(&plan)),
                waiter: Waiter::Durable(sender),
            };
            self.inner
                .append(vec![entry], Class::Message)
                .map_err(|rejected| Error::Engine(Arc::new(rejected)))?;
            match receiver.await {
                // Not before: a message must not come before its plan in the journal.
                Ok(Ok(())) => Ok(self.inner.commons.add_plan(&plan)),
                Ok(Err(_)) | Err(_) => Err(Error::Closed),
            }
        })
    }

    fn plan(&self, hash: PlanHash) -> BoxFuture<'_, Result<Option<Arc<Plan>>, Error>> {
        let found = self.inner.check_open();
        let found = found.map(|()| self.inner.commons.plan(hash));
        Box::pin(std::future::ready(found))
    }

    fn accept(&self, messages: Vec<Arc<Message>>) -> BoxFuture<'static, Result<(), accept::Error>> {
        let accepted = self.inner.accept(messages);
        Box::pin(async move {
            match accepted?.await {
                Ok(result) => result.map_err(accept::Error::Unknown),
                Err(_) => Err(accept::Error::Unknown("the store stopped".to_owned())),
            }
        })
    }

    fn lane(&self, target: &TargetName) -> Result<Box<dyn Lane>, Error> {
        self.inner.check_open()?;
        match LocalLane::open(Arc::clone(&self.inner), target) {
            Some(lane) => Ok(Box::new(lane)),
            None => Err(Error::LaneTaken(target.clone())),
        }
    }

    fn message(&self, id: MessageId) -> BoxFuture<'_, Result<Found, Error>> {
        Box::pin(self.find(id))
    }

    fn changed(&self, id: MessageId) -> BoxFuture<'static, ()> {
        let mut listener = self.inner.commons.listen(id);
        Box::pin(async move {
            // A sender that went away is a change as well: there is nothing left to wait for.
            let _changed = listener.changed().await;
        })
    }

    fn dead_letters(&self, query: dead::Query) -> BoxFuture<'_, Result<dead::Page, Error>> {
        Box::pin(self.ask(move |connection, plans| ledger::dead_letters(connection, plans, &query)))
    }

    fn dead_letter(&self, id: DeliveryId) -> BoxFuture<'_, Result<Option<dead::Opened>, Error>> {
        Box::pin(self.ask(move |connection, plans| ledger::dead_letter(connection, plans, id)))
    }

    fn redrive(
        &self,
        redrive: Redrive,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<DeliveryId, dead::Error>> {
        Box::pin(async move {
            let not_found = dead::Error::NotFound(redrive.dead);
            let letter = self
                .dead_letter(redrive.dead)
                .await?
                .ok_or(not_found.clone())?;
            if letter.message.is_none() {
                return Err(dead::Error::NoBody(redrive.dead));
            }
            let plan = self.plan(redrive.plan).await?.ok_or(dead::Error::NoStep)?;
            if plan.steps.len() <= usize::from(redrive.step) {
                return Err(dead::Error::NoStep);
            }
            let new = redrive.dead.next_run().ok_or(dead::Error::NoStep)?;
            let Redrive { dead, plan, step } = redrive;
            let record = Record::Redrive(crate::record::Redrive {
                dead,
                new,
                plan,
                step,
                due: now,
            });
            match self.inner.change(record).await? {
                Changed::Done => Ok(new),
                Changed::NotDone => Err(not_found),
            }
        })
    }

    fn discard(
        &self,
        id: DeliveryId,
        reason: String,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>> {
        Box::pin(async move {
            match self
                .inner
                .change(Record::Discard(Discard {
                    dead: id,
                    at: now,
                    reason,
                }))
                .await?
            {
                Changed::Done => Ok(()),
                Changed::NotDone => Err(dead::Error::NotFound(id)),
            }
        })
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        Box::pin(self.ask(|connection, _| ledger::backlog(connection)))
    }

    fn health(&self) -> Health {
        let inner = &self.inner;
        let notes = match inner.settings.sync {
            Syncing::Always => Vec::new(),
            Syncing::Interval(every) => vec![format!(
                "store.sync is interval: a power loss loses up to {} ms of accepted messages",
                every.as_millis()
            )],
            Syncing::Never => {
                vec!["store.sync is never: a power loss loses accepted messages".to_owned()]
            }
        };
        let backlog = ByteCount::new(inner.commons.backlog.load(Ordering::Relaxed));
        Health {
            problems: inner.problems(),
            notes,
            backlog: Some(backlog),
        }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let closed = tokio::task::spawn_blocking(move || inner.close()).await;
            closed.unwrap_or(Err(Error::Closed))
        })
    }
}

impl LocalStore {
    /// Makes durable what was accepted or recorded before this call, and brings it into the
    /// ledger: from then on lists and counts show it. What is kept long enough is looked for too.
    ///
    /// # Errors
    /// Where the store was closed, the journal is poisoned or the ledger failed.
    pub async fn posted(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        let journal = inner.intake().journal.clone().ok_or(Error::Closed)?;
        let flushed = tokio::task::spawn_blocking(move || journal.flush()).await;
        flushed
            .map_err(|_| Error::Closed)?
            .map_err(|poison| Error::Engine(Arc::new(poison)))?;
        inner.commons.bell.ask().await.map_err(|_| Error::Closed)
    }

    /// Asks the ledger.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection, &mut ledger::Plans) -> Result<T, ledger::Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        self.inner.check_open()?;
        answer(self.inner.query_reader.ask(question)).await
    }

    async fn find(&self, id: MessageId) -> Result<Found, Error> {
        let inner = &self.inner;
        inner.check_open()?;
        let known = inner.commons.tail().find(id);
        let fresh = known.message.and_then(|message| {
            let plan = inner.commons.plan(message.plan)?;
            Some(view::fresh(&message, &plan))
        });
        let (view, posted) = match fresh {
            Some(view) => (Some(view), 0),
            None => {
                self.ask(move |connection, plans| ledger::find(connection, plans, id))
                    .await?
            }
        };
        let keep = inner.settings.keep.messages;
        let now = (inner.settings.clock)();
        let Some(mut view) = view else {
            let expired = id.timestamp().saturating_add(keep) < now;
            return Ok(if expired {
                Found::Expired
            } else {
                Found::Unknown
            });
        };
        for (_, outcome) in known.outcomes.iter().filter(|(end, _)| *end > posted) {
            view::apply(&mut view, outcome);
        }
        match view.ended_at {
            Some(ended_at) if ended_at.saturating_add(keep) < now => Ok(Found::Expired),
            _ => Ok(Found::Message(view)),
        }
    }
}
