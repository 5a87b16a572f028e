//! Checkpoints of the ledger's write-ahead log, off the posting thread.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

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
    /// Bytes that the log had at the last checkpoint.
    log: Arc<AtomicU64>,
}

impl Checkpointer {
    /// Opens the ledger and starts the thread.
    pub(crate) fn start(ledger: &Path) -> Result<Self, StartError> {
        let connection = open_reader(ledger)?;
        connection
            .pragma_update(None, "query_only", false)
            .map_err(crate::ledger::Error::from)?;
        let (nudges, nudged) = sync_channel(1);
        let log = Arc::new(AtomicU64::new(0));
        let of_thread = Arc::clone(&log);
        let thread = thread::Builder::new()
            .name("ledger-checkpoint".to_owned())
            .spawn(move || run(&connection, &nudged, &of_thread))
            .map_err(StartError::Thread)?;
        Ok(Self {
            nudges: Some(nudges),
            thread: Some(thread),
            log,
        })
    }

    /// Asks for a checkpoint, unless one is asked for already.
    pub(crate) fn nudge(&self) {
        if let Some(nudges) = &self.nudges {
            let _asked_already = nudges.try_send(None);
        }
    }

    /// Bytes that the log had at the last checkpoint.
    pub(crate) fn log(&self) -> u64 {
        self.log.load(Ordering::Relaxed)
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

fn run(connection: &Connection, nudged: &Receiver<Nudge>, log: &AtomicU64) {
    while let Ok(nudge) = nudged.recv() {
        match checkpoint(connection) {
            Ok(bytes) => log.store(bytes, Ordering::Relaxed),
            // What could not be moved stays in the log, and is moved the next time.
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the ledger's checkpoint failed"
            ),
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
