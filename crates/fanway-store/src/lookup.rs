//! What is known of a message.

use std::sync::Arc;

use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, MessageId, MessageState, RouteName, StepName,
    TargetName, Timestamp,
};

/// The answer to a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is known.
    Message(MessageView),
    /// It was never accepted.
    Unknown,
    /// Its id is older than the time for which ended messages are kept.
    Expired,
}

/// A message and its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// The route that accepted it.
    pub route: RouteName,
    /// Where it stands.
    pub state: MessageState,
    /// When the last of its deliveries ended, where all have.
    pub ended_at: Option<Timestamp>,
    /// Each step's latest delivery, in the plan's order.
    pub deliveries: Vec<DeliveryView>,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// Its step.
    pub step: StepName,
    /// Its target: the one that has it now.
    pub target: TargetName,
    /// The target of its step, where a fallback has it in its place.
    pub fallback_of: Option<TargetName>,
    /// Whether its failure fails the message.
    pub critical: bool,
    /// Where it stands.
    pub state: DeliveryState,
    /// Whether it waits for another one of its order key, as far as the store has noted that by now.
    pub in_line: bool,
    /// Attempts made.
    pub attempts: u32,
    /// The status code of the last answer.
    pub status: Option<u16>,
    /// When its state was last recorded; `None` before the first attempt.
    pub at: Option<Timestamp>,
    /// When it is due again, where it is.
    pub due: Option<Timestamp>,
    /// Why it is dead.
    pub reason: Option<DeadReason>,
    /// What the last attempt failed with; for operators.
    pub detail: Option<Arc<str>>,
}
