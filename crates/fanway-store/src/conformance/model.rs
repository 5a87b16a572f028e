//! What a store has to do, in memory and as simply as it can be said: each step of a schedule is
//! checked against it.

use std::collections::BTreeMap;

use fanway_types::{
    AgainCause, DeadReason, DeliveryId, DeliveryState, End, IdempotencyKey, KeyHash, Message,
    MessageId, Outcome, Plan, TargetName, Timestamp, Verdict,
};

use crate::accept;
use crate::lane::{Hold, Progress, Work};
use crate::lookup::{DeliveryView, MessageView};

/// All deliveries.
#[derive(Default)]
pub(super) struct Model {
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
    /// In the order of acceptance.
    pub(super) order: Vec<MessageId>,
    /// The last message that was accepted with each key, and the key.
    keys: BTreeMap<KeyHash, (MessageId, IdempotencyKey)>,
}

pub(super) struct Delivery {
    /// Its place in the order of acceptance.
    number: usize,
    /// What was recorded of it, the latest last. A crash may take back all but the first.
    recorded: Vec<Recorded>,
    pub(super) with: With,
}

/// Who has a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With {
    /// The store.
    Store,
    /// The lane.
    Lane,
    /// Nobody: it has ended.
    Nobody,
}

/// A delivery as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Recorded {
    /// Who has it.
    target: TargetName,
    state: DeliveryState,
    due: Option<Timestamp>,
    progress: Progress,
}

impl Delivery {
    fn last(&self) -> &Recorded {
        self.recorded.last().expect("it begins with one")
    }

    /// The target that has it.
    pub(super) fn target(&self) -> &TargetName {
        &self.last().target
    }

    pub(super) fn has_ended(&self) -> bool {
        self.last().state.has_ended()
    }

    /// Whether a lane is to be given it by `now`.
    fn is_available(&self, now: Timestamp) -> bool {
        self.with == With::Store && self.last().due.is_none_or(|due| due <= now)
    }
}

impl Recorded {
    fn fits(&self, view: &DeliveryView) -> bool {
        let attempts = self.progress.attempts;
        (self.state, attempts, &self.target) == (view.state, view.attempts, &view.target)
            && (self.due == view.due || self.state.has_ended())
    }
}

impl Model {
    /// What is to become of a message.
    pub(super) fn answer(&self, message: &Message, now: Timestamp) -> Result<(), accept::Error> {
        let Some(key) = &message.terms.key else {
            return Ok(());
        };
        let known = self.keys.get(&key.hash());
        match known.filter(|(_, known)| known.until >= now) {
            None => Ok(()),
            Some((id, known)) if known.fingerprint == key.fingerprint => {
                Err(accept::Error::Repeated { accepted: *id })
            }
            Some(_) => Err(accept::Error::KeyTaken),
        }
    }

    /// Adds an accepted message.
    pub(super) fn accept(&mut self, message: &Message, plan: &Plan) {
        let id = message.id;
        if let Some(key) = &message.terms.key {
            self.keys.insert(key.hash(), (id, key.clone()));
        }
        for (step, index) in plan.steps.iter().zip(0..) {
            let recorded = Recorded {
                target: step.target.clone(),
                state: DeliveryState::Pending,
                due: message.due(),
                progress: Progress::default(),
            };
            let delivery = Delivery {
                number: self.order.len(),
                recorded: vec![recorded],
                with: With::Store,
            };
            self.deliveries
                .insert(DeliveryId::first(id, index), delivery);
        }
        self.order.push(id);
    }

    /// Those of a target that are with somebody.
    pub(super) fn of(&self, target: &TargetName, with: With) -> Vec<DeliveryId> {
        let of_target = self.deliveries.iter();
        let of_target =
            of_target.filter(|(_, known)| known.target() == target && known.with == with);
        of_target.map(|(id, _)| *id).collect()
    }

    /// How many of a target's a lane is to be given by `now`.
    pub(super) fn available(&self, target: &TargetName, now: Timestamp) -> usize {
        let of_target = self
            .deliveries
            .values()
            .filter(|known| known.target() == target);
        of_target.filter(|known| known.is_available(now)).count()
    }

    /// Takes note of what a target's lane was handed; panics where that is wrong.
    pub(super) fn hand_out(&mut self, target: &TargetName, work: &[Work], now: Timestamp) {
        let mut fresh = Vec::new();
        for work in work {
            let id = work.delivery;
            let known = self.deliveries.get_mut(&id);
            let known = known.unwrap_or_else(|| panic!("{id} was never accepted"));
            let last = known.last().clone();
            assert_eq!(last.target, *target, "{id} went to the wrong lane");
            assert_eq!(
                known.with,
                With::Store,
                "{id} was handed out twice: {last:?}"
            );
            assert!(
                known.is_available(now),
                "{id} was handed out early: {last:?} at {now}"
            );
            assert_eq!(work.progress, last.progress, "of {id}");
            known.with = With::Lane;
            if last.due.is_none() {
                fresh.push((known.number, id.step));
            }
        }
        assert!(
            fresh.is_sorted(),
            "fresh deliveries came out of order: {fresh:?}"
        );
        // Whatever was accepted before the last of these and is still to be given comes too late.
        let skipped = fresh
            .last()
            .and_then(|last| self.earlier_fresh(target, *last));
        assert_eq!(skipped, None, "passed over for {fresh:?}");
    }

