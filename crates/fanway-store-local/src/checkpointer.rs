//! Checkpoints of the ledger's write-ahead log, off the posting thread.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use fanway_journal::step_back;
use rusqlite::Connection;

use crate::ledger::{checkpoint, open_reader};
use crate::reader::StartError;

/// Somebody who waits for the end of a checkpoint, or nobody.
type Nudge = Option<SyncSender<()>>;

/// A thread that moves the write-ahead log into the database after postings.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    nudges: Option<SyncSender<Nudge>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Opens the ledger and starts the thread.
    pub(crate) fn start(ledger: &Path) -> Result<Self, StartError> {
        let connection = open_reader(ledger)?;
        connection
            .pragma_update(None, "query_only", false)
            .map_err(crate::ledger::Error::from)?;
        let (nudges, nudged) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("ledger-checkpoint".to_owned())
            .spawn(move || {
                step_back();
                run(&connection, &nudged);
            })
            .map_err(StartError::Thread)?;
        Ok(Self {
            nudges: Some(nudges),
            thread: Some(thread),
        })
    }

    /// Asks for a checkpoint, unless one is asked for already.
    pub(crate) fn nudge(&self) {
        if let Some(nudges) = &self.nudges {
            let _asked_already = nudges.try_send(None);
        }
    }

    /// Waits for a checkpoint that begins after this call. While nothing is written it moves the
    /// whole log, which then begins anew: without that, one that is written all the time would
    /// only grow.
    pub(crate) fn catch_up(&self) {
        let (done, wait) = sync_channel(1);
        if let Some(nudges) = &self.nudges
            && nudges.send(Some(done)).is_ok()
        {
            // A thread that panicked moves nothing more.
            let _panicked = wait.recv();
        }
    }
}

fn run(connection: &Connection, nudged: &Receiver<Nudge>) {
    while let Ok(nudge) = nudged.recv() {
        if let Err(error) = checkpoint(connection) {
            // What could not be moved stays in the log, and is moved the next time.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the ledger's checkpoint failed"
            );
        }
        if let Some(waiting) = nudge {
            // It holds one answer, and this is the only one.
            let _gone = waiting.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.nudges = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
