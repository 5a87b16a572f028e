//! The handle of a running journal.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::entry::{Class, Entry, Rejected};
use crate::folder;
use crate::format::{Closing, HEADER_LEN, RECORD_OVERHEAD};
use crate::poison::{Doing, Poison};
use crate::position::Position;
use crate::shared::{Shared, Sizes};
use crate::stats::Stats;
use crate::width::in_file;

/// A running journal. Clones are handles of the same one.
///
/// [`close`](Self::close) stops it in order. When the last handle is dropped without that, what is queued is still
/// committed, and the next start checks as after a crash.
pub struct Journal<E: Entry> {
    inner: Arc<Inner<E>>,
}

/// How a journal is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Why it takes nothing any more, if it doesn't.
    pub poisoned: Option<Poison>,
    /// Prepared bytes that are left, for outcomes; messages are refused below the reserve.
    pub room: u64,
    /// Whether even the smallest message would be refused for want of room.
    pub full_for_messages: bool,
    /// Whether even the smallest outcome would be refused for want of room.
    pub full_for_outcomes: bool,
    /// Whether more room is on its way: what is refused for want of it now is worth another try soon.
    pub preparing: bool,
    /// Why no segment could be prepared, when the last attempt failed.
    pub starved: Option<Arc<io::Error>>,
}

struct Inner<E: Entry> {
    shared: Arc<Shared<E>>,
    running: Mutex<Running>,
}

/// The two threads, or how they ended.
enum Running {
    Threads {
        committer: JoinHandle<Result<Closing, Poison>>,
        preparer: JoinHandle<()>,
    },
    Stopped(Result<Position, Poison>),
}

impl<E: Entry> Journal<E> {
    pub(crate) fn new(
        shared: Arc<Shared<E>>,
        committer: JoinHandle<Result<Closing, Poison>>,
        preparer: JoinHandle<()>,
    ) -> Self {
        let running = Mutex::new(Running::Threads {
            committer,
            preparer,
        });
        Self {
            inner: Arc::new(Inner { shared, running }),
        }
    }

    /// Queues an entry. It doesn't wait for the disk: the observer tells what became of it.
    ///
    /// # Errors
    /// [`Rejected`] says why it wasn't queued. The entry is dropped then, and won't be written.
    pub fn append(&self, entry: E, class: Class) -> Result<(), Rejected> {
        let payload = in_file(entry.size() + RECORD_OVERHEAD);
        self.inner.shared.append(
            std::iter::once(entry),
            Sizes {
                entries: 1,
                payload,
            },
            class,
        )
    }

    /// Queues entries of which all or none will be committed, and all or none recovered. An empty group is nothing.
    ///
    /// # Errors
    /// [`Rejected`] says why none was queued. All are dropped then.
    pub fn append_group(&self, entries: Vec<E>, class: Class) -> Result<(), Rejected> {
        if entries.is_empty() {
            return Ok(());
        }
        let sizes = Sizes::of(&entries);
        self.inner.shared.append(entries.into_iter(), sizes, class)
    }

    /// Whatever ends at or before `up_to` isn't needed any more: whole segments of it are used again. A position
    /// lower than an earlier one changes nothing.
    pub fn trim(&self, up_to: Position) {
        let mut state = self.inner.shared.state();
        state.pool.trim(up_to);
        if state.pool.has_task(state.durable) {
            self.inner.shared.prepare.notify_one();
        }
    }

