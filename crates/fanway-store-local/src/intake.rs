//! The journal's intake: where entries are appended and counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_journal::{Class, Journal, Rejected};

use crate::entry::Entry;
use crate::seal::Ring;
use crate::tail::Ticket;

/// The way into the journal while that is open. The handle, lanes and the posting thread share it.
#[derive(Debug)]
pub(crate) struct Intake {
    state: Mutex<State>,
    ring: Arc<Ring>,
}

#[derive(Debug)]
struct State {
    journal: Option<Journal<Entry>>,
    appended: Ticket,
}

impl Intake {
    /// The intake of a journal that was just started. What comes in is sealed by `ring`.
    pub(crate) fn new(journal: Journal<Entry>, ring: Arc<Ring>) -> Self {
        Self {
            ring,
            state: Mutex::new(State {
                journal: Some(journal),
                appended: 0,
            }),
        }
    }

    /// Appends an entry; returns its ticket.
    pub(crate) fn append(&self, entry: Entry, class: Class) -> Result<Ticket, Rejected> {
        let entry = entry.sealed(&self.ring);
        self.append_with(1, |journal| journal.append(entry, class))
    }

    /// Appends entries as one group; returns the last one's ticket.
    pub(crate) fn append_group(
        &self,
        entries: Vec<Entry>,
        class: Class,
    ) -> Result<Ticket, Rejected> {
        let count = entries.len() as Ticket;
        let seal = |entry: Entry| entry.sealed(&self.ring);
        let entries = entries.into_iter().map(seal).collect();
        self.append_with(count, |journal| journal.append_group(entries, class))
    }

    fn append_with(
        &self,
        count: Ticket,
        append: impl FnOnce(&Journal<Entry>) -> Result<(), Rejected>,
    ) -> Result<Ticket, Rejected> {
        // The lock makes tickets follow the journal's order.
        let mut state = self.state();
        append(state.journal.as_ref().ok_or(Rejected::Closed)?)?;
        state.appended += count;
        Ok(state.appended)
    }

    /// How many entries were appended.
    pub(crate) fn appended(&self) -> Ticket {
        self.state().appended
    }

    /// The journal, while it is open.
    pub(crate) fn journal(&self) -> Option<Journal<Entry>> {
        self.state().journal.clone()
    }

    /// Takes nothing more; returns the journal, where it was open.
    pub(crate) fn close(&self) -> Option<Journal<Entry>> {
        self.state().journal.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
