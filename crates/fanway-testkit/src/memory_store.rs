//! A store in memory: all that the seam promises, but for outliving its process.
//!
//! What it is given it keeps at once, unless a test has switched that off. It has no clock: a key
//! counts at the time at which the message with it was received. A lane that is dropped gives back
//! what it held, as a process that dies does.

mod book;
mod lane;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_store::change::{Audit, AuditPage, CancelError, Control, Redrive};
use fanway_store::event::{Events, Seen};
use fanway_store::job::{Candidates, Count, Cursor, Filter, Job};
use fanway_store::lookup::Found;
use fanway_store::notice::CallbackOrigin;
use fanway_store::trouble::Trouble;
use fanway_store::{Backlog, BoxFuture, Error, Health, Lane, Problem, Store, accept, dead};
use fanway_types::{
    DeliveryId, Message, MessageId, Outcome, Plan, PlanHash, TargetName, Timestamp,
};
use futures_util::stream;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use book::Book;

/// A store in memory. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    changed: Arc<Notify>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the book, and tells those who listen.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.lock();
        let result = change(&mut book);
        book.tell_watchers();
        drop(book);
        self.changed.notify_waiters();
        result
    }
}

/// For tests alone.
impl MemoryStore {
    /// From now on outcomes can't be kept: lanes find it closed for them, and what they record
    /// all the same waits. What operators and senders would change is refused.
    pub fn refuse_outcomes(&self) {
        self.shared.lock().refuse_outcomes();
    }

    /// From now on outcomes can be kept again, those included that have waited.
    pub fn keep_outcomes(&self) {
        self.shared.change(Book::keep_outcomes);
    }

    /// Forgets a message's request, as a store does that no longer keeps its body.
    pub fn forget_request(&self, id: MessageId) {
        self.shared.lock().forget_request(id);
    }

    /// All outcomes that were kept, in the order in which they were recorded.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.shared.lock().outcomes().to_vec()
    }

    /// The most deliveries of a target that its lanes have held at one time.
    #[must_use]
    pub fn most_held(&self, target: &TargetName) -> usize {
        self.shared.lock().most_held(target)
    }

    /// How often it was told what isn't well with a target.
    #[must_use]
    pub fn troubles_kept(&self) -> usize {
        self.shared.lock().records.troubles_kept()
    }
}