    /// Waits until all that was queued before is committed and synced, whatever [`Syncing`](crate::Syncing) says.
    /// Must not be called by the observer.
    ///
    /// # Errors
    /// The cause, when the journal is or gets poisoned.
    pub fn flush(&self) -> Result<Position, Poison> {
        let shared = &self.inner.shared;
        let mut state = shared.state();
        state.flushes.0 += 1;
        let flush = state.flushes.0;
        shared.work.notify_one();
        loop {
            if state.flushes.1 >= flush {
                return Ok(shared.committed());
            }
            if let Some(poison) = &state.poison {
                return Err(poison.clone());
            }
            if state.ended {
                return Ok(shared.committed());
            }
            state = shared
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stops in order: takes nothing more, commits and syncs all that is queued, ends the threads and writes the
    /// closing record. Returns the journal's end. Other handles are told [`Rejected::Closed`] from now on. Must not be
    /// called by the observer.
    ///
    /// # Errors
    /// The cause, when the journal is or gets poisoned, or the closing record couldn't be written.
    pub fn close(self) -> Result<Position, Poison> {
        let mut running = self.inner.running();
        let stopped = match self.inner.stop(&mut running) {
            Some(Ok(closing)) => self.inner.write_closing(closing).map(|()| closing.end),
            Some(Err(poison)) => Err(poison),
            None => match &*running {
                Running::Stopped(result) => result.clone(),
                Running::Threads { .. } => Ok(self.committed()),
            },
        };
        *running = Running::Stopped(stopped.clone());
        stopped
    }

    /// The end of the last committed batch.
    #[must_use]
    pub fn committed(&self) -> Position {
        self.inner.shared.committed()
    }

    /// How the journal is.
    #[must_use]
    pub fn health(&self) -> Health {
        let state = self.inner.shared.state();
        let smallest = in_file(HEADER_LEN + RECORD_OVERHEAD);
        Health {
            poisoned: state.poison.clone(),
            room: state.room.left(),
            full_for_messages: !state
                .room
                .would_admit(smallest, self.inner.shared.params.reserve),
            full_for_outcomes: !state.room.would_admit(smallest, 0),
            preparing: state.is_preparing(),
            starved: state.pool.starved.clone(),
        }
    }

    /// What the journal has done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = self.inner.shared.counters.snapshot();
        let state = self.inner.shared.state();
        Stats {
            segments: state.pool.sealed.len() + 1,
            spares: state.pool.ready(),
            total: state.pool.total(),
            queued: state.queue.bytes,
            ..counters
        }
    }

    /// Waits until all spares are prepared that the disk and the limits allow, and all trimmed segments are
    /// recycled: for a start that is to be fast from its first message, and for tests.
    pub fn wait_until_prepared(&self) {
        let shared = &self.inner.shared;
        let mut state = shared.state();
        loop {
            let resting = state.idle && !state.pool.has_task(state.durable);
            if resting || state.ended || state.poison.is_some() {
                return;
            }
            state = shared
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<E: Entry> Clone for Journal<E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<E: Entry> fmt::Debug for Journal<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("dir", &self.inner.shared.params.dir)
            .finish_non_exhaustive()
    }
}

impl<E: Entry> Inner<E> {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the threads, if they run. Says where the log ended.
    fn stop(&self, running: &mut Running) -> Option<Result<Closing, Poison>> {
        let stopped = Running::Stopped(Ok(self.shared.committed()));
        let Running::Threads {
            committer,
            preparer,
        } = std::mem::replace(running, stopped)
        else {
            return None;
        };
        self.shared.state().closing = true;
        self.shared.work.notify_one();
        if committer.thread().id() == thread::current().id() {
            // The observer has dropped the last handle: the threads end by themselves.
            return None;
        }
        let ended = committer.join().unwrap_or_else(|_| Err(self.panicked()));
        Some(preparer.join().map_err(|_| self.panicked()).and(ended))
    }

    fn panicked(&self) -> Poison {
        let error = io::Error::other("a thread of the journal panicked");
        let poison = self.shared.state().poison.clone();
        poison.unwrap_or_else(|| Poison::new(Doing::Panic, &self.shared.params.dir, error))
    }

    fn write_closing(&self, closing: Closing) -> Result<(), Poison> {
        let dir = &self.shared.params.dir;
        let (new, closed) = (dir.join(folder::CLOSED_NEW), dir.join(folder::CLOSED));
        let fs = &*self.shared.fs;
        let written = fs.create(&new).and_then(|file| {
            file.write_at(&closing.encode(), 0)?;
            file.sync_data()?;
            fs.rename(&new, &closed)?;
            fs.sync_dir(dir)
        });
        written.map_err(|error| Poison::new(Doing::Close, &closed, error))
    }
}

impl<E: Entry> Drop for Inner<E> {
    fn drop(&mut self) {
        let mut running = self.running();
        let running = std::mem::replace(&mut *running, Running::Stopped(Ok(Position::ZERO)));
        let mut running = running;
        let _ = self.stop(&mut running);
    }
}
