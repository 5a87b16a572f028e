//! What a lane says of its deliveries, on its way into the journal.

use std::sync::Arc;

use fanway_journal::Class;
use fanway_store::event::{Event, What};
use fanway_store::lane::{Hold, Work};
use fanway_types::{Outcome, Verdict};

use super::LocalLane;
use crate::entry::{Entry, Waiter};
use crate::record::Record;

impl LocalLane {
    /// Appends an outcome, or keeps it for when there is room.
    pub(super) fn append(&mut self, outcome: Outcome, hold: Hold, event: Option<Box<Event>>) {
        let delivery = outcome.delivery;
        let (verdict, attempts) = (outcome.verdict, outcome.attempts);
        let ends = matches!(verdict, Verdict::Ended(_));
        // What comes next of its key doesn't begin before its end is durable.
        let is_waited_for = ends && self.order.has(delivery);
        let waiter = if is_waited_for {
            Waiter::Lane(Arc::clone(&self.feed))
        } else {
            Waiter::Nobody
        };
        let entry = Entry {
            record: Record::Outcome(outcome.clone()),
            waiter,
            event: event.clone(),
            sealed: None,
        };
        let Ok(ticket) = self.store.intake.append(entry, Class::Outcome) else {
            self.store.commons.gate.shut();
            self.unrecorded.push_back((outcome, hold, event));
            return;
        };
        self.unposted.add(ticket);
        match (verdict, hold) {
            (Verdict::Ended(_), _) => {
                self.held.end(delivery, ticket);
                if is_waited_for {
                    self.ending.push_back((ticket, delivery, verdict));
                }
            }
            (Verdict::Again { .. }, Hold::Keep) => {}
            (Verdict::Again { .. }, Hold::LetGo) if self.held.called_off(delivery).is_some() => {
                // Nobody has it any more, and nobody is to be given it.
                self.end_called_off(delivery);
            }
            (Verdict::Again { .. }, Hold::LetGo) => {
                self.held.let_go(delivery, ticket, attempts);
                self.let_others_go(delivery, verdict);
            }
        }
    }

    /// What those who watch are told of an outcome, while there are any.
    pub(super) fn event(&self, work: &Work, outcome: &Outcome) -> Option<Box<Event>> {
        let commons = &self.store.commons;
        if !commons.watchers.are_there() {
            return None;
        }
        let message = &work.message;
        let plan = commons.plan(message.plan)?;
        let step = plan.steps.get(usize::from(outcome.delivery.step))?;
        Some(Box::new(Event {
            message: message.id,
            route: message.route.clone(),
            what: What::Outcome {
                step: step.name.clone(),
                target: self.target.clone(),
                outcome: outcome.clone(),
            },
        }))
    }

    /// Tries again what the journal had no room for.
    pub(super) fn append_unrecorded(&mut self) {
        for _ in 0..self.unrecorded.len() {
            if let Some((outcome, hold, event)) = self.unrecorded.pop_front() {
                self.append(outcome, hold, event);
            }
        }
    }
}
