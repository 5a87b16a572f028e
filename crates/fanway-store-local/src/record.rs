//! Records: what the journal holds, in the order in which it happened.

use std::sync::Arc;

use fanway_types::{DeliveryId, Message, Outcome, Plan, PlanHash, StepIndex, Timestamp};

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// A message was accepted.
    Message(Arc<Message>),
    /// An attempt, or what took its place, had an outcome.
    Outcome(Outcome),
    /// A plan was put to use.
    Plan(Arc<Plan>),
    /// A dead letter was given a new delivery.
    Redrive(Redrive),
    /// A dead letter was taken off the list.
    Discard(Discard),
}

/// A new delivery for a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    /// The dead letter.
    pub(crate) dead: DeliveryId,
    /// Its new delivery.
    pub(crate) new: DeliveryId,
    /// The plan whose step the new delivery runs.
    pub(crate) plan: PlanHash,
    /// The step in that plan.
    pub(crate) step: StepIndex,
    /// When it is due.
    pub(crate) due: Timestamp,
}

/// The end of a dead letter's stay on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discard {
    /// The dead letter.
    pub(crate) dead: DeliveryId,
    /// When.
    pub(crate) at: Timestamp,
    /// Why.
    pub(crate) reason: String,
}
