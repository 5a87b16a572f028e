//! A store that remembers what it was given and says what it is told to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fanway_store::change::{Audit, AuditPage, CancelError, Control, Redrive};
use fanway_store::event::Events;
use fanway_store::notice::CallbackOrigin;
use fanway_store::trouble::Trouble;
use fanway_store::{Backlog, BoxFuture, Error, Health, Lane, Store, accept, dead, job, lookup};
use fanway_types::{DeliveryId, Message, MessageId, Plan, PlanHash, TargetName, Timestamp};
use tokio::sync::{Semaphore, watch};

const NOT_FOR_INGRESS: &str = "ingress never calls this";

/// See the module.
pub(crate) struct ScriptedStore {
    accepted: Mutex<Vec<Arc<Message>>>,
    refusal: Mutex<Option<accept::Error>>,
    found: Mutex<HashMap<MessageId, lookup::Found>>,
    uncancellable: Mutex<Option<CancelError>>,
    /// What was called off, and whether it was audited.
    pub(crate) cancelled: Mutex<Vec<(MessageId, Option<Audit>)>>,
    version: watch::Sender<u64>,
    /// How many look-ups there were.
    pub(crate) looked_up: watch::Sender<usize>,
    /// How many messages have come to be accepted.
    pub(crate) asked: watch::Sender<usize>,
    /// A permit for each message that may become durable.
    pub(crate) disk: Arc<Semaphore>,
}

impl Default for ScriptedStore {
    fn default() -> Self {
        Self {
            accepted: Mutex::default(),
            refusal: Mutex::default(),
            found: Mutex::default(),
            uncancellable: Mutex::default(),
            cancelled: Mutex::default(),
            looked_up: watch::Sender::default(),
            version: watch::Sender::default(),
            asked: watch::Sender::default(),
            disk: Arc::new(Semaphore::new(1_000)),
        }
    }
}

impl ScriptedStore {
    /// What was accepted so far; forgotten by this.
    pub(crate) fn take_accepted(&self) -> Vec<Arc<Message>> {
        std::mem::take(&mut self.accepted.lock().expect("nobody panics with it"))
    }

    /// Refuses what comes from now on.
    pub(crate) fn refuse(&self, error: accept::Error) {
        *self.refusal.lock().expect("nobody panics with it") = Some(error);
    }

    /// Calls nothing off from now on.
    pub(crate) fn refuse_to_cancel(&self, error: CancelError) {
        *self.uncancellable.lock().expect("nobody panics with it") = Some(error);
    }

    /// Wakes those who wait for a change, without one.
    pub(crate) fn wake(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// What a look-up finds from now on.
    pub(crate) fn show(&self, id: MessageId, found: lookup::Found) {
        self.found
            .lock()
            .expect("nobody panics with it")
            .insert(id, found);
        self.wake();
    }

    /// How many look-ups wait for a change.
    pub(crate) fn waiting(&self) -> usize {
        self.version.receiver_count()
    }
}

impl Store for ScriptedStore {
    fn accept(&self, messages: Vec<Arc<Message>>) -> BoxFuture<'static, Result<(), accept::Error>> {
        let refusal = self.refusal.lock().expect("nobody panics with it").clone();
        if refusal.is_none() {
            let mut accepted = self.accepted.lock().expect("nobody panics with it");
            accepted.extend(messages.iter().cloned());
        }
        self.asked.send_modify(|asked| *asked += messages.len());
        let disk = Arc::clone(&self.disk);
        Box::pin(async move {
            if let Some(refusal) = refusal {
                return Err(refusal);
            }
            let permit = disk.acquire().await.expect("it is never closed");
            permit.forget();
            Ok(())
        })
    }

    fn message(&self, id: MessageId) -> BoxFuture<'_, Result<lookup::Found, Error>> {
        let found = self.found.lock().expect("nobody panics with it");
        let found = found.get(&id).cloned().unwrap_or(lookup::Found::Unknown);
        self.looked_up.send_modify(|times| *times += 1);
        Box::pin(async { Ok(found) })
    }

    fn changed(&self, _: MessageId) -> BoxFuture<'static, ()> {
        let mut version = self.version.subscribe();
        Box::pin(async move {
            let _closed = version.changed().await;
        })
    }

    fn keep_plan(&self, _: Arc<Plan>) -> BoxFuture<'_, Result<PlanHash, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn plan(&self, _: PlanHash) -> BoxFuture<'_, Result<Option<Arc<Plan>>, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn lane(&self, _: &TargetName) -> Result<Box<dyn Lane>, Error> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn dead_letters(&self, _: dead::Query) -> BoxFuture<'_, Result<dead::Page, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn dead_letter(&self, _: DeliveryId) -> BoxFuture<'_, Result<Option<dead::Opened>, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn cancel(
        &self,
        id: MessageId,
        audit: Option<Audit>,
        _: Timestamp,
    ) -> BoxFuture<'_, Result<(), CancelError>> {
        let refusal = self.uncancellable.lock().expect("nobody panics with it");
        let refusal = refusal.clone();
        let mut cancelled = self.cancelled.lock().expect("nobody panics with it");
        cancelled.push((id, audit));
        Box::pin(async move { refusal.map_or(Ok(()), Err) })
    }

    fn redrive(
        &self,
        _: Vec<Redrive>,
        _: Option<job::Job>,
        _: Option<Audit>,
        _: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Result<DeliveryId, dead::Error>>, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn discard(
        &self,
        _: DeliveryId,
        _: String,
        _: Option<Audit>,
        _: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn candidates(
        &self,
        _: job::Filter,
        _: Option<job::Cursor>,
        _: usize,
    ) -> BoxFuture<'_, Result<job::Candidates, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn count(&self, _: job::Filter) -> BoxFuture<'_, Result<job::Count, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn keep_job(&self, _: job::Job, _: Option<Audit>) -> BoxFuture<'_, Result<(), Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn jobs(&self) -> BoxFuture<'_, Result<Vec<job::Job>, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn controls(&self) -> BoxFuture<'_, Result<Vec<(TargetName, Control)>, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn keep_control(
        &self,
        _: TargetName,
        _: Control,
        _: Option<Audit>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn troubles(&self) -> BoxFuture<'_, Result<Vec<(TargetName, Trouble)>, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn keep_trouble(&self, _: TargetName, _: Trouble) -> BoxFuture<'_, Result<(), Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn note(&self, _: Audit) -> BoxFuture<'_, Result<(), Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn audit(&self, _: Option<u64>, _: usize) -> BoxFuture<'_, Result<AuditPage, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn adopt(&self, _: &TargetName, _: &TargetName) -> Result<(), Error> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn origins(&self) -> Vec<CallbackOrigin> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn watch(&self) -> Events {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Vec<Backlog>, Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn health(&self) -> Health {
        Health::default()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
