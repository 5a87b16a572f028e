//! A store in memory: all that the seam promises, but for outliving its process.
//!
//! Messages are accepted at once and outcomes are kept at once, unless a test has switched that
//! off. A lane that is dropped gives back what it held, as a process that dies does.

mod book;
mod lane;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_store::lookup::Found;
use fanway_store::{Backlog, BoxFuture, Error, Health, Lane, Redrive, Store, accept, dead};
use fanway_types::{
    DeliveryId, Message, MessageId, Outcome, Plan, PlanHash, TargetName, Timestamp,
};
use tokio::sync::Notify;

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
}

impl MemoryStore {
    /// From now on outcomes can't be kept: lanes find it closed for them, and what they record
    /// all the same waits.
    pub fn refuse_outcomes(&self) {
        self.shared.lock().refuse_outcomes();
    }

    /// From now on outcomes can be kept again, those included that have waited.
    pub fn keep_outcomes(&self) {
        self.shared.lock().keep_outcomes();
        self.shared.changed.notify_waiters();
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
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Store for MemoryStore {
    fn keep_plan(&self, plan: Arc<Plan>) -> BoxFuture<'_, Result<PlanHash, Error>> {
        ready(self.shared.lock().keep_plan(plan))
    }

    fn plan(&self, hash: PlanHash) -> BoxFuture<'_, Result<Option<Arc<Plan>>, Error>> {
        ready(Ok(self.shared.lock().plan(hash)))
    }

    fn accept(&self, messages: Vec<Arc<Message>>) -> BoxFuture<'static, Result<(), accept::Error>> {
        let accepted = self.shared.lock().accept(&messages);
        self.shared.changed.notify_waiters();
        ready(accepted)
    }

    fn lane(&self, target: &TargetName) -> Result<Box<dyn Lane>, Error> {
        self.shared.lock().open_lane(target)?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(lane::MemoryLane::new(shared, target.clone())))
    }

    fn message(&self, id: MessageId) -> BoxFuture<'_, Result<Found, Error>> {
        ready(Ok(self.shared.lock().look_up(id)))
    }

    fn changed(&self, _id: MessageId) -> BoxFuture<'static, ()> {
        // It counts from now on, not only from its first poll.
        Box::pin(Arc::clone(&self.shared.changed).notified_owned())
    }

    fn dead_letters(&self, query: dead::Query) -> BoxFuture<'_, Result<dead::Page, Error>> {
        ready(Ok(self.shared.lock().dead_letters(&query)))
    }

    fn dead_letter(&self, id: DeliveryId) -> BoxFuture<'_, Result<Option<dead::Opened>, Error>> {
        ready(Ok(self.shared.lock().dead_letter(id)))
    }

    fn redrive(
        &self,
        redrive: Redrive,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<DeliveryId, dead::Error>> {
        let redriven = self.shared.lock().redrive(redrive, now);
        self.shared.changed.notify_waiters();
        ready(redriven)
    }

    fn discard(
        &self,
        id: DeliveryId,
        _reason: String,
        _now: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>> {
        ready(self.shared.lock().discard(id))
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        ready(Ok(self.shared.lock().backlog()))
    }

    fn health(&self) -> Health {
        Health::default()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.shared.lock().close();
        ready(Ok(()))
    }
}