impl MemoryStore {
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Book) -> T,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let book = self.shared.lock();
        ready(book.check_open().map(|()| question(&book)))
    }

    fn change<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        change: impl FnOnce(&mut Book) -> Result<T, E>,
    ) -> BoxFuture<'static, Result<T, E>> {
        ready(self.shared.change(|book| {
            book.check_open()?;
            change(book)
        }))
    }
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Store for MemoryStore {
    fn keep_plan(&self, plan: Arc<Plan>) -> BoxFuture<'_, Result<PlanHash, Error>> {
        self.change(|book| Ok(book.keep_plan(plan)))
    }

    fn plan(&self, hash: PlanHash) -> BoxFuture<'_, Result<Option<Arc<Plan>>, Error>> {
        self.ask(|book| book.plan(hash))
    }

    fn accept(&self, messages: Vec<Arc<Message>>) -> BoxFuture<'static, Result<(), accept::Error>> {
        ready(self.shared.change(|book| book.accept(&messages)))
    }

    fn lane(&self, target: &TargetName) -> Result<Box<dyn Lane>, Error> {
        let target = self.shared.lock().open_lane(target)?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(lane::MemoryLane::new(shared, target)))
    }

    fn message(&self, id: MessageId) -> BoxFuture<'_, Result<Found, Error>> {
        self.ask(|book| book.look_up(id))
    }

    fn changed(&self, _id: MessageId) -> BoxFuture<'static, ()> {
        // It counts from now on, not only from its first poll.
        Box::pin(Arc::clone(&self.shared.changed).notified_owned())
    }

    fn dead_letters(&self, query: dead::Query) -> BoxFuture<'_, Result<dead::Page, Error>> {
        self.ask(|book| book.dead_letters(&query))
    }

    fn dead_letter(&self, id: DeliveryId) -> BoxFuture<'_, Result<Option<dead::Opened>, Error>> {
        self.ask(|book| book.dead_letter(id))
    }

    fn redrive(
        &self,
        redrives: Vec<Redrive>,
        job: Option<Job>,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Result<DeliveryId, dead::Error>>, Error>> {
        self.change(|book| Ok(book.redrive(&redrives, job, audit, now)))
    }

    fn discard(
        &self,
        id: DeliveryId,
        _reason: String,
        audit: Option<Audit>,
        _now: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>> {
        self.change(|book| book.discard(id, audit))
    }

    fn cancel(
        &self,
        id: MessageId,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), CancelError>> {
        self.change(|book| book.cancel(id, audit, now))
    }

    fn candidates(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Candidates, Error>> {
        self.ask(|book| book.candidates(&filter, after, limit))
    }

    fn count(&self, filter: Filter) -> BoxFuture<'_, Result<Count, Error>> {
        self.ask(|book| book.count(&filter))
    }

    fn keep_job(&self, job: Job, audit: Option<Audit>) -> BoxFuture<'_, Result<(), Error>> {
        self.change(|book| {
            book.records.keep_job(job);
            book.records.note(audit);
            Ok(())
        })
    }

    fn jobs(&self) -> BoxFuture<'_, Result<Vec<Job>, Error>> {
        self.ask(|book| book.records.jobs())
    }

    fn controls(&self) -> BoxFuture<'_, Result<Vec<(TargetName, Control)>, Error>> {
        self.ask(|book| book.records.controls())
    }

    fn keep_control(
        &self,
        target: TargetName,
        control: Control,
        audit: Option<Audit>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.change(|book| {
            book.records.keep_control(target, control);
            book.records.note(audit);
            Ok(())
        })
    }

    fn troubles(&self) -> BoxFuture<'_, Result<Vec<(TargetName, Trouble)>, Error>> {
        self.ask(|book| book.records.troubles())
    }

    fn keep_trouble(
        &self,
        target: TargetName,
        trouble: Trouble,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.change(|book| {
            book.records.keep_trouble(target, trouble);
            Ok(())
        })
    }

    fn note(&self, audit: Audit) -> BoxFuture<'_, Result<(), Error>> {
        self.change(|book| {
            book.records.note(Some(audit));
            Ok(())
        })
    }

    fn audit(&self, below: Option<u64>, limit: usize) -> BoxFuture<'_, Result<AuditPage, Error>> {
        self.ask(|book| book.records.audit(below, limit))
    }

    fn adopt(&self, old: &TargetName, heir: &TargetName) -> Result<(), Error> {
        self.shared.change(|book| book.adopt(old, heir))
    }

    fn origins(&self) -> Vec<CallbackOrigin> {
        self.shared.lock().origins()
    }

    fn watch(&self) -> Events {
        let Some(watcher) = self.shared.lock().watch() else {
            return Box::pin(stream::empty());
        };
        let seen = stream::unfold(watcher, async |mut watcher| {
            let seen = match watcher.recv().await {
                Ok(events) => Seen::Events(events),
                Err(RecvError::Lagged(batches)) => Seen::Missed(batches),
                Err(RecvError::Closed) => return None,
            };
            Some((seen, watcher))
        });
        Box::pin(seen)
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        self.ask(Book::backlog)
    }

    fn health(&self) -> Health {
        let problem = self.shared.lock().check_open().err().map(|error| Problem {
            code: "closed",
            detail: error.to_string(),
        });
        Health {
            problems: problem.into_iter().collect(),
            ..Health::default()
        }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.shared.change(Book::close);
        ready(Ok(()))
    }
}