    fn earlier_fresh(&self, target: &TargetName, than: (usize, u16)) -> Option<DeliveryId> {
        let waiting = self.deliveries.iter().find(|(id, known)| {
            known.target() == target
                && known.with == With::Store
                && known.last().due.is_none()
                && (known.number, id.step) < than
        });
        waiting.map(|(id, _)| *id)
    }

    /// Takes note of an outcome, which is ignored where the delivery has ended.
    pub(super) fn record(&mut self, outcome: &Outcome, hold: Hold) {
        let known = self.deliveries.get_mut(&outcome.delivery);
        let known = known.expect("a schedule records what it was given");
        if known.with == With::Nobody {
            return;
        }
        let (state, due) = match outcome.verdict {
            Verdict::Ended(end) => (end.into(), None),
            Verdict::Again { due, .. } => (DeliveryState::Retrying, Some(due)),
        };
        let progress = Progress {
            attempts: outcome.attempts,
            used: outcome.used,
            spent: outcome.spent,
        };
        let target = outcome.fallback.clone();
        let target = target.unwrap_or_else(|| known.target().clone());
        known.recorded.push(Recorded {
            target,
            state,
            due,
            progress,
        });
        known.with = match (state.has_ended(), hold) {
            (true, _) => With::Nobody,
            (false, Hold::Keep) => With::Lane,
            (false, Hold::LetGo) => With::Store,
        };
    }

    /// What would come next of a delivery.
    pub(super) fn outcome(&self, id: DeliveryId, verdict: Verdict, at: Timestamp) -> Outcome {
        let progress = self.deliveries[&id].last().progress;
        Outcome {
            delivery: id,
            at,
            verdict,
            attempts: progress.attempts + 1,
            used: progress.used + 1,
            spent: progress.spent,
            status: None,
            detail: None,
            fallback: None,
        }
    }

    /// A message is called off: what no lane has ends. Returns what lanes have; a crash ends it.
    pub(super) fn cancel(&mut self, id: MessageId) -> Vec<DeliveryId> {
        let mut with_lanes = Vec::new();
        let of_message = self.deliveries.iter_mut();
        let unfinished = of_message
            .filter(|(delivery, known)| delivery.message == id && known.with != With::Nobody);
        for (delivery, known) in unfinished {
            let cancelled = Recorded {
                state: DeliveryState::Cancelled,
                due: None,
                ..known.last().clone()
            };
            known.recorded.push(cancelled);
            if known.with == With::Lane {
                with_lanes.push(*delivery);
            } else {
                known.with = With::Nobody;
            }
        }
        with_lanes
    }

    /// A target's lane has gone: the store has what it held.
    pub(super) fn drop_lane(&mut self, target: &TargetName) {
        let held = self.deliveries.values_mut();
        for known in held.filter(|known| known.target() == target && known.with == With::Lane) {
            known.with = With::Store;
        }
    }

    /// All that was recorded is durable.
    pub(super) fn settle(&mut self) {
        for known in self.deliveries.values_mut() {
            known.recorded = vec![known.last().clone()];
        }
    }

    /// Checks what a look-up shows: nothing that was never recorded or was durably overtaken.
    pub(super) fn check(&self, view: &MessageView) {
        for shown in &view.deliveries {
            let known = &self.deliveries[&shown.id].recorded;
            assert!(
                known.iter().any(|recorded| recorded.fits(shown)),
                "{shown:?} is shown, and there was only {known:?}"
            );
        }
    }

    /// Takes over what a crash has left of a message.
    pub(super) fn recover(&mut self, view: &MessageView) {
        self.check(view);
        for shown in &view.deliveries {
            let known = self.deliveries.get_mut(&shown.id).expect("just checked");
            known.recorded.retain(|recorded| recorded.fits(shown));
            let has_ended = known.has_ended();
            known.with = if has_ended { With::Nobody } else { With::Store };
        }
    }
}

/// Ends that a schedule draws from.
pub(super) const ENDS: [End; 4] = [
    End::Delivered,
    End::Skipped,
    End::Cancelled,
    End::Dead(DeadReason::Refused),
];

/// That it is to be attempted again at `due`.
pub(super) fn at(due: Timestamp) -> Verdict {
    let cause = AgainCause::Failed;
    Verdict::Again { due, cause }
}
