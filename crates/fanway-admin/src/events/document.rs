//! What a listener is told of an event.

use fanway_store::event::{Event, What};
use fanway_types::{
    AgainCause, DeadReason, DeliveryId, DeliveryState, End, MessageId, Outcome, RouteName,
    StepName, TargetName, Timestamp, Verdict,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema;

/// What a listener is told: the `data` of an event.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Told {
    /// Something has happened.
    Happened(Box<EventData>),
    /// It was too slow.
    Missed(Missed),
}

/// How much a listener has missed, since it was too slow.
#[derive(Serialize, ToSchema)]
pub(crate) struct Missed {
    /// Batches of events: what became durable together.
    pub(crate) batches: u64,
}

/// Something that has happened. What doesn't apply to it isn't there.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventData {
    /// The message.
    #[schema(value_type = schema::MessageId)]
    message: MessageId,
    /// The route that accepted it.
    #[schema(value_type = schema::Name)]
    route: RouteName,
    /// The state that it leads to.
    #[schema(value_type = schema::DeliveryWord)]
    state: DeliveryState,
    /// When, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    at: Option<Timestamp>,
    /// The delivery that was attempted, or made anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::DeliveryId>)]
    delivery: Option<DeliveryId>,
    /// The delivery that it takes the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::DeliveryId>)]
    redriven: Option<DeliveryId>,
    /// The step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    step: Option<StepName>,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    target: Option<TargetName>,
    /// Attempts made.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// The status code of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<u16>,
    /// Why it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ReasonWord>)]
    reason: Option<DeadReason>,
    /// Why it is attempted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AgainWord>)]
    again: Option<AgainCause>,
    /// The target that has it from now on, in place of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    fallback: Option<TargetName>,
    /// When it is due again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    next_attempt_at: Option<Timestamp>,
    /// The error, or the beginning of the target's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl EventData {
    pub(crate) fn new(event: &Event) -> Self {
        let known = Self {
            message: event.message,
            route: event.route.clone(),
            state: state(&event.what),
            at: None,
            delivery: None,
            redriven: None,
            step: None,
            target: None,
            attempts: None,
            last_status: None,
            reason: None,
            again: None,
            fallback: None,
            next_attempt_at: None,
            detail: None,
        };
        match &event.what {
            What::Accepted => Self {
                at: Some(event.message.timestamp()),
                ..known
            },
            What::Cancelled => known,
            What::Redriven { old, new } => Self {
                delivery: Some(*new),
                redriven: Some(*old),
                ..known
            },
            What::Outcome {
                step,
                target,
                outcome,
            } => known.of_attempt(step, target, outcome),
        }
    }

    fn of_attempt(self, step: &StepName, target: &TargetName, outcome: &Outcome) -> Self {
        let (reason, again) = match outcome.verdict {
            Verdict::Ended(End::Dead(reason)) => (Some(reason), None),
            Verdict::Ended(_) => (None, None),
            Verdict::Again { due, cause } => (None, Some((due, cause))),
        };
        Self {
            at: Some(outcome.at),
            delivery: Some(outcome.delivery),
            step: Some(step.clone()),
            target: Some(target.clone()),
            attempts: Some(outcome.attempts),
            last_status: outcome.status,
            reason,
            again: again.map(|(_, cause)| cause),
            fallback: outcome.fallback.clone(),
            next_attempt_at: again.map(|(due, _)| due),
            detail: outcome.detail.as_deref().map(str::to_owned),
            ..self
        }
    }
}

/// What it is called as an event.
pub(crate) fn name(what: &What) -> &'static str {
    match what {
        What::Accepted => "accepted",
        What::Outcome { .. } => "attempt",
        What::Cancelled => "cancelled",
        What::Redriven { .. } => "redriven",
    }
}

/// The state of a delivery that it leads to.
pub(crate) fn state(what: &What) -> DeliveryState {
    match what {
        What::Accepted | What::Redriven { .. } => DeliveryState::Pending,
        What::Cancelled => DeliveryState::Cancelled,
        What::Outcome { outcome, .. } => match outcome.verdict {
            Verdict::Ended(end) => end.into(),
            Verdict::Again { .. } => DeliveryState::Retrying,
        },
    }
}

/// The target that was attempted.
pub(crate) fn target(what: &What) -> Option<&TargetName> {
    match what {
        What::Outcome { target, .. } => Some(target),
        What::Accepted | What::Cancelled | What::Redriven { .. } => None,
    }
}
