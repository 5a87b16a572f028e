//! What the store in memory shows of what it knows.

use std::sync::Arc;

use fanway_store::dead::{Cursor, Letter, Opened, Page, Query};
use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{ByteCount, DeliveryId, MessageId, MessageState, Timestamp};

use super::{Book, Delivery, dead_reason};

impl Book {
    pub(in super::super) fn look_up(&self, id: MessageId) -> Found {
        let Some(message) = self.messages.get(&id) else {
            return Found::Unknown;
        };
        let deliveries = self.latest_deliveries(id);
        let states = deliveries.iter().map(|view| (view.state, view.critical));
        let state = MessageState::of(states);
        let ended_at = deliveries.iter().filter_map(|view| view.at).max();
        Found::Message(MessageView {
            id,
            route: message.route.clone(),
            state,
            ended_at: ended_at.filter(|_| state.has_ended()),
            deliveries,
        })
    }

    /// Each step's latest delivery, in the plan's order.
    fn latest_deliveries(&self, id: MessageId) -> Vec<DeliveryView> {
        let mut latest: Vec<DeliveryView> = Vec::new();
        let own = self.deliveries.range(DeliveryId::first(id, 0)..);
        for (id, delivery) in own.take_while(|(it, _)| it.message == id) {
            match latest.last_mut() {
                Some(last) if last.id.step == id.step => *last = view(*id, delivery),
                _ => latest.push(view(*id, delivery)),
            }
        }
        latest
    }

    pub(in super::super) fn dead_letters(&self, query: &Query) -> Page {
        let mut letters: Vec<Letter> = self
            .deliveries
            .iter()
            .filter(|(_, delivery)| delivery.is_dead_letter())
            .filter_map(|(id, delivery)| self.letter(*id, delivery))
            .filter(|letter| query.target.as_ref().is_none_or(|it| *it == letter.target))
            .filter(|letter| query.route.as_ref().is_none_or(|it| *it == letter.route))
            .collect();
        letters.sort_by_key(|letter| std::cmp::Reverse(order(letter)));
        if let Some(after) = query.after {
            letters.retain(|letter| order(letter) < (after.died_at, after.delivery));
        }
        let more = letters.len() > query.limit;
        letters.truncate(query.limit);
        let next = letters.last().filter(|_| more).map(|last| Cursor {
            died_at: last.died_at,
            delivery: last.delivery,
        });
        Page { letters, next }
    }

    pub(in super::super) fn dead_letter(&self, id: DeliveryId) -> Option<Opened> {
        let delivery = self.deliveries.get(&id)?;
        let letter = self.letter(id, delivery)?;
        delivery.is_dead_letter().then(|| Opened {
            letter,
            message: self.messages.get(&id.message).map(Arc::clone),
        })
    }

    fn letter(&self, id: DeliveryId, delivery: &Delivery) -> Option<Letter> {
        let last = delivery.last.as_ref()?;
        let message = self.messages.get(&id.message)?;
        Some(Letter {
            delivery: id,
            route: message.route.clone(),
            step: delivery.step.name.clone(),
            target: delivery.step.target.clone(),
            reason: dead_reason(last)?,
            detail: last.detail.clone(),
            status: last.status,
            attempts: last.attempts,
            died_at: last.at,
            size: ByteCount::new(message.request.body.len() as u64),
        })
    }
}

fn order(letter: &Letter) -> (Timestamp, DeliveryId) {
    (letter.died_at, letter.delivery)
}

fn view(id: DeliveryId, delivery: &Delivery) -> DeliveryView {
    let last = delivery.last.as_ref();
    DeliveryView {
        id,
        step: delivery.step.name.clone(),
        target: delivery.step.target.clone(),
        critical: delivery.step.critical,
        state: delivery.state,
        attempts: delivery.progress.attempts,
        status: last.and_then(|outcome| outcome.status),
        at: last.map(|outcome| outcome.at),
        due: delivery.due,
        reason: last.and_then(dead_reason),
        detail: last.and_then(|outcome| outcome.detail.clone()),
    }
}
