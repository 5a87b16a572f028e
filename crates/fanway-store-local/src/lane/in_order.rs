//! What a lane does about order keys: which of its deliveries are handed out, and when the next of a
//! key is.

use std::sync::Arc;

use fanway_store::lane::{Hold, Work};
use fanway_types::{DeadReason, DeliveryId, End, OrderKey, Outcome, Timestamp, Verdict, WhenDead};
use foldhash::HashSet;

use super::LocalLane;
use super::order::{Comes, Follows, Goes};
use crate::feed;
use crate::ledger::{Due, Found, bucket};
use crate::tail::Ticket;

/// What is written down of a delivery that is dead since an earlier one of its key is.
const DOOMED: &str = "an earlier delivery of its order key is dead";

impl LocalLane {
    /// What is to be handed out of a fresh delivery that has an order key: nothing, where another
    /// one of its key has its turn.
    pub(super) fn come(
        &mut self,
        work: Work,
        key: OrderKey,
        feed: &mut feed::State,
    ) -> Option<Work> {
        if self.held.passes_over(work.delivery) {
            return None;
        }
        let (delivery, when_dead) = (work.delivery, self.when_dead(&work));
        let intake = &self.store.intake;
        match self.order.come(work, key, when_dead, || intake.appended()) {
            Comes::Goes(work) => {
                self.held.take_in(delivery);
                Some(work)
            }
            Comes::Parked => {
                self.held.take_in(delivery);
                None
            }
            Comes::PassedOver => {
                self.note_passing(feed);
                None
            }
        }
    }

    /// Notes for those who post whether anything is left to the ledger. What was posted before was
    /// not told of, and is looked at once.
    pub(super) fn note_passing(&mut self, feed: &mut feed::State) {
        let passes_over = self.order.passes_over();
        if passes_over && !feed.passes_over {
            feed.note_due(Some(Timestamp::default()));
        }
        feed.passes_over = passes_over;
        self.shown_passing = passes_over;
    }

    /// The same, where it isn't what was noted last.
    fn show_passing(&mut self) {
        if self.order.passes_over() != self.shown_passing {
            let feed = Arc::clone(&self.feed);
            self.note_passing(&mut feed.state());
        }
    }

    /// Notes what was accepted with order keys and isn't due yet.
    pub(super) fn note_scheduled(&mut self, feed: &mut feed::State) {
        if feed.scheduled.is_empty() {
            return;
        }
        let appended = self.store.intake.appended();
        for bucket in feed.scheduled.drain() {
            self.order.soil(bucket, appended);
        }
        self.note_passing(feed);
    }

    /// Takes in what was read of lines, when so many entries were posted.
    pub(super) fn take_in_lines(&mut self, found: &mut Due, posted: Ticket) {
        let is_ordered = found.due.iter().any(|found| found.line.is_some());
        // What was committed since the question was asked may be posted already, and comes from there.
        let in_feed: HashSet<_> = if is_ordered || !found.doomed.is_empty() {
            let feed = self.feed.state();
            feed.queue.iter().map(|work| work.delivery).collect()
        } else {
            HashSet::default()
        };
        let mut spoilt = HashSet::default();
        let mut look_again = false;
        for Found { work, line } in std::mem::take(&mut found.due) {
            if in_feed.contains(&work.delivery) {
                spoilt.extend(line.map(|(key, _)| bucket(key)));
                look_again = true;
                continue;
            }
            let is_new = self.held.take_in(work.delivery);
            let Some((key, followers)) = line else {
                if is_new {
                    self.ready.push_back(self.store.reserved(work));
                }
                continue;
            };
            if !is_new {
                spoilt.insert(bucket(key));
            } else if !self.take_in_line(work, key, followers, &in_feed) {
                spoilt.insert(bucket(key));
                let appended = self.store.intake.appended();
                self.order.soil(bucket(key), appended);
            }
        }
        self.clean(found, posted, &spoilt);
        for doomed in std::mem::take(&mut found.doomed) {
            if in_feed.contains(&doomed.delivery) {
                look_again = true;
            } else if self.held.take_in(doomed.delivery) {
                self.end_doomed(&doomed);
            }
        }
        if look_again {
            // Where it is left to the ledger when it comes, nobody would tell of it again.
            self.feed.state().note_due(Some(Timestamp::default()));
        }
        self.show_passing();
    }

