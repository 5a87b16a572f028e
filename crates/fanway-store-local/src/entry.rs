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
use crate::seal::{OVERHEAD, Ring};

/// Values that are sealed in a record at most, with some room for their fields.
const SEALS: usize = 3;

/// A record on its way into the journal.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) waiter: Waiter,
    /// What those who watch are told of it, where that isn't in the record.
    pub(crate) event: Option<Box<Event>>,
    /// The record's bytes, where something in it is sealed: that is done before the committer's
    /// thread has it, and they are given up once they are written.
    pub(crate) sealed: Option<Box<[u8]>>,
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
            sealed: None,
        }
    }

    /// The same with what is in the record sealed, where anything is.
    pub(crate) fn sealed(mut self, ring: &Ring) -> Self {
        if let Some(key) = ring.sealing().filter(|_| codec::has_content(&self.record)) {
            let mut bytes = Vec::with_capacity(codec::size(&self.record) + SEALS * OVERHEAD);
            codec::write(&self.record, Some(&key), &mut bytes);
            self.sealed = Some(bytes.into());
        }
        self
    }
}

impl journal::Entry for Entry {
    fn size(&self) -> usize {
        match &self.sealed {
            None => codec::size(&self.record),
            Some(bytes) => bytes.len(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match &self.sealed {
            None => codec::write(&self.record, None, out),
            Some(bytes) => out.extend_from_slice(bytes),
        }
    }
}
