//! What the store in memory shows of a message.

use std::sync::Arc;

use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{DeliveryId, Message, MessageId, MessageState};

use super::{Book, Delivery};

impl Book {
    pub(in super::super) fn look_up(&self, id: MessageId) -> Found {
        match self.messages.get(&id) {
            Some(message) => Found::Message(self.view(message)),
            None => Found::Unknown,
        }
    }

    pub(super) fn view(&self, message: &Arc<Message>) -> MessageView {
        let deliveries = self.latest_deliveries(message.id);
        let states = deliveries.iter().map(|view| (view.state, view.critical));
        let state = MessageState::of(states);
        let ended_at = deliveries.iter().filter_map(|view| view.at).max();
        MessageView {
            id: message.id,
            route: message.route.clone(),
            state,
            ended_at: ended_at.filter(|_| state.has_ended()),
            deliveries,
        }
    }

    /// Each step's latest delivery, in the plan's order.
    fn latest_deliveries(&self, id: MessageId) -> Vec<DeliveryView> {
        let mut latest: Vec<DeliveryView> = Vec::new();
        for (id, delivery) in self.of_message(id) {
            match latest.last_mut() {
                Some(last) if last.id.step == id.step => *last = delivery.view(*id),
                _ => latest.push(delivery.view(*id)),
            }
        }
        latest
    }

    /// All deliveries of a message, each step's in the order in which they were made.
    pub(super) fn of_message(
        &self,
        id: MessageId,
    ) -> impl Iterator<Item = (&DeliveryId, &Delivery)> {
        let from = self.deliveries.range(DeliveryId::first(id, 0)..);
        from.take_while(move |(it, _)| it.message == id)
    }
}

impl Delivery {
    pub(super) fn view(&self, id: DeliveryId) -> DeliveryView {
        let last = self.last.as_ref();
        DeliveryView {
            id,
            step: self.step.name.clone(),
            target: self.step.target.clone(),
            fallback_of: self.fallback_of.clone(),
            critical: self.step.critical,
            state: self.state,
            in_line: self.in_line && !self.state.has_ended(),
            attempts: self.progress.attempts,
            status: last.and_then(|outcome| outcome.status),
            at: last.map(|outcome| outcome.at),
            due: self.due,
            reason: self.dead_reason(),
            detail: last.and_then(|outcome| outcome.detail.clone()),
        }
    }
}
