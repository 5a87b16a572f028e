//! What is handed to the journal: a record, and who is told of it.

use std::sync::Arc;

use fanway_journal as journal;
use fanway_store::event::Event;
use tokio::sync::oneshot;

use crate::cancel::CallOff;
use crate::codec;
use crate::feed::Feed;
use crate::ledger::Changed;
use crate::receipt::Issuer;
use crate::record::Record;

/// A record on its way into the journal.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) waiter: Waiter,
    /// What those who watch are told of it, where that isn't in the record.
    pub(crate) event: Option<Box<Event>>,
}

/// Who waits for a record.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// Nobody.
    Nobody,
    /// Somebody, for its being durable.
    Durable(Issuer),
    /// A lane, for its being durable: it is woken.
    Lane(Arc<Feed>),
    /// Somebody, for its being posted, and for what became of it.
    Posted(oneshot::Sender<Changed>),
    /// Somebody who calls a message off.
    CallOff(Box<CallOff>),
}

impl Entry {
    /// A record of which nobody else is told.
    pub(crate) fn new(record: Record, waiter: Waiter) -> Self {
        Self {
            record,
            waiter,
            event: None,
        }
    }
}

impl journal::Entry for Entry {
    fn size(&self) -> usize {
        codec::size(&self.record)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        codec::write(&self.record, out);
    }
}
