//! Threads that read the ledger, each with a connection of its own.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use fanway_journal::step_back;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::ledger::{Error, Plans, open_reader};

type Question = Box<dyn FnOnce(&mut Connection, &mut Plans) + Send>;

/// A thread that answers questions to the ledger, one after the other.
///
/// What may wait is bounded by who asks: each lane has one question under way, and look-ups are
/// as many as connections are admitted.
#[derive(Debug)]
pub(crate) struct Reader {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    questions: VecDeque<Question>,
    closed: bool,
}

impl Reader {
    /// Opens the ledger and starts the thread.
    pub(crate) fn start(ledger: &Path, name: &str) -> Result<Self, StartError> {
        Self::start_with(ledger, name, || ())
    }

    /// The same for one that steps back behind the threads that serve.
    pub(crate) fn start_behind(ledger: &Path, name: &str) -> Result<Self, StartError> {
        Self::start_with(ledger, name, step_back)
    }

    fn start_with(
        ledger: &Path,
        name: &str,
        begin: impl FnOnce() + Send + 'static,
    ) -> Result<Self, StartError> {
        let mut connection = open_reader(ledger)?;
        let desk = Arc::new(Desk::default());
        let at_desk = Arc::clone(&desk);
        let work = move || {
            begin();
            let mut plans = Plans::default();
            while let Some(question) = at_desk.next() {
                question(&mut connection, &mut plans);
            }
        };
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(StartError::Thread)?;
        Ok(Self {
            desk,
            thread: Some(thread),
        })
    }

    /// Asks; the answer comes through the receiver, which fails where the thread has ended.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection, &mut Plans) -> Result<T, Error> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, Error>> {
        let (sender, receiver) = oneshot::channel();
        self.desk.add(Box::new(move |connection, plans| {
            // Whoever asked may have gone away.
            let _gone = sender.send(question(connection, plans));
        }));
        receiver
    }
}

/// Why a reader wasn't started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ledger couldn't be opened.
    #[error(transparent)]
    Ledger(#[from] Error),
    /// The system gave no thread.
    #[error("no thread could be started")]
    Thread(#[source] std::io::Error),
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.desk.state().closed = true;
        self.desk.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has nothing left to tell.
            let _panicked = thread.join();
        }
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, question: Question) {
        self.state().questions.push_back(question);
        self.changed.notify_one();
    }

    /// The next question; `None` once it is closed and all are answered.
    fn next(&self) -> Option<Question> {
        let idle = |state: &mut State| state.questions.is_empty() && !state.closed;
        let mut state = self
            .changed
            .wait_while(self.state(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        state.questions.pop_front()
    }
}
