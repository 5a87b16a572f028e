//! What the store in memory knows, and the rules by which it changes.

mod queue;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::{Poll, Waker};

use fanway_store::lane::{Hold, Progress, Room, Work};
use fanway_store::{Backlog, Error, Redrive, accept, dead};
use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, End, Message, MessageId, Outcome, Plan, PlanHash, Step,
    StepIndex, TargetName, Timestamp, Verdict,
};

use queue::{Place, Queue};

/// All that the store knows.
#[derive(Debug, Default)]
pub(super) struct Book {
    plans: HashMap<PlanHash, Arc<Plan>>,
    messages: BTreeMap<MessageId, Arc<Message>>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    queues: HashMap<TargetName, Queue>,
    outcomes: Vec<Outcome>,
    /// Recorded while outcomes can't be kept.
    waiting: Vec<(Outcome, Hold)>,
    refuses_outcomes: bool,
    closed: bool,
    /// Deliveries made so far: the order of acceptance.
    made: u64,
}

#[derive(Debug)]
struct Delivery {
    /// Its place in the order of acceptance.
    number: u64,
    step: Step,
    plan: PlanHash,
    index: StepIndex,
    state: DeliveryState,
    progress: Progress,
    due: Option<Timestamp>,
    /// The last that was recorded.
    last: Option<Outcome>,
    /// Whether a lane holds it.
    held: bool,
    discarded: bool,
}

impl Delivery {
    fn place(&self, id: DeliveryId) -> Place {
        Place {
            due: self.due,
            number: self.number,
            id,
        }
    }

    fn is_dead_letter(&self) -> bool {
        self.state == DeliveryState::Dead && !self.discarded
    }
}

impl Book {
    pub(super) fn refuse_outcomes(&mut self) {
        self.refuses_outcomes = true;
        self.wake_all();
    }

    pub(super) fn keep_outcomes(&mut self) {
        self.refuses_outcomes = false;
        for (outcome, hold) in std::mem::take(&mut self.waiting) {
            self.keep(outcome, hold);
        }
        self.wake_all();
    }

    pub(super) fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    pub(super) fn most_held(&self, target: &TargetName) -> usize {
        self.queues.get(target).map_or(0, |queue| queue.most_held)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.queues.values_mut().for_each(Queue::wake);
    }

