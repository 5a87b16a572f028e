//! What a lane shows of itself when it comes to rest: to whoever asks, to metrics, to the log.

use fanway_policy::breaker::Cause;
use fanway_store::change::Force;
use fanway_types::HeldBy;
use tokio::time::Instant;

use super::Lane;
use super::change::Change;
use super::gate::Now;
use crate::handle::{Breaker, Snapshot};

impl Lane {
    pub(super) fn publish(&self, now: Now) {
        let Now { wall, steady } = now;
        let held_by = self.held_by(steady);
        let held_until = self.gate.opens_at(steady).filter(|_| held_by.is_some());
        let snapshot = Snapshot {
            held_by,
            held_until: held_until.map(|at| wall.saturating_add(at - steady)),
            breaker: self.gate.breaker(),
            force: self.gate.force(),
            pause: self.gate.is_paused(),
            in_flight: self.flights.len(),
            waiting: self.window.waiting(),
            bytes: self.window.bytes(),
        };
        let before = self.handle.snapshot();
        if let Some(change) = Change::between(before.breaker, snapshot.breaker) {
            self.log(change, snapshot.breaker);
        }
        self.metrics.show(&snapshot);
        self.handle.publish(snapshot);
    }

    /// An outage is told when it begins and when it ends; the probes between are for those who ask.
    fn log(&self, change: Change, to: Breaker) {
        let target_name = &self.name;
        match change {
            Change::Opened => {
                let cause = match (self.gate.force(), self.gate.cause()) {
                    (Force::Open, _) => "an operator has opened it",
                    (_, Some(Cause::Credentials)) => "the target refuses the credentials",
                    (_, Some(Cause::Failures) | None) => "the target has failed too often",
                };
                tracing::warn!(%target_name, cause, "the breaker has opened");
            }
            Change::Probed => {
                let to = to.as_str();
                tracing::debug!(%target_name, to, "the breaker has changed");
            }
            Change::Closed => tracing::info!(%target_name, "the breaker has closed"),
        }
    }

    fn held_by(&self, now: Instant) -> Option<HeldBy> {
        if !self.is_open {
            return Some(HeldBy::Store);
        }
        let is_full = self.flights.len() + self.way.hedges() >= self.concurrency
            && self.window.next_ready().is_some();
        self.gate
            .held_by(now)
            .or_else(|| is_full.then_some(HeldBy::Limit))
    }
}
