//! Opening a journal: the lock, the check of everything in it, and what was recovered.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::folder;
use crate::fs::{Fs, Lock, LockError};
use crate::params::Params;
use crate::position::Position;
use crate::records::{Missing, Records};
use crate::survey::{Layout, LayoutError, Verdict, Walk, WalkError};

pub use crate::survey::{Amount, Damage};

/// Why a journal wasn't opened. Nothing in its folder was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The parameters contradict each other.
    #[error("{0}")]
    Params(&'static str),
    /// Another process, or this one, has the journal open.
    #[error("the journal {} is open already: {holder}", dir.display())]
    Locked {
        /// The journal's folder.
        dir: PathBuf,
        /// The process id and what it calls itself.
        holder: String,
    },
    /// What had been acknowledged is damaged. `fanway journal verify` shows all of it, and `fanway journal
    /// repair` sets it aside and keeps the rest.
    #[error(
        "the journal is damaged: {0}; see `fanway journal verify`, mend with `fanway journal repair`"
    )]
    Damaged(Damage),
    /// A later Fanway wrote this.
    #[error("{} needs a later version of Fanway: {what}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// What this version doesn't know.
        what: String,
    },
    /// The folder or a file in it can't be used.
    #[error("{} can't be used", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
}

impl From<LayoutError> for Error {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Io(path, source) => Self::Io { path, source },
            LayoutError::Damage(damage, _) => Self::Damaged(damage),
            LayoutError::Unsupported(file, what) => Self::Unsupported { file, what },
        }
    }
}

impl From<WalkError> for Error {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Io(path, source) => Self::Io { path, source },
            WalkError::Unsupported(file, what) => Self::Unsupported { file, what },
        }
    }
}

/// How the journal's last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// There was none: the journal is new.
    Never,
    /// In order.
    Clean,
    /// By a crash, or by a poisoned journal.
    Unclean,
}

/// What was found at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How the last run ended.
    pub stop: Stop,
    /// From where on the log is complete. Unknown when nothing in it tells, which takes a power loss without
    /// syncs, or a bad disk.
    pub start: Option<Position>,
    /// Behind the last record.
    pub end: Position,
    /// How much is there.
    pub kept: Amount,
    /// Recognisable bytes of batches that were never acknowledged, and are cut.
    pub cut: u64,
}

/// A journal that was opened and checked, and hasn't been started. Nothing was changed yet; dropped, nothing will be.
#[derive(Debug)]
pub struct Opened {
    pub(crate) params: Params,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) layout: Layout,
    recovery: Recovery,
}

/// Locks the journal's folder, made if it isn't there, and checks all that is in it.
///
/// `owner` is what the lock tells a second process, together with this one's id. A whole journal is read, in
/// pieces of 1 MiB or one batch, whichever is more.
///
/// # Errors
/// [`Error::Damaged`] when anything is damaged that had been acknowledged, or anything at all after a clean stop.
pub fn open(params: Params, fs: Arc<dyn Fs>, owner: &str) -> Result<Opened, Error> {
    if let Some(complaint) = params.complaint() {
        return Err(Error::Params(complaint));
    }
    let dir = &params.dir;
    fs.create_dir(dir).map_err(|source| Error::Io {
        path: dir.clone(),
        source,
    })?;
    let lock = lock(&*fs, dir, owner)?;
    let layout = Layout::read(&*fs, dir)?;
    let walk = Walk::along(&layout)?;
    let cut = match walk.verdict(&layout, dir) {
        Verdict::Intact => 0,
        Verdict::Cut(bytes) => bytes,
        Verdict::Refused(damage) => return Err(Error::Damaged(damage)),
    };
    let recovery = Recovery {
        stop: stop(&layout),
        start: if layout.live.is_empty() {
            Some(Position::ZERO)
        } else {
            walk.start
        },
        end: walk.end,
        kept: walk.kept,
        cut,
    };
    Ok(Opened {
        params,
        fs,
        lock,
        layout,
        recovery,
    })
}

/// Locks a journal's folder.
pub(crate) fn lock(fs: &dyn Fs, dir: &Path, owner: &str) -> Result<Box<dyn Lock>, Error> {
    let path = dir.join(folder::LOCK);
    let holder = format!("process {} ({owner})", std::process::id());
    fs.lock(&path, &holder).map_err(|error| match error {
        LockError::Held { holder } => Error::Locked {
            dir: dir.to_owned(),
            holder,
        },
        LockError::Io(source) => Error::Io { path, source },
    })
}

/// How the last run ended.
pub(crate) fn stop(layout: &Layout) -> Stop {
    match (layout.closing, layout.live.is_empty()) {
        (Some(_), _) => Stop::Clean,
        (None, true) => Stop::Never,
        (None, false) => Stop::Unclean,
    }
}

impl Opened {
    /// What was found.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The recovered records behind `from`: up to where the caller has taken over what earlier runs held.
    /// Without any, [`Position::ZERO`].
    ///
    /// # Errors
    /// [`Missing`] when the journal begins behind `from`. A `from` behind the journal's end is no error: without
    /// syncs the journal can lose what its caller has already taken over.
    pub fn records(&self, from: Position) -> Result<Records<'_>, Missing> {
        match self.recovery.start {
            Some(start) if from < start => Err(Missing { from, start }),
            _ => Ok(Records::new(&self.layout.live, from, self.recovery.end)),
        }
    }
}
