//! Lines: of one target's deliveries with one order key, one at a time has its turn.

use std::collections::{BTreeMap, HashMap};

use fanway_store::lane::Hold;
use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, End, OrderKey, Outcome, TargetName, Verdict, WhenDead,
};

use super::{Book, Delivery};

/// The lines of all targets.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<(TargetName, OrderKey), Line>);

#[derive(Debug, Default)]
struct Line {
    /// The one that has its turn: it hasn't ended, or is dead and blocks its key.
    turn: Option<DeliveryId>,
    /// Those behind it, by their message's place in the order of acceptance, and their run.
    waiting: BTreeMap<(u64, u16), DeliveryId>,
}

impl Book {
    /// Brings a new delivery into its line, where it has an order key; returns whether it has to
    /// wait there.
    pub(super) fn join_line(&mut self, id: DeliveryId, delivery: &Delivery) -> bool {
        let Some(line) = line_of(id, delivery) else {
            return false;
        };
        let place = self.place_in_line(id, delivery);
        let line = self.lines.0.entry(line).or_default();
        if line.turn.is_none() {
            line.turn = Some(id);
            return false;
        }
        line.waiting.insert(place, id);
        true
    }

    fn place_in_line(&self, id: DeliveryId, delivery: &Delivery) -> (u64, u16) {
        let first = DeliveryId { run: 0, ..id };
        let first = self.deliveries.get(&first);
        (first.unwrap_or(delivery).number, id.run)
    }

    /// Takes one that has ended out of its line, and lets the next one have its turn.
    pub(super) fn leave_line(&mut self, id: DeliveryId) {
        let delivery = &self.deliveries[&id];
        let Some(line) = line_of(id, delivery) else {
            return;
        };
        let place = self.place_in_line(id, delivery);
        let ends = delivery
            .dead_reason()
            .filter(|reason| *reason != DeadReason::Order);
        let when_dead = delivery.step.order.as_ref().map(|order| order.when_dead);
        let when_dead = when_dead.filter(|_| ends.is_some()).unwrap_or_default();
        let known = self.lines.0.entry(line.clone()).or_default();
        known.waiting.remove(&place);
        if known.turn != Some(id) {
            return;
        }
        match when_dead {
            WhenDead::Block => return,
            WhenDead::Skip => {}
            WhenDead::DeadLetterRest => self.doom(&line, id),
        }
        self.promote(line);
    }

    /// Ends those that wait behind a dead one, but for what was made anew.
    fn doom(&mut self, line: &(TargetName, OrderKey), dead: DeliveryId) {
        let at = self.deliveries[&dead].last.as_ref().map(|last| last.at);
        let waiting = &self.lines.0[line].waiting;
        let first_runs = waiting.values().filter(|id| id.run == 0);
        for id in first_runs.copied().collect::<Vec<_>>() {
            let progress = self.deliveries[&id].progress;
            let outcome = Outcome {
                delivery: id,
                at: at.unwrap_or(id.message.timestamp()),
                verdict: Verdict::Ended(End::Dead(DeadReason::Order)),
                attempts: progress.attempts,
                used: progress.used,
                spent: progress.spent,
                status: None,
                detail: Some("an earlier delivery of its order key is dead".into()),
                fallback: None,
            };
            self.keep(outcome, Hold::LetGo);
        }
    }

    /// Gives the first of a line its turn.
    fn promote(&mut self, line: (TargetName, OrderKey)) {
        let known = self.lines.0.entry(line.clone()).or_default();
        known.turn = known.waiting.pop_first().map(|(_, id)| id);
        let Some(next) = known.turn else {
            self.lines.0.remove(&line);
            return;
        };
        let delivery = self.deliveries.get_mut(&next).expect("it waits");
        delivery.in_line = false;
        let place = delivery.place(next);
        self.queues.entry(line.0).or_default().put(place);
    }

    /// A dead letter doesn't block its key any more.
    pub(super) fn unblock(&mut self, id: DeliveryId) {
        let Some(line) = line_of(id, &self.deliveries[&id]) else {
            return;
        };
        let blocks = |known: &Line| known.turn == Some(id);
        if self.lines.0.get(&line).is_some_and(blocks) {
            self.promote(line);
        }
    }

    /// The new delivery of one that blocks its key has its turn.
    pub(super) fn take_over_turn(&mut self, old: DeliveryId, new: DeliveryId) -> bool {
        let Some(line) = line_of(old, &self.deliveries[&old]) else {
            return false;
        };
        let known = self.lines.0.get_mut(&line);
        let Some(known) = known.filter(|known| known.turn == Some(old)) else {
            return false;
        };
        known.turn = Some(new);
        true
    }

    /// Brings what is in a target's lines into its heir's, at their ends.
    pub(super) fn give_lines(&mut self, old: &TargetName, heir: &TargetName) {
        let lines = std::mem::take(&mut self.lines.0);
        let (given, mut rest): (HashMap<_, _>, HashMap<_, _>) = lines
            .into_iter()
            .partition(|((target, _), _)| target == old);
        let mut put_back = Vec::new();
        for ((_, key), line) in given {
            let heirs: &mut Line = rest.entry((heir.clone(), key)).or_default();
            heirs.waiting.extend(line.waiting);
            match (heirs.turn, line.turn) {
                (None, turn) => heirs.turn = turn,
                (Some(_), Some(turn)) => put_back.push(((heir.clone(), key), turn)),
                (Some(_), None) => {}
            }
        }
        self.lines.0 = rest;
        for (line, id) in put_back {
            let delivery = &self.deliveries[&id];
            if delivery.state == DeliveryState::Dead {
                continue;
            }
            let (place, in_queue) = (self.place_in_line(id, delivery), delivery.place(id));
            let queue = self.queues.entry(heir.clone()).or_default();
            queue.take_out(&in_queue, false);
            self.lines
                .0
                .entry(line)
                .or_default()
                .waiting
                .insert(place, id);
            self.deliveries.get_mut(&id).expect("seen above").in_line = true;
        }
    }
}

fn line_of(id: DeliveryId, delivery: &Delivery) -> Option<(TargetName, OrderKey)> {
    delivery.step.order.as_ref()?;
    let key = delivery.run.message.order_key(id.step)?;
    Some((delivery.step.target.clone(), key))
}
