//! What a lane shows of itself when it comes to rest: to whoever asks, to metrics, to the log.

use fanway_policy::breaker;
use fanway_store::change::{Force, PauseCause};
use fanway_types::HeldBy;
use tokio::time::Instant;

use super::Lane;
use super::change::Change;
use super::gate::{Now, kept_cause};
use crate::handle::{Breaker, Limit, Snapshot};

impl Lane {
    pub(super) fn publish(&self, now: Now) {
        let Now { wall, steady } = now;
        let limited_by = self.limited_by(steady);
        let held_by = self.held_by(limited_by);
        let held_until = self.gate.opens_at(steady).filter(|_| held_by.is_some());
        let snapshot = Snapshot {
            held_by,
            held_until: held_until.map(|at| wall.saturating_add(at - steady)),
            limited_by: limited_by.filter(|_| held_by == Some(HeldBy::Limit)),
            concurrency: self.gate.concurrency(),
            breaker: self.gate.breaker(),
            cause: self.gate.cause().map(kept_cause),
            force: self.gate.force(),
            pause: self.gate.pause(),
            in_flight: self.flights.len(),
            waiting: self.window.waiting(),
            bytes: self.window.bytes(),
        };
        let before = self.handle.snapshot();
        if let Some(change) = Change::between(before.breaker, snapshot.breaker) {
            self.log(change, snapshot.breaker);
        }
        if snapshot.pause == Some(PauseCause::Gone) && before.pause != snapshot.pause {
            let target_name = &self.name;
            tracing::warn!(%target_name, "the target has answered 410 and is disabled");
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
                    (_, Some(breaker::Cause::Credentials)) => "the target refuses the credentials",
                    (_, Some(breaker::Cause::Slow)) => "the target has been slow too often",
                    (_, Some(breaker::Cause::Failures) | None) => "the target has failed too often",
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

    fn held_by(&self, limited_by: Option<Limit>) -> Option<HeldBy> {
        if !self.is_open {
            return Some(HeldBy::Store);
        }
        let limit = limited_by.map(|_| HeldBy::Limit);
        self.gate.held_by().or(limit)
    }

    /// The limit that holds what is ready. One that the target has asked for holds what comes too.
    fn limited_by(&self, now: Instant) -> Option<Limit> {
        let limit = self.gate.limited_by(self.in_flight(), now)?;
        let holds =
            matches!(limit, Limit::Pushback | Limit::Pace) || self.window.next_ready().is_some();
        holds.then_some(limit)
    }
}
