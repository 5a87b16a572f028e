//! The inside of an open store: its threads' common ground, the journal's intake, the readers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fanway_journal::{Class, Journal, Rejected};
use fanway_store::lane::Work;
use fanway_store::{Error, Problem, accept, dead};
use fanway_types::{ByteCount, MemoryBudget, Message};
use tokio::sync::oneshot;

use crate::commons::{Commons, Trouble};
use crate::entry::{Entry, Waiter};
use crate::ledger::{self, Changed};
use crate::params::{Clock, Keep, Syncing};
use crate::reader::Reader;
use crate::record::Record;
use crate::tail::Ticket;

/// What a caller is told to wait when posting has fallen behind.
const BEHIND: Duration = Duration::from_secs(1);
/// What a caller is told to wait when there is no room.
const FULL: Duration = Duration::from_secs(5);

/// An open store's parts.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) commons: Arc<Commons>,
    pub(crate) lane_reader: Reader,
    pub(crate) query_reader: Reader,
    pub(crate) budget: MemoryBudget,
    pub(crate) intake: Mutex<Intake>,
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
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// The journal, and how many entries were appended to it.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) journal: Option<Journal<Entry>>,
    pub(crate) appended: Ticket,
    pub(crate) poster: Option<JoinHandle<()>>,
}

/// Why nothing is accepted, whatever a message is like.
#[derive(Debug)]
enum Refusal {
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
    /// Appends entries as one group; returns the last one's ticket.
    pub(crate) fn append(&self, entries: Vec<Entry>, class: Class) -> Result<Ticket, Rejected> {
        let count = entries.len() as Ticket;
        // The lock makes tickets follow the journal's order.
        let mut intake = self.intake();
        intake
            .journal
            .as_ref()
            .ok_or(Rejected::Closed)?
            .append_group(entries, class)?;
        intake.appended += count;
        Ok(intake.appended)
    }

    /// How many entries were appended.
    pub(crate) fn appended(&self) -> Ticket {
        self.intake().appended
    }

    pub(crate) fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the journal has done, while it is open.
    pub(crate) fn journal_stats(&self) -> Option<fanway_journal::Stats> {
        self.intake().journal.as_ref().map(Journal::stats)
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
    fn refusal(&self) -> Option<Refusal> {
        match self.commons.trouble() {
            Some(Trouble::Failed(error)) => return Some(Refusal::Failed(error)),
            Some(Trouble::Stuck) => return Some(Refusal::Stuck),
            None => {}
        }
        let unposted = self.commons.tail_bytes.load(Ordering::Relaxed);
        if unposted > self.settings.tail.get() {
            return Some(Refusal::Behind);
        }
        let backlog = self.commons.backlog.load(Ordering::Relaxed);
        if self.settings.max.is_some_and(|max| backlog >= max.get()) {
            return Some(Refusal::Backlog);
        }
        let missing = self.commons.headroom.missing(unposted);
        missing.map(|_| Refusal::Disk)
    }

    pub(crate) fn accept(
        &self,
        messages: Vec<Arc<Message>>,
    ) -> Result<oneshot::Receiver<Result<(), String>>, accept::Error> {
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
        let (sender, receiver) = oneshot::channel();
        let mut entries: Vec<_> = messages
            .into_iter()
            .map(|message| Entry {
                record: Record::Message(message),
                waiter: Waiter::Nobody,
            })
            .collect();
        // A group is durable when its last entry is.
        match entries.last_mut() {
            Some(last) => last.waiter = Waiter::Durable(sender),
            None => drop(sender.send(Ok(()))),
        }
        let appended = self.append(entries, Class::Message);
        let was_full = matches!(appended, Err(Rejected::Full { .. }));
        self.last_refused
            .store(if was_full { size } else { 0 }, Ordering::Relaxed);
        appended.map_err(refused)?;
        Ok(receiver)
    }

    /// Whether the journal has no room for a message like the last one, which was refused.
    fn is_too_full_for_the_last(&self, room: u64) -> bool {
        let size = self.last_refused.load(Ordering::Relaxed);
        size > 0 && room < self.settings.reserve.saturating_add(size)
    }

    /// Appends a change and waits until the ledger shows it.
    pub(crate) async fn change(&self, record: Record) -> Result<Changed, dead::Error> {
        let (sender, receiver) = oneshot::channel();
        let entry = Entry {
            record,
            waiter: Waiter::Posted(sender),
        };
        self.append(vec![entry], Class::Message)
            .map_err(|rejected| match rejected {
                Rejected::Full { .. } | Rejected::QueueFull { .. } | Rejected::TooLarge { .. } => {
                    dead::Error::Full
                }
                Rejected::Poisoned(_) | Rejected::Closed => dead::Error::Store(Error::Closed),
            })?;
        receiver
            .await
            .map_err(|_| dead::Error::Store(Error::Closed))
    }

    /// Makes all durable and posts it, then closes the journal. Blocks.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let (journal, poster) = {
            let mut intake = self.intake();
            (intake.journal.take(), intake.poster.take())
        };
        let Some(journal) = journal else {
            return Ok(());
        };
        let poisoned = |poison| Error::Engine(Arc::new(poison));
        self.commons.close();
        let flushed = journal.flush().map_err(poisoned);
        self.commons.bell.close();
        if let Some(poster) = poster {
            // A poster that panicked leaves the rest to the next start.
            let _panicked = poster.join();
        }
        flushed?;
        journal.close().map_err(poisoned)?;
        Ok(())
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |code, detail| problems.push(Problem { code, detail });
        let Some(journal) = self.intake().journal.clone() else {
            add("closed", "the store is closed".to_owned());
            return problems;
        };
        let health = journal.health();
        if let Some(poison) = health.poisoned {
            add("journal_poisoned", poison.to_string());
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
        let poster = self.intake().poster.take();
        if let Some(poster) = poster {
            let _panicked = poster.join();
        }
    }
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
