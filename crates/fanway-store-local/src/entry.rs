//! What is handed to the journal: a record, and who waits for it.

use fanway_journal as journal;
use tokio::sync::oneshot;

use crate::codec;
use crate::ledger::Changed;
use crate::record::Record;

/// A record on its way into the journal.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) waiter: Waiter,
}

/// Who waits for a record.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// Nobody.
    Nobody,
    /// Somebody, for its being durable; or for why that isn't known.
    Durable(oneshot::Sender<Result<(), String>>),
    /// Somebody, for its being posted, and for what became of it.
    Posted(oneshot::Sender<Changed>),
}

impl journal::Entry for Entry {
    fn size(&self) -> usize {
        codec::size(&self.record)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        codec::write(&self.record, out);
    }
}
