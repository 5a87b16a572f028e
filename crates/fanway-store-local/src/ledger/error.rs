//! What can go wrong with the ledger.

use std::path::PathBuf;

use crate::codec::Damage;

/// Why the ledger could not be opened, read or posted to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite failed.
    #[error("SQLite failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A later release made it.
    #[error("{path} has schema {found}, and this release knows {known}: a later release made it", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema's version in the file.
        found: u32,
        /// The latest that is known here.
        known: u32,
    },
    /// An earlier release made it, and it is only read.
    #[error("an earlier release made it: a start brings it up to date")]
    Older,
    /// Something in it can't be read.
    #[error("a record in the ledger can't be read")]
    Record(#[from] Damage),
    /// A row says what no row says.
    #[error("the ledger's table `{table}` has a row that makes no sense: {what}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Error {
    /// Whether it is the disk that is full, so that it may pass.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}