    pub(super) fn keep_plan(&mut self, plan: Arc<Plan>) -> Result<PlanHash, Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let hash = plan.hash();
        self.plans.insert(hash, plan);
        Ok(hash)
    }

    pub(super) fn plan(&self, hash: PlanHash) -> Option<Arc<Plan>> {
        self.plans.get(&hash).cloned()
    }

    pub(super) fn accept(&mut self, messages: &[Arc<Message>]) -> Result<(), accept::Error> {
        if self.closed {
            return Err(accept::Error::Closed("it was closed".to_owned()));
        }
        for message in messages {
            let plan = self.plan(message.plan).expect("the plan was kept before");
            self.messages.insert(message.id, Arc::clone(message));
            for (index, _) in (0..).zip(&plan.steps) {
                self.make(
                    DeliveryId::first(message.id, index),
                    message.plan,
                    index,
                    None,
                );
            }
        }
        Ok(())
    }

    fn make(&mut self, id: DeliveryId, plan: PlanHash, index: StepIndex, due: Option<Timestamp>) {
        self.made += 1;
        let step = self.plans[&plan].steps[usize::from(index)].clone();
        let target = step.target.clone();
        let delivery = Delivery {
            number: self.made,
            index,
            step,
            plan,
            state: DeliveryState::Pending,
            progress: Progress::default(),
            due,
            last: None,
            held: false,
            discarded: false,
        };
        let place = delivery.place(id);
        self.deliveries.insert(id, delivery);
        self.queues.entry(target).or_default().put(place);
    }

    pub(super) fn open_lane(&mut self, target: &TargetName) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let queue = self.queues.entry(target.clone()).or_default();
        if queue.is_taken {
            return Err(Error::LaneTaken(target.clone()));
        }
        queue.is_taken = true;
        Ok(())
    }

    pub(super) fn close_lane(&mut self, target: &TargetName) {
        let queue = self.queues.entry(target.clone()).or_default();
        queue.is_taken = false;
        queue.held = 0;
        for (id, delivery) in &mut self.deliveries {
            if delivery.held && delivery.step.target == *target {
                delivery.held = false;
                queue.put(delivery.place(*id));
            }
        }
    }

    pub(super) fn poll_take(
        &mut self,
        target: &TargetName,
        waker: &Waker,
        now: Timestamp,
        room: Room,
        work: &mut Vec<Work>,
    ) -> Poll<Result<(), Error>> {
        if self.closed {
            return Poll::Ready(Err(Error::Closed));
        }
        let queue = self.queues.entry(target.clone()).or_default();
        let before = work.len();
        let mut bytes = 0;
        while work.len() - before < room.deliveries && bytes < room.bytes.get() {
            let Some(id) = queue.take(now) else { break };
            let delivery = self.deliveries.get_mut(&id).expect("queued ones are known");
            delivery.held = true;
            let message = Arc::clone(&self.messages[&id.message]);
            bytes += message.request.body.len() as u64;
            work.push(Work {
                delivery: id,
                message,
                plan: delivery.plan,
                step: delivery.index,
                progress: delivery.progress,
            });
        }
        if work.len() == before {
            queue.waker = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn due(&self, target: &TargetName) -> Option<Timestamp> {
        self.queues.get(target)?.due()
    }

    pub(super) fn poll_open(&mut self, target: &TargetName, waker: &Waker) -> Poll<()> {
        if !self.refuses_outcomes {
            return Poll::Ready(());
        }
        let queue = self.queues.entry(target.clone()).or_default();
        queue.open_waker = Some(waker.clone());
        Poll::Pending
    }

    pub(super) fn record(&mut self, outcome: Outcome, hold: Hold) {
        if self.refuses_outcomes {
            self.waiting.push((outcome, hold));
        } else {
            self.keep(outcome, hold);
        }
    }

    fn keep(&mut self, outcome: Outcome, hold: Hold) {
        let id = outcome.delivery;
        let delivery = self.deliveries.get_mut(&id).expect("a known delivery");
        if delivery.state.has_ended() {
            return;
        }
        delivery.progress = Progress {
            attempts: outcome.attempts,
            used: outcome.used,
            spent: outcome.spent,
        };
        let (state, due) = match outcome.verdict {
            Verdict::Ended(end) => (end.into(), None),
            Verdict::Again { due, .. } => (DeliveryState::Retrying, Some(due)),
        };
        delivery.state = state;
        delivery.due = due;
        delivery.last = Some(outcome.clone());
        self.outcomes.push(outcome);
        if hold == Hold::Keep && !state.has_ended() {
            return;
        }
        delivery.held = false;
        let queue = self.queues.entry(delivery.step.target.clone()).or_default();
        queue.held = queue.held.saturating_sub(1);
        if !state.has_ended() {
            queue.put(delivery.place(id));
        }
    }

    pub(super) fn redrive(
        &mut self,
        redrive: Redrive,
        now: Timestamp,
    ) -> Result<DeliveryId, dead::Error> {
        let id = redrive.dead;
        let dead = self.deliveries.get_mut(&id);
        let Some(dead) = dead.filter(|delivery| delivery.is_dead_letter()) else {
            return Err(dead::Error::NotFound(id));
        };
        let plan = self.plans.get(&redrive.plan).ok_or(dead::Error::NoStep)?;
        if usize::from(redrive.step) >= plan.steps.len() {
            return Err(dead::Error::NoStep);
        }
        let new = id.next_run().ok_or(dead::Error::Full)?;
        dead.discarded = true;
        self.make(new, redrive.plan, redrive.step, Some(now));
        Ok(new)
    }

    pub(super) fn discard(&mut self, id: DeliveryId) -> Result<(), dead::Error> {
        let dead = self.deliveries.get_mut(&id);
        let Some(dead) = dead.filter(|delivery| delivery.is_dead_letter()) else {
            return Err(dead::Error::NotFound(id));
        };
        dead.discarded = true;
        Ok(())
    }

    pub(super) fn backlog(&self) -> Vec<Backlog> {
        let mut backlogs = BTreeMap::new();
        for (id, delivery) in &self.deliveries {
            let target = delivery.step.target.clone();
            let backlog = backlogs.entry(target.clone()).or_insert(Backlog {
                target,
                pending: 0,
                oldest: None,
                dead: 0,
            });
            let accepted = id.message.timestamp();
            if !delivery.state.has_ended() {
                backlog.pending += 1;
                backlog.oldest = Some(backlog.oldest.unwrap_or(accepted).min(accepted));
            }
            backlog.dead += u64::from(delivery.is_dead_letter());
        }
        backlogs.retain(|_, backlog| backlog.pending + backlog.dead > 0);
        backlogs.into_values().collect()
    }
}

/// Why a delivery is dead, where it is.
fn dead_reason(outcome: &Outcome) -> Option<DeadReason> {
    match outcome.verdict {
        Verdict::Ended(End::Dead(reason)) => Some(reason),
        Verdict::Ended(_) | Verdict::Again { .. } => None,
    }
}
