//! Dead letters: deliveries that ended without success and are kept for a person.

use std::sync::Arc;

use fanway_types::{
    ByteCount, DeadReason, DeliveryId, Message, RouteName, StepName, TargetName, Timestamp,
};

use crate::job::Filter;

/// Which dead letters to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which; whether it includes what was delivered plays no part.
    pub filter: Filter,
    /// Only those behind this place, from an earlier page.
    pub after: Option<Cursor>,
    /// The most to return, at least 1.
    pub limit: usize,
}

/// A place in the list of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the letter at this place died.
    pub died_at: Timestamp,
    /// The letter.
    pub delivery: DeliveryId,
}

/// A page of dead letters, latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The letters.
    pub letters: Vec<Letter>,
    /// Where the next page begins, where there is one.
    pub next: Option<Cursor>,
}

/// A dead letter, without its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The route that accepted its message.
    pub route: RouteName,
    /// The step.
    pub step: StepName,
    /// The target.
    pub target: TargetName,
    /// Why it is dead.
    pub reason: DeadReason,
    /// What the last attempt failed with.
    pub detail: Option<Arc<str>>,
    /// The status code of the last answer.
    pub status: Option<u16>,
    /// Attempts made.
    pub attempts: u32,
    /// When it died.
    pub died_at: Timestamp,
    /// The size of its message's body.
    pub size: ByteCount,
}

/// A dead letter with its request.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The letter.
    pub letter: Letter,
    /// Its message; `None` where bodies aren't kept (`store.keep.bodies: none`).
    pub message: Option<Arc<Message>>,
}

/// Why a dead letter could not be redriven or discarded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no dead letter of this id.
    #[error("there is no dead letter {0}")]
    NotFound(DeliveryId),
    /// Its request is no longer kept.
    #[error("the request of {0} is not kept, so it can't be sent again")]
    NoBody(DeliveryId),
    /// The plan or the step isn't there.
    #[error("the plan has no such step")]
    NoStep,
    /// The store has no room.
    #[error("the store can keep no changes now")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::Error),
}
