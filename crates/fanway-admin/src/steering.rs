//! The config that is in use, as the server hands it over: what it is, and how to change it.

use fanway_store::BoxFuture;
use fanway_types::Timestamp;

/// Changes the config that is in use.
pub trait Steering: Send + Sync {
    /// The config in use.
    fn current(&self) -> Generation;

    /// The last reload, where it was refused.
    fn refused(&self) -> Option<Refused>;

    /// Reads the config's files again and puts them to use. Resolves when they are in use.
    ///
    /// Refused with all that is wrong with them; then nothing has changed.
    fn reload(&self) -> BoxFuture<'_, Result<Generation, Vec<String>>>;

    /// Puts the config to use again that was in use before. Resolves when it is in use.
    fn rollback(&self) -> BoxFuture<'_, Result<Generation, RollbackError>>;
}

/// A config that has been put to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// 1 at start, counted up each time that a config is put to use.
    pub number: u64,
    /// Stands for all that was read: the first 16 hex digits of a SHA-256.
    pub fingerprint: String,
    /// When it was put to use.
    pub loaded_at: Timestamp,
    /// The files that it was read from.
    pub files: Vec<String>,
    /// What a rollback goes back to, where there is anything.
    pub previous: Option<Previous>,
}

/// A config that was in use before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its number.
    pub number: u64,
    /// Its fingerprint.
    pub fingerprint: String,
    /// When it was put to use.
    pub loaded_at: Timestamp,
}

/// A reload that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// All that is wrong with what was read; at least one.
    pub errors: Vec<String>,
}

/// Why there was no going back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// No config was in use before.
    #[error("no other config has been in use")]
    NoPrevious,
    /// The earlier config can't be put to use any more.
    #[error("the earlier config can't be put to use any more")]
    Refused(Vec<String>),
}
