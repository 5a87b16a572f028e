//! A store that remembers what it was given and says what it is told to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fanway_store::{Backlog, BoxFuture, Error, Health, Lane, Redrive, Store, accept, dead, lookup};
use fanway_types::{DeliveryId, Message, MessageId, Plan, PlanHash, TargetName, Timestamp};
use tokio::sync::{Semaphore, watch};

const NOT_FOR_INGRESS: &str = "ingress never calls this";

/// See the module.
pub(crate) struct ScriptedStore {
    accepted: Mutex<Vec<Arc<Message>>>,
    refusal: Mutex<Option<accept::Error>>,
    found: Mutex<HashMap<MessageId, lookup::Found>>,
    version: watch::Sender<u64>,
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

    /// What a look-up finds from now on.
    pub(crate) fn show(&self, id: MessageId, found: lookup::Found) {
        self.found
            .lock()
            .expect("nobody panics with it")
            .insert(id, found);
        self.version.send_modify(|version| *version += 1);
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
            let permit = disk.acquire().await.expect("it is never closed");
            permit.forget();
            refusal.map_or(Ok(()), Err)
        })
    }

    fn message(&self, id: MessageId) -> BoxFuture<'_, Result<lookup::Found, Error>> {
        let found = self.found.lock().expect("nobody panics with it");
        let found = found.get(&id).cloned().unwrap_or(lookup::Found::Unknown);
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

    fn redrive(&self, _: Redrive, _: Timestamp) -> BoxFuture<'_, Result<DeliveryId, dead::Error>> {
        unreachable!("{NOT_FOR_INGRESS}")
    }

    fn discard(
        &self,
        _: DeliveryId,
        _: String,
        _: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>> {
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
