//! What a store tells those who watch it: everything that has become durable, as it happens.

use std::pin::Pin;
use std::sync::Arc;

use fanway_types::{DeliveryId, MessageId, Outcome, RouteName, StepName, TargetName};
use futures_core::Stream;

/// All that happens, from now on.
pub type Events = Pin<Box<dyn Stream<Item = Seen> + Send>>;

/// What a watcher is given.
#[derive(Clone, Debug)]
pub enum Seen {
    /// What became durable together, in its order.
    Events(Arc<[Event]>),
    /// It was too slow, and so many batches were passed over.
    Missed(u64),
}

/// One thing that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The message.
    pub message: MessageId,
    /// The route that accepted it.
    pub route: RouteName,
    /// What has happened.
    pub what: What,
}

/// What has happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was accepted.
    Accepted,
    /// A delivery had an outcome.
    Outcome {
        /// Its step.
        step: StepName,
        /// Its target.
        target: TargetName,
        /// The outcome.
        outcome: Outcome,
    },
    /// It was called off.
    Cancelled,
    /// A delivery was made anew.
    Redriven {
        /// The delivery before.
        old: DeliveryId,
        /// The new one.
        new: DeliveryId,
    },
}