    /// Takes in one that has its turn in the ledger, and those behind it; false where not all of them
    /// were new here.
    fn take_in_line(
        &mut self,
        work: Work,
        key: OrderKey,
        followers: Vec<Work>,
        in_feed: &HashSet<DeliveryId>,
    ) -> bool {
        let when_dead = self.when_dead(&work);
        let work = self.store.reserved(work);
        let Some(work) = self.order.take_in(work, key, when_dead) else {
            return followers.is_empty();
        };
        self.ready.push_back(work);
        for follower in followers {
            let delivery = follower.delivery;
            if in_feed.contains(&delivery) || !self.held.take_in(delivery) {
                return false;
            }
            let when_dead = self.when_dead(&follower);
            let follower = self.store.reserved(follower);
            self.order.follow(follower, key, when_dead);
        }
        true
    }

    /// Notes which buckets the lane has all of.
    fn clean(&mut self, found: &Due, posted: Ticket, spoilt: &HashSet<u16>) {
        for bucket in found.clean.iter().filter(|bucket| !spoilt.contains(bucket)) {
            self.order.clean(*bucket, posted);
        }
        let Some(dirty) = &found.dirty else { return };
        self.order.clean_all_but(dirty, posted);
        for bucket in spoilt {
            let appended = self.store.intake.appended();
            self.order.soil(*bucket, appended);
        }
        self.seen_lines = found.posted;
    }

    /// Ends a delivery since an earlier one of its key is dead.
    fn end_doomed(&mut self, work: &Work) {
        let outcome = Outcome {
            delivery: work.delivery,
            at: (self.store.settings.clock)(),
            verdict: Verdict::Ended(End::Dead(DeadReason::Order)),
            attempts: work.progress.attempts,
            used: work.progress.used,
            spent: work.progress.spent,
            status: None,
            detail: Some(DOOMED.into()),
            fallback: None,
        };
        let event = self.event(work, &outcome);
        self.append(outcome, Hold::LetGo, event);
    }

    /// Sees to those of the same keys behind deliveries whose ends have become durable; returns
    /// whether any have.
    pub(super) fn see_to_ended(&mut self) -> bool {
        if self.ending.is_empty() {
            return false;
        }
        let committed = self.store.commons.tail().committed_tickets();
        let mut are_any = false;
        while let Some((_, delivery, verdict)) = self
            .ending
            .pop_front_if(|(ticket, ..)| *ticket <= committed)
        {
            self.let_others_go(delivery, verdict);
            are_any = true;
        }
        are_any
    }

    /// Sees to those of the same key behind a delivery that goes by this verdict.
    pub(super) fn let_others_go(&mut self, delivery: DeliveryId, verdict: Verdict) {
        if self.order.is_empty() {
            return;
        }
        let goes = match verdict {
            Verdict::Ended(End::Dead(reason)) if reason != DeadReason::Order => Goes::Dead,
            Verdict::Ended(_) => Goes::Ended,
            Verdict::Again { .. } => Goes::LetGo,
        };
        let intake = &self.store.intake;
        let Follows { next, dropped } = self.order.go(delivery, goes, || intake.appended());
        self.ready.extend(next);
        for work in &dropped {
            self.held.forget(work.delivery);
        }
        self.show_passing();
        if !dropped.is_empty() {
            // Some of them may have their turn in the ledger already.
            self.feed.state().note_due(Some(Timestamp::default()));
        }
    }

    /// What follows for others of its key where a delivery is dead.
    fn when_dead(&mut self, work: &Work) -> WhenDead {
        if self
            .last_plan
            .as_ref()
            .is_none_or(|(hash, _)| *hash != work.plan)
        {
            let plan = self.store.commons.plan(work.plan);
            self.last_plan = plan.map(|plan| (work.plan, plan));
        }
        let plan = self.last_plan.as_ref().map(|(_, plan)| plan);
        let step = plan.and_then(|plan| plan.steps.get(usize::from(work.step)));
        let order = step.and_then(|step| step.order.as_ref());
        order.map(|order| order.when_dead).unwrap_or_default()
    }
}
