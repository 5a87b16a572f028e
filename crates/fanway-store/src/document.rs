//! A message as senders see it, in JSON: in answers, in events, in callbacks.
//!
//! Senders see states, times and status codes. What a target said, and why an attempt failed, is
//! for operators.

use fanway_types::{
    DeliveryId, DeliveryState, HeldBy, MessageId, MessageState, TargetName, Timestamp,
};
use serde::Serialize;

use crate::lookup::{DeliveryView, MessageView};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageDocument<'a> {
    id: MessageId,
    route: &'a str,
    state: MessageState,
    received_at: Timestamp,
    ended_at: Option<Timestamp>,
    deliveries: Vec<DeliveryDocument<'a>>,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct DeliveryDocument<'a> {
    id: DeliveryId,
    step: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback_of: Option<&'a str>,
    state: DeliveryState,
    held_by: Option<HeldBy>,
    attempts: u32,
    last_status: Option<u16>,
    last_at: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
}

impl<'a> MessageDocument<'a> {
    /// The message as it stands at `now`; `held` tells what holds a target's deliveries.
    #[must_use]
    pub fn new(
        message: &'a MessageView,
        now: Timestamp,
        held: &dyn Fn(&TargetName) -> Option<HeldBy>,
    ) -> Self {
        let deliveries = message.deliveries.iter();
        Self {
            id: message.id,
            route: message.route.as_str(),
            state: message.state,
            received_at: message.id.timestamp(),
            ended_at: message.ended_at,
            deliveries: deliveries
                .map(|delivery| DeliveryDocument::new(delivery, now, held))
                .collect(),
        }
    }
}

impl<'a> DeliveryDocument<'a> {
    fn new(
        delivery: &'a DeliveryView,
        now: Timestamp,
        held: &dyn Fn(&TargetName) -> Option<HeldBy>,
    ) -> Self {
        let held_by = match delivery.due {
            _ if delivery.state.has_ended() => None,
            _ if delivery.in_line => Some(HeldBy::Order),
            Some(due) if due > now => Some(HeldBy::Schedule),
            _ => held(&delivery.target),
        };
        Self {
            id: delivery.id,
            step: delivery.step.as_str(),
            target: delivery.target.as_str(),
            fallback_of: delivery.fallback_of.as_ref().map(TargetName::as_str),
            state: delivery.state,
            held_by,
            attempts: delivery.attempts,
            last_status: delivery.status,
            last_at: delivery.at,
            next_attempt_at: delivery.due,
        }
    }
}
