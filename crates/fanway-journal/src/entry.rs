//! What is appended, what becomes of it, and why it may be refused.

use std::fmt;

use crate::poison::Poison;
use crate::position::Position;

/// Something to be kept, together with whatever its owner wants back once it is.
pub trait Entry: Send + 'static {
    /// Bytes that [`encode`](Self::encode) adds. It is asked when the entry is appended.
    fn size(&self) -> usize;

    /// Adds the record's bytes to `out`, exactly [`size`](Self::size) of them, on the committer's thread. What
    /// is in `out` already isn't the entry's. Another size poisons the journal.
    fn encode(&self, out: &mut Vec<u8>);
}

/// Is told what became of entries, on the committer's thread, in the journal's order. It holds up the next
/// batch for as long as it runs; it must not wait for the journal.
pub trait Observer<E>: Send + 'static {
    /// A batch is durable, as far as [`Syncing`](crate::Syncing) promises. Called once for each batch.
    fn committed(&mut self, batch: Committed<E>);

    /// The journal is poisoned: what became of these entries is unknown until it is opened again. They may be
    /// recovered then, or not. Called once, with the batch that failed and all that was queued behind it.
    fn failed(&mut self, entries: Vec<E>, cause: &Poison);
}

/// The entries of a committed batch, in the journal's order.
#[derive(Debug)]
pub struct Committed<E> {
    pub(crate) entries: Vec<E>,
    pub(crate) ends: Vec<Position>,
}

impl<E> Committed<E> {
    /// How many entries; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The position behind the last entry.
    #[must_use]
    pub fn end(&self) -> Position {
        *self.ends.last().expect("a batch is never empty")
    }
}

impl<E> IntoIterator for Committed<E> {
    type Item = (Position, E);
    type IntoIter = std::iter::Zip<std::vec::IntoIter<Position>, std::vec::IntoIter<E>>;

    /// Each entry with the position just behind it.
    fn into_iter(self) -> Self::IntoIter {
        self.ends.into_iter().zip(self.entries)
    }
}

/// What kind of entry it is: what room it may use, and how soon it must be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Somebody waits for it: it is committed at once, and refused while only the reserve is left.
    Message,
    /// Nobody waits for it: it is committed with the next message, or on the tick. It may use the reserve.
    Outcome,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "messages",
            Self::Outcome => "outcomes",
        })
    }
}

/// Why an append was refused. Nothing of the group was or will be written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Rejected {
    /// There is no room left for this class, and none is on its way: the disk is full, or the journal's
    /// [own limit](crate::Params::max_total) is reached. It heals when segments are trimmed or the disk has room.
    #[error("the journal has no room left for {class}")]
    Full {
        /// The class that was refused.
        class: Class,
    },
    /// There is no prepared room left for this class, and more is on its way. [`Progress`](crate::Progress) tells
    /// when it is worth another try.
    #[error("room for {class} is still being prepared")]
    Preparing {
        /// The class that was refused.
        class: Class,
    },
    /// More bytes wait to be committed than [`max_queued`](crate::Params::max_queued) allows.
    #[error("too much waits to be committed: {queued} bytes")]
    QueueFull {
        /// Bytes that wait.
        queued: u64,
    },
    /// The group will never fit into a segment.
    #[error("a group of {size} bytes does not fit into a segment, which takes {limit}")]
    TooLarge {
        /// Bytes of the group as it would be written.
        size: u64,
        /// Bytes that fit.
        limit: u64,
    },
    /// An earlier write or sync failed.
    #[error(transparent)]
    Poisoned(#[from] Poison),
    /// The journal has been closed.
    #[error("the journal is closed")]
    Closed,
}
