//! What is changed by a hand: redrives, discards, cancels, adoptions.

use std::sync::Arc;

use fanway_store::change::{Audit, CancelError, Edited, Key, Redrive};
use fanway_store::event::What;
use fanway_store::job::Job;
use fanway_store::lane::Hold;
use fanway_store::{Error, dead};
use fanway_types::{
    DeliveryId, DeliveryState, End, Message, MessageId, Outcome, TargetName, Timestamp, Verdict,
};

use super::{Book, Delivery, Run};

impl Book {
    pub(in super::super) fn redrive(
        &mut self,
        redrives: &[Redrive],
        job: Option<Job>,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> Vec<Result<DeliveryId, dead::Error>> {
        let each = redrives.iter();
        let made: Vec<_> = each.map(|redrive| self.redrive_one(redrive, now)).collect();
        if let Some(mut job) = job.filter(|_| !self.refuses_outcomes) {
            job.pass_over(made.iter().filter(|made| made.is_err()).count() as u64);
            self.records.keep_job(job);
        }
        let is_change = made.iter().any(Result::is_ok);
        self.records.note(audit.filter(|_| is_change));
        made
    }

    fn redrive_one(
        &mut self,
        redrive: &Redrive,
        now: Timestamp,
    ) -> Result<DeliveryId, dead::Error> {
        let old = redrive.old;
        let known = self.deliveries.get(&old);
        let known = known.filter(|known| known.can_be_redriven());
        let known = known.ok_or(dead::Error::NotFound(old))?;
        if self.forgotten.contains(&old.message) {
            return Err(dead::Error::NoBody(old));
        }
        let plan = self.plans.get(&redrive.plan).ok_or(dead::Error::NoStep)?;
        if usize::from(redrive.step) >= plan.steps.len() {
            return Err(dead::Error::NoStep);
        }
        if self.refuses_outcomes {
            return Err(dead::Error::Full);
        }
        let new = old.next_run().ok_or(dead::Error::Full)?;
        let run = Run {
            message: match &redrive.body {
                Some(body) => Arc::new(edited(&self.messages[&old.message], body)),
                None => Arc::clone(&known.run.message),
            },
            plan: redrive.plan,
            index: redrive.step,
            key: match redrive.key {
                Key::Kept => known.run.key,
                Key::New => new,
            },
        };
        self.settle(old);
        self.make(new, run, Some(now), Some(old));
        self.note_event(old.message, What::Redriven { old, new });
        Ok(new)
    }

    pub(in super::super) fn discard(
        &mut self,
        id: DeliveryId,
        audit: Option<Audit>,
    ) -> Result<(), dead::Error> {
        let known = self.deliveries.get(&id);
        if !known.is_some_and(Delivery::is_dead_letter) {
            return Err(dead::Error::NotFound(id));
        }
        if self.refuses_outcomes {
            return Err(dead::Error::Full);
        }
        self.settle(id);
        self.unblock(id);
        self.records.note(audit);
        Ok(())
    }

    fn settle(&mut self, id: DeliveryId) {
        let known = self.deliveries.get_mut(&id);
        known.expect("it was seen just now").is_settled = true;
    }

    pub(in super::super) fn cancel(
        &mut self,
        id: MessageId,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> Result<(), CancelError> {
        if !self.messages.contains_key(&id) {
            return Err(CancelError::NotFound(id));
        }
        let unfinished = self.of_message(id);
        let unfinished: Vec<_> = unfinished
            .filter(|(_, delivery)| !delivery.state.has_ended())
            .map(|(id, delivery)| (*id, delivery.cancelled.is_some()))
            .collect();
        if unfinished.is_empty() {
            return Err(CancelError::Ended(id));
        }
        if self.refuses_outcomes {
            return Err(CancelError::Full);
        }
        if unfinished.iter().all(|(_, is_called_off)| *is_called_off) {
            return Ok(());
        }
        self.note_event(id, What::Cancelled);
        self.records.note(audit);
        for (id, _) in unfinished {
            self.call_off(id, now);
        }
        Ok(())
    }

    fn call_off(&mut self, id: DeliveryId, now: Timestamp) {
        let delivery = self.deliveries.get_mut(&id).expect("it was seen just now");
        if delivery.cancelled.replace(now).is_some() {
            return;
        }
        if delivery.held {
            let queue = self.queues.get_mut(&delivery.step.target);
            queue.expect("a lane has it from there").call_off(id);
        } else {
            self.end_as_cancelled(id, now, None);
        }
    }

    /// Ends a delivery that no lane holds as cancelled, with the last attempt's status; with its
    /// detail too where there is no other.
    pub(super) fn end_as_cancelled(
        &mut self,
        id: DeliveryId,
        at: Timestamp,
        detail: Option<Arc<str>>,
    ) {
        let delivery = &self.deliveries[&id];
        let last = delivery.last.as_ref();
        let outcome = Outcome {
            delivery: id,
            at,
            verdict: Verdict::Ended(End::Cancelled),
            attempts: delivery.progress.attempts,
            used: delivery.progress.used,
            spent: delivery.progress.spent,
            status: last.and_then(|last| last.status),
            detail: detail.or_else(|| last?.detail.clone()),
            fallback: None,
        };
        self.keep(outcome, Hold::LetGo);
    }

    pub(in super::super) fn adopt(
        &mut self,
        old: &TargetName,
        heir: &TargetName,
    ) -> Result<(), Error> {
        self.check_open()?;
        let mut left = self.queues.remove(old).unwrap_or_default();
        if left.is_taken {
            self.queues.insert(old.clone(), left);
            return Err(Error::LaneTaken(old.clone()));
        }
        left.give_to(self.queues.entry(heir.clone()).or_default());
        self.heirs.remove(heir);
        let pointed = self.heirs.values_mut().filter(|name| *name == old);
        pointed.for_each(|name| *name = heir.clone());
        self.heirs.insert(old.clone(), heir.clone());
        let steps = self.deliveries.values_mut().map(|known| &mut known.step);
        let steps = steps.filter(|step| step.target == *old);
        steps.for_each(|step| step.target = heir.clone());
        self.give_lines(old, heir);
        Ok(())
    }

    pub(in super::super) fn forget_request(&mut self, id: MessageId) {
        self.forgotten.insert(id);
    }
}

impl Delivery {
    pub(super) fn can_be_redriven(&self) -> bool {
        let has_ended = matches!(self.state, DeliveryState::Dead | DeliveryState::Delivered);
        has_ended && !self.is_settled
    }
}

/// A message with another body.
fn edited(message: &Message, edited: &Edited) -> Message {
    Message {
        id: message.id,
        route: message.route.clone(),
        plan: message.plan,
        request: edited.in_place_of(&message.request),
        terms: message.terms.clone(),
        reservation: None,
    }
}
