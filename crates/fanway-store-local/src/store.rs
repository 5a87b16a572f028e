//! The store's handle: what stands before the seam.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fanway_journal::Class;
use fanway_store::change::{self, Audit, AuditPage, CancelError, Control};
use fanway_store::event::Events;
use fanway_store::job::{self, Candidates, Count, Filter, Job};
use fanway_store::lookup::Found;
use fanway_store::notice::CallbackOrigin;
use fanway_store::trouble::Trouble;
use fanway_store::{Backlog, BoxFuture, Error, Health, Lane, Store, accept, dead};
use fanway_types::{
    ByteCount, DeliveryId, Message, MessageId, Plan, PlanHash, TargetName, Timestamp,
};
use rusqlite::Connection;

use crate::entry::{Entry, Waiter};
use crate::inner::{Inner, answer};
use crate::lane::LocalLane;
use crate::ledger;
use crate::params::Syncing;
use crate::receipt::receipt;
use crate::record::{Controlled, Record, Troubled};
use crate::view;

/// How long an operator's question waits for what is known in memory to be posted.
const PATIENCE: Duration = Duration::from_secs(1);

/// A local store that is open. Clones are handles of the same one.
///
/// It stops when it is closed, or when the last handle and the last lane are dropped.
#[derive(Clone, Debug)]
pub struct LocalStore {
    pub(crate) inner: Arc<Inner>,
}

impl Store for LocalStore {
    fn keep_plan(&self, plan: Arc<Plan>) -> BoxFuture<'_, Result<PlanHash, Error>> {
        Box::pin(async move {
            self.inner.check_open()?;
            let hash = plan.hash();
            if self.inner.commons.plan(hash).is_some() {
                return Ok(hash);
            }
            let (issuer, receipt) = receipt();
            let entry = Entry::new(Record::Plan(Arc::clone(&plan)), Waiter::Durable(issuer));
            self.inner
                .intake
                .append(entry, Class::Message)
                .map_err(|rejected| Error::Engine(Arc::new(rejected)))?;
            match receipt.await {
                // Not before: a message must not come before its plan in the journal.
                Ok(()) => Ok(self.inner.commons.add_plan(&plan)),
                Err(_) => Err(Error::Closed),
            }
        })
    }

    fn plan(&self, hash: PlanHash) -> BoxFuture<'_, Result<Option<Arc<Plan>>, Error>> {
        let found = self.inner.check_open();
        let found = found.map(|()| self.inner.commons.plan(hash));
        Box::pin(std::future::ready(found))
    }

    fn accept(&self, messages: Vec<Arc<Message>>) -> BoxFuture<'static, Result<(), accept::Error>> {
        self.inner.accept(messages)
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
        Box::pin(self.letters(query))
    }

    fn dead_letter(&self, id: DeliveryId) -> BoxFuture<'_, Result<Option<dead::Opened>, Error>> {
        Box::pin(async move {
            self.catch_up().await;
            let ring = Arc::clone(&self.inner.ring);
            self.ask(move |connection, plans| ledger::dead_letter(connection, plans, &ring, id))
                .await
        })
    }

    fn redrive(
        &self,
        redrives: Vec<change::Redrive>,
        job: Option<Job>,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Result<DeliveryId, dead::Error>>, Error>> {
        Box::pin(self.redrive_all(redrives, job, audit, now))
    }

    fn discard(
        &self,
        id: DeliveryId,
        reason: String,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>> {
        Box::pin(self.discard_one(id, reason, audit, now))
    }

    fn cancel(
        &self,
        id: MessageId,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), CancelError>> {
        Box::pin(self.call_off(id, audit, now))
    }

    fn candidates(
        &self,
        filter: Filter,
        after: Option<job::Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Candidates, Error>> {
        Box::pin(self.go_through(filter, after, limit))
    }

    fn count(&self, filter: Filter) -> BoxFuture<'_, Result<Count, Error>> {
        Box::pin(self.count_all(filter))
    }

    fn keep_job(&self, job: Job, audit: Option<Audit>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.keep(Record::Job(Arc::new(job)), audit))
    }

    fn jobs(&self) -> BoxFuture<'_, Result<Vec<Job>, Error>> {
        Box::pin(async move {
            self.catch_up().await;
            self.ask(|connection, _| ledger::jobs(connection)).await
        })
    }

    fn controls(&self) -> BoxFuture<'_, Result<Vec<(TargetName, Control)>, Error>> {
        Box::pin(async move {
            self.catch_up().await;
            self.ask(|connection, _| ledger::controls(connection)).await
        })
    }

    fn keep_control(
        &self,
        target: TargetName,
        control: Control,
        audit: Option<Audit>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let controlled = Controlled { target, control };
        Box::pin(self.keep(Record::Control(Arc::new(controlled)), audit))
    }

    fn troubles(&self) -> BoxFuture<'_, Result<Vec<(TargetName, Trouble)>, Error>> {
        Box::pin(async move {
            self.catch_up().await;
            self.ask(|connection, _| ledger::troubles(connection)).await
        })
    }

    fn keep_trouble(
        &self,
        target: TargetName,
        trouble: Trouble,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let troubled = Troubled { target, trouble };
        Box::pin(self.keep(Record::Trouble(Arc::new(troubled)), None))
    }

    fn note(&self, audit: Audit) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.keep(Record::Audit(Arc::new(audit)), None))
    }

    fn audit(&self, below: Option<u64>, limit: usize) -> BoxFuture<'_, Result<AuditPage, Error>> {
        Box::pin(async move {
            self.catch_up().await;
            self.ask(move |connection, _| ledger::audit(connection, below, limit))
                .await
        })
    }

    fn adopt(&self, old: &TargetName, heir: &TargetName) -> Result<(), Error> {
        self.inner.check_open()?;
        self.inner.commons.adopt(old, heir)
    }

    fn origins(&self) -> Vec<CallbackOrigin> {
        self.inner.commons.origins()
    }

    fn watch(&self) -> Events {
        self.inner.commons.watchers.watch()
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        Box::pin(async move {
            let backlog = self
                .ask(|connection, _| ledger::backlog(connection))
                .await?;
            Ok(self.inner.commons.aliases.of_heirs(backlog))
        })
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
        let journal = inner.intake.journal().ok_or(Error::Closed)?;
        let flushed = tokio::task::spawn_blocking(move || journal.flush()).await;
        flushed
            .map_err(|_| Error::Closed)?
            .map_err(|poison| Error::Engine(Arc::new(poison)))?;
        inner.commons.bell.ask().await.map_err(|_| Error::Closed)
    }

    /// Lets the ledger catch up with what is known in memory, so that an operator finds what a
    /// sender has been shown. Where that takes too long, what is posted by then has to do.
    pub(crate) async fn catch_up(&self) {
        let _late = tokio::time::timeout(PATIENCE, self.inner.commons.bell.ask()).await;
    }

    /// Asks the ledger.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection, &mut ledger::Plans) -> Result<T, ledger::Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        self.inner.check_open()?;
        answer(self.inner.query_reader.ask(question)).await
    }

    pub(crate) async fn find(&self, id: MessageId) -> Result<Found, Error> {
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
                let ring = Arc::clone(&inner.ring);
                self.ask(move |connection, plans| ledger::find(connection, plans, &ring, id))
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
        for delivery in &mut view.deliveries {
            if let Cow::Owned(name) = inner.commons.aliases.now(&delivery.target) {
                delivery.target = name;
            }
        }
        match view.ended_at {
            Some(ended_at) if ended_at.saturating_add(keep) < now => Ok(Found::Expired),
            _ => Ok(Found::Message(view)),
        }
    }
}
