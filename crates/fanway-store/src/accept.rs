//! Why a message was not accepted.

use std::time::Duration;

use fanway_types::{ByteCount, MessageId};

/// Why a group of messages was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no room for messages now; none was kept.
    #[error("no room for messages: {reason}")]
    Full {
        /// What is full: the disk, the backlog's own limit.
        reason: &'static str,
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// The store can't keep up; none was kept.
    #[error("the store has fallen behind")]
    Behind {
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// The group is larger than the store takes; none was kept.
    #[error("{size} bytes are more than the {limit} that the store takes", size = size.get(), limit = limit.get())]
    TooLarge {
        /// The group's size.
        size: ByteCount,
        /// The most that is taken.
        limit: ByteCount,
    },
    /// The same request was accepted before, under the same key; none was kept.
    #[error("the request was accepted before, as {accepted}")]
    Repeated {
        /// What it was accepted as.
        accepted: MessageId,
    },
    /// Another request was accepted under the same key, or the group has the key twice; none was
    /// kept.
    #[error("another request was accepted under the same key")]
    KeyTaken,
    /// A request under the same key is being accepted, or it isn't known whether it was; none
    /// was kept.
    #[error("a request under the same key is being accepted")]
    KeyBusy,
    /// Writing failed: whether they were kept shows only after a restart.
    #[error("it is not known whether the message was kept: {0}")]
    Unknown(String),
    /// The store takes nothing any more; none was kept.
    #[error("the store is closed: {0}")]
    Closed(String),
}
