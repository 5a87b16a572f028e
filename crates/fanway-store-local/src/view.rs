//! What a message looks like from outside, brought up to date outcome by outcome.

use fanway_store::lookup::{DeliveryView, MessageView};
use fanway_types::{DeliveryId, DeliveryState, End, Message, MessageState, Outcome, Plan, Verdict};

/// A message as it stands when it has just been accepted.
pub(crate) fn fresh(message: &Message, plan: &Plan) -> MessageView {
    let deliveries = plan
        .steps
        .iter()
        .zip(0..)
        .map(|(step, index)| DeliveryView {
            id: DeliveryId::first(message.id, index),
            step: step.name.clone(),
            target: step.target.clone(),
            fallback_of: None,
            critical: step.critical,
            state: DeliveryState::Pending,
            in_line: false,
            attempts: 0,
            status: None,
            at: None,
            due: message.due(),
            reason: None,
            detail: None,
        });
    let mut view = MessageView {
        id: message.id,
        route: message.route.clone(),
        state: MessageState::Pending,
        ended_at: None,
        deliveries: deliveries.collect(),
    };
    settle(&mut view);
    view
}

/// Brings a message up to date with an outcome. What is said of a delivery that isn't there, or
/// has ended, changes nothing.
pub(crate) fn apply(view: &mut MessageView, outcome: &Outcome) {
    let delivery = view
        .deliveries
        .iter_mut()
        .find(|delivery| delivery.id == outcome.delivery);
    let Some(delivery) = delivery.filter(|delivery| !delivery.state.has_ended()) else {
        return;
    };
    apply_to(delivery, outcome);
    settle(view);
}

/// Brings a delivery that hasn't ended up to date.
pub(crate) fn apply_to(delivery: &mut DeliveryView, outcome: &Outcome) {
    // The store itself ends what was called off without knowing of the last attempts.
    delivery.attempts = delivery.attempts.max(outcome.attempts);
    delivery.in_line = false;
    delivery.status = outcome.status.or(delivery.status);
    delivery.at = Some(outcome.at);
    delivery.detail.clone_from(&outcome.detail);
    if let Some(fallback) = &outcome.fallback {
        let before = std::mem::replace(&mut delivery.target, fallback.clone());
        delivery.fallback_of.get_or_insert(before);
    }
    match outcome.verdict {
        Verdict::Ended(end) => {
            delivery.state = end.into();
            delivery.due = None;
            delivery.reason = if let End::Dead(reason) = end {
                Some(reason)
            } else {
                None
            };
        }
        Verdict::Again { due, .. } => {
            delivery.state = if outcome.attempts == 0 {
                DeliveryState::Pending
            } else {
                DeliveryState::Retrying
            };
            delivery.due = Some(due);
        }
    }
}

/// Derives a message's state and end from its deliveries.
pub(crate) fn settle(view: &mut MessageView) {
    view.state = MessageState::of(
        view.deliveries
            .iter()
            .map(|delivery| (delivery.state, delivery.critical)),
    );
    view.ended_at = if view.state.has_ended() {
        let last = view
            .deliveries
            .iter()
            .filter_map(|delivery| delivery.at)
            .max();
        Some(last.unwrap_or(view.id.timestamp()))
    } else {
        None
    };
}
