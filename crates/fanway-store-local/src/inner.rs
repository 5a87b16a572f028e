//! The inside of an open store: its threads' common ground, the journal's intake, the readers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fanway_store::lane::Work;
use fanway_store::{Error, Problem, accept};
use fanway_types::{ByteCount, MemoryBudget};
use tokio::sync::{Notify, oneshot};

use crate::commons::{Commons, Trouble};
use crate::intake::Intake;
use crate::ledger;
use crate::params::{Clock, Keep, Syncing};
use crate::reader::Reader;
use crate::seal::Ring;

/// What a caller is told to wait when posting has fallen behind.
pub(crate) const BEHIND: Duration = Duration::from_secs(1);
/// What a caller is told to wait when there is no room.
pub(crate) const FULL: Duration = Duration::from_secs(5);

/// An open store's parts.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) commons: Arc<Commons>,
    pub(crate) lane_reader: Reader,
    pub(crate) query_reader: Reader,
    pub(crate) key_reader: Reader,
    pub(crate) budget: MemoryBudget,
    pub(crate) intake: Arc<Intake>,
    pub(crate) ring: Arc<Ring>,
    /// Tells that the journal may have room by now where it was preparing some, or has stopped.
    pub(crate) prepared: Arc<Notify>,
    pub(crate) poster: Mutex<Option<JoinHandle<()>>>,
    pub(crate) settings: Settings,
    /// The bytes of the last group, where the journal had no room for it.
    pub(crate) last_refused: AtomicU64,
}

/// What of the parameters is needed while the store runs.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    pub(crate) keep: Keep,
    pub(crate) max: Option<ByteCount>,
    pub(crate) sync: Syncing,
    /// The journal's room that only outcomes may use.
    pub(crate) reserve: u64,
    /// Bytes in the tail beyond which nothing is accepted.
    pub(crate) tail: ByteCount,
    /// How long accepting waits then.
    pub(crate) patience: Duration,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// Why nothing is accepted, whatever a message is like.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The ledger failed, until the next start.
    Failed(Arc<ledger::Error>),
    /// The ledger can't be posted to.
    Stuck,
    /// Too much waits to be posted.
    Behind,
    /// Too much waits for targets.
    Backlog,
    /// See `headroom`.
    Disk,
}

impl Refusal {
    /// The stable word for it, and what it means.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Failed(_) => ("ledger_failed", "the ledger failed"),
            Self::Stuck => ("ledger_full", "the disk has no room for the ledger"),
            Self::Behind => ("behind", "posting has fallen behind"),
            Self::Backlog => ("backlog_full", "the backlog has reached store.max"),
            Self::Disk => (
                "disk_full",
                "the disk is nearly full, and the ledger needs what is left",
            ),
        }
    }

    fn problem(&self) -> Problem {
        let (code, meaning) = self.words();
        let detail = match self {
            Self::Failed(error) => format!("{meaning}: {error}"),
            Self::Stuck | Self::Behind | Self::Backlog | Self::Disk => meaning.to_owned(),
        };
        Problem { code, detail }
    }
}

impl From<Refusal> for accept::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Failed(_) => Self::Closed(refusal.problem().detail),
            Refusal::Behind => Self::Behind {
                retry_after: BEHIND,
            },
            Refusal::Stuck | Refusal::Backlog | Refusal::Disk => Self::Full {
                reason: refusal.words().1,
                retry_after: FULL,
            },
        }
    }
}

impl Inner {
    /// What the journal has done, while it is open.
    pub(crate) fn journal_stats(&self) -> Option<fanway_journal::Stats> {
        self.intake.journal().map(|journal| journal.stats())
    }

    /// Counts a message that was read back against the memory budget, as far as that has room.
    pub(crate) fn reserved(&self, mut work: Work) -> Work {
        let size = ByteCount::new(work.message.request.body.len() as u64);
        if let Some(message) = Arc::get_mut(&mut work.message) {
            message.reservation = self.budget.try_reserve(size);
        }
        work
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.commons.is_closed() {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    /// Why nothing is accepted now.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.commons.trouble() {
            Some(Trouble::Failed(error)) => return Some(Refusal::Failed(error)),
            Some(Trouble::Stuck) => return Some(Refusal::Stuck),
            None => {}
        }
        if self.is_behind() {
            return Some(Refusal::Behind);
        }
        let unposted = self.commons.tail_bytes.load(Ordering::Relaxed);
        let backlog = self.commons.backlog.load(Ordering::Relaxed);
        if self.settings.max.is_some_and(|max| backlog >= max.get()) {
            return Some(Refusal::Backlog);
        }
        let missing = self.commons.headroom.missing(unposted);
        missing.map(|_| Refusal::Disk)
    }

    /// Whether so much isn't posted that nothing is accepted.
    pub(crate) fn is_behind(&self) -> bool {
        self.commons.tail_bytes.load(Ordering::Relaxed) > self.settings.tail.get()
    }

    /// Whether the journal has no room for a message like the last one, which was refused.
    fn is_too_full_for_the_last(&self, room: u64) -> bool {
        let size = self.last_refused.load(Ordering::Relaxed);
        size > 0 && room < self.settings.reserve.saturating_add(size)
    }

    /// Makes all durable and posts it, then closes the journal. Blocks.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let Some(journal) = self.intake.close() else {
            return Ok(());
        };
        let poisoned = |poison| Error::Engine(Arc::new(poison));
        self.commons.close();
        self.prepared.notify_waiters();
        let flushed = journal.flush().map_err(poisoned);
        self.commons.bell.close();
        self.join_poster();
        flushed?;
        journal.close().map_err(poisoned)?;
        self.commons.watchers.end();
        Ok(())
    }

    /// Waits for the posting thread's end, which was asked for.
    fn join_poster(&self) {
        let poster = self
            .poster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(poster) = poster {
            // A poster that panicked leaves the rest to the next start.
            let _panicked = poster.join();
        }
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |code, detail| problems.push(Problem { code, detail });
        let Some(journal) = self.intake.journal() else {
            add("closed", "the store is closed".to_owned());
            return problems;
        };
        let health = journal.health();
        if let Some(poison) = health.poisoned {
            add("journal_poisoned", poison.to_string());
        } else if health.preparing {
            // Messages wait for it.
        } else if health.full_for_messages || self.is_too_full_for_the_last(health.room) {
            let cause = health.starved.map_or_else(
                || "posting has fallen behind".to_owned(),
                |error| error.to_string(),
            );
            add("journal_full", format!("no room for messages: {cause}"));
        }
        problems.extend(self.refusal().map(|refusal| refusal.problem()));
        problems
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commons.bell.abandon();
        self.join_poster();
    }
}

/// An engine's failure, for whoever stands before the seam.
pub(crate) fn engine(error: ledger::Error) -> Error {
    Error::Engine(Arc::new(error))
}

/// The answer of a reader.
pub(crate) async fn answer<T>(
    receiver: oneshot::Receiver<Result<T, ledger::Error>>,
) -> Result<T, Error> {
    receiver.await.map_err(|_| Error::Closed)?.map_err(engine)
}
