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
        let hedges = self.way.hedges();
        while self.is_open
            && self.flights.len() + hedges < self.concurrency
            && self.start_next(now.steady).is_continue()
        {}
        if let Some(endpoints) = self.way.endpoints() {
            let free = self.concurrency.saturating_sub(self.flights.len());
            endpoints.allow_hedges(if self.gate.is_closed() { free } else { 0 });
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
            return self.fall_back_next(now);
        };
        let work = self.window.take_ready().expect("it was seen above");
        let departure = Departure {
            work,
            pass,
            plan,
            line: self.way.line(),
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
