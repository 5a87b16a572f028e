//! How a lane starts what it may: while the store can keep outcomes, up to its concurrency, as the
//! gate allows, in the order in which deliveries became ready.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Context;

use fanway_types::{DeadReason, End};
use rand::Rng;
use tokio::time::Instant;

use super::Lane;
use super::flight::{Departure, Flight};
use super::gate::Now;
use crate::plans;

impl Lane {
    pub(super) fn start_attempts(&mut self, cx: &mut Context<'_>, now: Now) {
        self.is_open = self.reader.poll_open(cx).is_ready();
        self.window.promote(now.steady);
        self.end_all_expired(now.wall);
        self.plans.refresh();
        self.account_for_hedges(now.steady);
        while self.is_open
            && self.in_flight() < self.gate.concurrency()
            && self.start_next(now.steady).is_continue()
        {}
        self.allow_hedges(now.steady);
    }

    /// Attempts in flight, hedges among them.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len() + self.way.hedges()
    }

    /// Hedges are made between two looks at the lane. What they have taken of the limits is gone
    /// before anything else starts.
    fn account_for_hedges(&mut self, now: Instant) {
        let Some(endpoints) = self.way.endpoints() else {
            return;
        };
        for _ in 0..endpoints.take_hedged() {
            self.gate.take_beside(now);
        }
    }

    /// What is left after all that could start may go to hedges.
    fn allow_hedges(&self, now: Instant) {
        if let Some(endpoints) = self.way.endpoints() {
            let free = self.gate.concurrency().saturating_sub(self.in_flight());
            endpoints.allow_hedges(free.min(self.gate.allowed_beside(now)));
        }
    }

    /// Starts the next delivery, or ends it where it needs no attempt; breaks where it has to wait.
    fn start_next(&mut self, now: Instant) -> ControlFlow<()> {
        let Some(next) = self.window.next_ready() else {
            return ControlFlow::Break(());
        };
        let hash = next.plan;
        // There rarely are any, and an id is hashed for an empty set too.
        if !self.crashed.is_empty() && self.crashed.remove(&next.delivery) {
            let detail = "the process died repeatedly while this step's expressions ran";
            return self.end_next(DeadReason::Crash, detail.into());
        }
        let plan = match self.plans.get(hash) {
            Some(Ok(plan)) => plan,
            Some(Err(reason)) => {
                let reason = Arc::clone(reason);
                return self.end_next(DeadReason::Expression, reason);
            }
            None => {
                let store = Arc::clone(&self.store);
                self.loading
                    .get_or_insert_with(|| Box::pin(plans::load(store, hash)));
                return ControlFlow::Break(());
            }
        };
        let Some(pass) = self.gate.admit(now) else {
            return self.fall_back_next();
        };
        let work = self.window.take_ready().expect("it was seen above");
        let departure = Departure {
            work,
            pass,
            plan,
            line: self.way.line(),
            look: &self.look,
            evaluator: &self.evaluator,
            clock: &self.clock,
            span: self.rng.next_u64(),
        };
        self.flights.push(Flight::begin(departure, now));
        ControlFlow::Continue(())
    }

    fn end_next(&mut self, reason: DeadReason, detail: Arc<str>) -> ControlFlow<()> {
        if let Some(work) = self.window.take_ready() {
            self.end_unattempted(&work, End::Dead(reason), Some(detail));
        }
        ControlFlow::Continue(())
    }
}
