//! Accepting messages: keys are taken, then the journal takes the messages.
//!
//! Where posting is behind, accepting waits for it a little: who sends more than can be kept is
//! slowed down before it is refused.
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
            let appended = self.append_messages(messages);
            return Box::pin(async move { acknowledged(appended?).await });
        }
        if self.commons.is_closed() {
            let closed = Err(refused(Rejected::Closed));
            return Box::pin(std::future::ready(closed));
        }
        let now = (self.settings.clock)();
        match self.commons.keys.take(&messages, now) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(taken) if taken.unsure().is_empty() => {
                let appended = self.append_keyed(messages, taken);
                Box::pin(async move { acknowledged(appended?).await })
            }
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
        let asked = self
            .key_reader
            .ask(move |connection, _| ledger::find_keys(connection, &hashes));
        let found = answer(asked).await;
        let found = found.map_err(|error| accept::Error::Closed(error.to_string()))?;
        taken.settle(&found, (self.settings.clock)())?;
        let appended = self.append_keyed(messages, taken);
        drop(self);
        acknowledged(appended?).await
    }

    /// Appends messages that have taken their keys; these are given back where that fails.
    fn append_keyed(
        &self,
        messages: Vec<Arc<Message>>,
        taken: Taken,
    ) -> Result<Receipt, accept::Error> {
        let appended = self.append_messages(messages)?;
        taken.keep();
        Ok(appended)
    }

    fn append_messages(&self, messages: Vec<Arc<Message>>) -> Result<Receipt, accept::Error> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal.into());
        }
        // A message without its plan could never be posted, nor anything behind it.
        if let Some(message) = messages
            .iter()
            .find(|m| self.commons.plan(m.plan).is_none())
        {
            let plan = message.plan;
            return Err(accept::Error::Closed(format!("plan {plan} isn't kept")));
        }
        let size = messages.iter().map(|m| m.request.body.len() as u64).sum();
        let (issuer, receipt) = receipt();
        let appended = self.append_all(messages, issuer);
        let was_full = matches!(appended, Err(Rejected::Full { .. }));
        self.last_refused
            .store(if was_full { size } else { 0 }, Ordering::Relaxed);
        appended.map_err(refused)?;
        Ok(receipt)
    }

    /// Appends messages as one group, which is durable when the last of them is.
    fn append_all(&self, mut messages: Vec<Arc<Message>>, durable: Issuer) -> Result<(), Rejected> {
        let entry = |message, waiter| Entry::new(Record::Message(message), waiter);
        let Some(last) = messages.pop() else {
            durable.issue();
            return Ok(());
        };
        let last = entry(last, Waiter::Durable(durable));
        let appended = if messages.is_empty() {
            self.intake.append(last, Class::Message)
        } else {
            let others = messages
                .into_iter()
                .map(|message| entry(message, Waiter::Nobody));
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
