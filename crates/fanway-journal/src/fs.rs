//! The seam to the disk: all that the journal asks of a filesystem.
//!
//! It is small so that a test can stand in for the disk and lose, tear and refuse what it likes. Whoever
//! implements it promises: after [`File::sync_data`] returns `Ok` the file's bytes survive a power loss, and after
//! [`Fs::sync_dir`] the names of a folder's files do. Without them anything may be lost, in any order.

mod real;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use self::real::RealFs;

/// A filesystem.
pub trait Fs: fmt::Debug + Send + Sync + 'static {
    /// Makes a folder, and those above it, and syncs the one it stands in. It may be there already.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// The names of the files in `dir`, in any order; folders, and names that aren't UTF-8, are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// A new, empty file, for reading and writing. One that was there is emptied.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// A file that is there, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name in the same folder, in place of the one that had it, at once or not at all.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes all that was created, renamed and removed in `dir` survive a power loss.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Locks the file at `path`, made if it isn't there, against other processes and other locks of this one,
    /// and writes `holder` into it. The system gives the lock back when the process ends.
    ///
    /// # Errors
    /// [`LockError::Held`] with what the holder wrote, without waiting.
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn Lock>, LockError>;
}

/// A file that is open.
pub trait File: fmt::Debug + Send + Sync {
    /// Bytes in the file.
    fn size(&self) -> io::Result<u64>;

    /// Reads at `offset` into `buffer`: all of it, or up to the end of the file. Returns the bytes read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `data` at `offset`. When it fails, any part of it may have been written.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Makes all that was written survive a power loss. When it fails, nobody knows what does.
    fn sync_data(&self) -> io::Result<()>;
}

/// A lock, given back when it is dropped.
pub trait Lock: fmt::Debug + Send + Sync {}

/// Why a lock wasn't had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("locked by {holder}")]
    Held {
        /// What the holder wrote into the file.
        holder: String,
    },
    /// The file couldn't be made, read or written.
    #[error("the lock file can't be used")]
    Io(#[from] io::Error),
}
