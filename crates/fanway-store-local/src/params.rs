//! What a local store is opened with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fanway_journal::fs::Fs;
use fanway_types::{ByteCount, MemoryBudget, SecretKey, Timestamp};

pub use fanway_journal::{Syncing, Turn, Turns};

/// Tells the time by the wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a local store is kept.
#[derive(Clone)]
pub struct Params {
    /// The data folder. It is made if it isn't there.
    pub path: PathBuf,
    /// When the journal is synced.
    pub sync: Syncing,
    /// Bytes of a journal segment. A message has to fit into one.
    pub segment: ByteCount,
    /// Bytes of unfinished messages' bodies beyond which no more are accepted.
    pub max: Option<ByteCount>,
    /// How long what is kept.
    pub keep: Keep,
    /// By which keys what messages have in them is encrypted.
    pub encrypt: Encryption,
    /// The memory that messages read back from the ledger are counted against.
    pub budget: MemoryBudget,
    /// Tells the time.
    pub clock: Clock,
    /// The journal's file system.
    pub fs: Arc<dyn Fs>,
    /// Who has the folder, for a second process that wants it.
    pub owner: String,
    /// Which of the threads that accept messages are at work: a commit takes what their turns
    /// bring.
    pub turns: Turns,
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// How long what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How long an ended message can be asked for by its id.
    pub messages: Duration,
    /// How long history lasts.
    pub history: Duration,
    /// How long dead letters wait.
    pub dead: Duration,
    /// Whose bodies are kept that long.
    pub bodies: Bodies,
}

impl Default for Keep {
    fn default() -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            messages: Duration::from_secs(DAY),
            history: Duration::from_secs(30 * DAY),
            dead: Duration::from_secs(90 * DAY),
            bodies: Bodies::Failures,
        }
    }
}

/// By which keys what messages have in them is encrypted. By default by none: it is written as it
/// is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// The key by which it is from now on.
    pub seals: Option<SecretKey>,
    /// Keys by which it was before.
    pub opens: Vec<SecretKey>,
}

/// Whose bodies are kept after a message has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bodies {
    /// All, as long as the history.
    All,
    /// Those of messages with dead letters, as long as these.
    #[default]
    Failures,
    /// None: dead letters are listed, but can't be sent again.
    None,
}
