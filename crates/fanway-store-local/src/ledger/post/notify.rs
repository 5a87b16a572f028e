//! Notices, made in the transaction that ends what they tell of: exactly one for each cause,
//! since a cause is posted once.

use fanway_store::lookup::{DeliveryView, MessageView};
use fanway_store::notice::{self, Notice};
use fanway_types::{Plan, Terms, Timestamp};

use super::Writing;
use super::fresh::Fresh;
use crate::ledger::Error;
use crate::view;

/// The notices of one record: their places in the order of acceptance are the record's own bytes,
/// where no message can be but one that ends with that record, which takes the last.
const OF_DEATH: u64 = 0;
const OF_END: u64 = 1;

impl Writing<'_> {
    /// Keeps the notices of a message that has ended with the record before `position`.
    pub(super) fn notify_of_end(
        &mut self,
        position: u64,
        message: &MessageView,
        plan: &Plan,
        terms: &Terms,
    ) -> Result<(), Error> {
        if plan.callback.is_none() && terms.callback.is_none() {
            return Ok(());
        }
        let at = message.ended_at.unwrap_or(message.id.timestamp());
        let notices = notice::of_end(message, plan, terms);
        for (notice, place) in notices.into_iter().zip(OF_END..) {
            self.keep_notice(position - place, at, notice)?;
        }
        Ok(())
    }

    /// Keeps the notice of a delivery that is dead by the record before `position`.
    pub(super) fn notify_of_death(
        &mut self,
        position: u64,
        delivery: &DeliveryView,
        plan: &Plan,
    ) -> Result<(), Error> {
        let Some(notice) = notice::of_death(delivery, plan) else {
            return Ok(());
        };
        let at = delivery.at.unwrap_or(delivery.id.message.timestamp());
        self.keep_notice(position - OF_DEATH, at, notice)
    }

    /// Keeps a notice like an accepted message. Lanes read it by its due time, since the order of
    /// acceptance has gone past it.
    fn keep_notice(&mut self, seq: u64, due: Timestamp, notice: Notice) -> Result<(), Error> {
        let (message, plan) = (&notice.message, &notice.plan);
        self.plans.add(self.connection, plan)?;
        let fresh = Fresh {
            seq,
            message,
            plan: self.plans.by_hash(self.connection, message.plan)?,
            view: view::fresh(message, plan),
            due: Some(due),
            outcomes: vec![None; plan.steps.len()],
            ended_by: seq,
        };
        self.write_fresh(&fresh)?;
        self.posted.notices.push(notice);
        Ok(())
    }
}
