//! Why a journal takes nothing any more.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A write or sync failed, so that nobody knows what is on the disk: the journal takes nothing until it is
/// opened again. It is never tried again, since after a failed sync the kernel takes lost pages for clean.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal stopped: {doing} {} failed", path.display())]
pub struct Poison {
    /// What failed.
    pub doing: Doing,
    /// The file or folder it failed on.
    pub path: PathBuf,
    /// The system's word.
    #[source]
    pub source: Arc<io::Error>,
}

impl Poison {
    pub(crate) fn new(doing: Doing, path: &Path, source: io::Error) -> Self {
        Self {
            doing,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}

/// What was being done when a journal was poisoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// An entry was encoded, into another size than it had promised: a bug of the caller.
    Encode,
    /// A batch was written.
    Write,
    /// Batches were synced.
    Sync,
    /// A prepared segment was made the next one.
    Activate,
    /// A trimmed segment was made a spare or removed.
    Recycle,
    /// The closing record was written.
    Close,
    /// The observer or an entry panicked on a thread of the journal.
    Panic,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encode => "encoding entries for",
            Self::Write => "writing to",
            Self::Sync => "syncing",
            Self::Activate => "activating",
            Self::Recycle => "recycling",
            Self::Close => "closing",
            Self::Panic => "a thread's work on",
        })
    }
}
