//! Accepting messages: keys are taken, then the journal takes the messages.
//!
//! Where posting is behind, accepting waits for it a little: who sends more than can be kept is
//! slowed down before it is refused. Where the journal's next segment isn't prepared yet, accepting
//! waits until it is, or until the journal says that there is no room for one.
//!
//! The ledger is asked only where a key isn't known in memory and may be older than what is.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fanway_journal::{Class, Rejected};
use fanway_store::{BoxFuture, accept};
use fanway_types::{ByteCount, Message};
use tokio::time::timeout;

use crate::entry::{Entry, Waiter};
use crate::inner::{BEHIND, FULL, Inner, answer};
use crate::keys::Taken;
use crate::ledger;
use crate::receipt::{Issuer, NotDurable, Receipt, receipt};
use crate::record::Record;

impl Inner {
    /// Accepts messages as one group: at once, but where posting is behind.
    pub(crate) fn accept(
        self: &Arc<Self>,
        messages: Vec<Arc<Message>>,
    ) -> BoxFuture<'static, Result<(), accept::Error>> {
        if !self.is_behind() {
            return self.accept_now(messages);
        }
        let inner = Arc::clone(self);
        Box::pin(async move {
            // Refused then, if it is no better.
            let _in_time = timeout(inner.settings.patience, inner.wait_for_posting()).await;
            let accepted = inner.accept_now(messages);
            drop(inner);
            accepted.await
        })
    }

    /// Waits until posting isn't behind any more, or nothing is accepted any more.
    async fn wait_for_posting(&self) {
        loop {
            let mut posted = pin!(self.commons.posted.notified());
            // Before the look: what is posted from now on is told.
            posted.as_mut().enable();
            if !self.is_behind() || self.commons.is_closed() {
                return;
            }
            posted.await;
        }
    }

    /// Accepts messages as one group: at once, but for a group whose keys have to be looked up.
    fn accept_now(
        self: &Arc<Self>,
        messages: Vec<Arc<Message>>,
    ) -> BoxFuture<'static, Result<(), accept::Error>> {
        if messages.iter().all(|message| message.terms.key.is_none()) {
            return self.append(messages, None);
        }
        if self.commons.is_closed() {
            let closed = Err(refused(Rejected::Closed));
            return Box::pin(std::future::ready(closed));
        }
        let now = (self.settings.clock)();
        match self.commons.keys.take(&messages, now) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(taken) if taken.unsure().is_empty() => self.append(messages, Some(taken)),
            Ok(taken) => Box::pin(Arc::clone(self).accept_unsure(messages, taken)),
        }
    }

    /// Accepts messages some of whose keys only the ledger may know.
    async fn accept_unsure(
        self: Arc<Self>,
        messages: Vec<Arc<Message>>,
        mut taken: Taken,
    ) -> Result<(), accept::Error> {
        let hashes = taken.unsure().to_vec();
        self.commons.metrics.looked_up(hashes.len());
        let ring = Arc::clone(&self.ring);
        let asked = self
            .key_reader
            .ask(move |connection, _| ledger::find_keys(connection, &hashes, &ring));
        let found = answer(asked).await;
        let found = found.map_err(|error| accept::Error::Closed(error.to_string()))?;
        taken.settle(&found, (self.settings.clock)())?;
        let appended = self.append(messages, Some(taken));
        drop(self);
        appended.await
    }

    /// Appends messages, which may have taken keys; these are given back where that fails. At once,
    /// but where the journal is still preparing room for them.
    fn append(
        self: &Arc<Self>,
        messages: Vec<Arc<Message>>,
        taken: Option<Taken>,
    ) -> BoxFuture<'static, Result<(), accept::Error>> {
        let Some(appended) = self.try_append(&messages) else {
            return Box::pin(Arc::clone(self).append_when_prepared(messages, taken));
        };
        if appended.is_ok()
            && let Some(taken) = taken
        {
            taken.keep();
        }
        Box::pin(async move { acknowledged(appended?).await })
    }

    /// Tries again whenever the journal has got on with it. It gives up as soon as there won't be
    /// room for now.
    async fn append_when_prepared(
        self: Arc<Self>,
        messages: Vec<Arc<Message>>,
        taken: Option<Taken>,
    ) -> Result<(), accept::Error> {
        let appended = loop {
            let mut prepared = pin!(self.prepared.notified());
            // Before the try: what is prepared from now on is told.
            prepared.as_mut().enable();
            if let Some(appended) = self.try_append(&messages) {
                break appended?;
            }
            prepared.await;
        };
        if let Some(taken) = taken {
            taken.keep();
        }
        drop((self, messages));
        acknowledged(appended).await
    }

    /// Appends messages; `None` while the journal is preparing room for them.
    fn try_append(&self, messages: &[Arc<Message>]) -> Option<Result<Receipt, accept::Error>> {
        if let Some(refusal) = self.refusal() {
            return Some(Err(refusal.into()));
        }
        // A message without its plan could never be posted, nor anything behind it.
        if let Some(message) = messages
            .iter()
            .find(|m| self.commons.plan(m.plan).is_none())
        {
            let plan = message.plan;
            let why = format!("plan {plan} isn't kept");
            return Some(Err(accept::Error::Closed(why)));
        }
        let size = messages.iter().map(|m| m.request.body.len() as u64).sum();
        let (issuer, receipt) = receipt();
        let appended = self.append_all(messages, issuer);
        if matches!(appended, Err(Rejected::Preparing { .. })) {
            return None;
        }
        let was_full = matches!(appended, Err(Rejected::Full { .. }));
        self.last_refused
            .store(if was_full { size } else { 0 }, Ordering::Relaxed);
        Some(appended.map(|()| receipt).map_err(refused))
    }

    /// Appends messages as one group, which is durable when the last of them is.
    fn append_all(&self, messages: &[Arc<Message>], durable: Issuer) -> Result<(), Rejected> {
        let entry = |message, waiter| Entry::new(Record::Message(Arc::clone(message)), waiter);
        let Some((last, others)) = messages.split_last() else {
            durable.issue();
            return Ok(());
        };
        let last = entry(last, Waiter::Durable(durable));
        let appended = if others.is_empty() {
            self.intake.append(last, Class::Message)
        } else {
            let others = others.iter().map(|message| entry(message, Waiter::Nobody));
            let group = others.chain([last]).collect();
            self.intake.append_group(group, Class::Message)
        };
        appended.map(|_| ())
    }
}

async fn acknowledged(appended: Receipt) -> Result<(), accept::Error> {
    appended.await.map_err(|error| {
        accept::Error::Unknown(match error {
            NotDurable::Failed(why) => why,
            NotDurable::Dropped => "the store stopped".to_owned(),
        })
    })
}

fn refused(rejected: Rejected) -> accept::Error {
    match rejected {
        Rejected::Full { .. } => accept::Error::Full {
            reason: "the disk is full",
            retry_after: FULL,
        },
        Rejected::Preparing { .. } | Rejected::QueueFull { .. } => accept::Error::Behind {
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
