//! What the store in memory knows, and how messages come in and deliveries end.

mod change;
mod find;
mod lanes;
mod lines;
mod queue;
mod records;
mod view;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use fanway_store::event::{Event, What};
use fanway_store::lane::{Hold, Progress};
use fanway_store::notice::{self, CallbackOrigin, Notice};
use fanway_store::{Error, accept};
use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, End, KeyHash, Message, MessageId, Outcome, Plan,
    PlanHash, Step, StepIndex, TargetName, Timestamp, Verdict,
};
use tokio::sync::broadcast;

use lines::Lines;
use queue::{Place, Queue};
use records::Records;

/// How many batches of events a watcher may be behind.
const WATCHER_ROOM: usize = 1024;

/// All that the store knows.
#[derive(Debug, Default)]
pub(super) struct Book {
    plans: HashMap<PlanHash, Arc<Plan>>,
    messages: BTreeMap<MessageId, Arc<Message>>,
    /// Messages whose requests are no longer kept.
    forgotten: HashSet<MessageId>,
    /// The last message that was accepted with each key.
    keys: HashMap<KeyHash, MessageId>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    queues: HashMap<TargetName, Queue>,
    lines: Lines,
    /// Targets' earlier names, and the names of today. None of the latter is among the former.
    heirs: HashMap<TargetName, TargetName>,
    pub(super) records: Records,
    outcomes: Vec<Outcome>,
    /// Recorded while outcomes can't be kept.
    waiting: Vec<(Outcome, Hold)>,
    refuses_outcomes: bool,
    closed: bool,
    /// Deliveries made so far: the order of acceptance.
    made: u64,
    /// What watchers haven't been told yet.
    happened: Vec<Event>,
    watchers: Option<broadcast::Sender<Arc<[Event]>>>,
}

#[derive(Debug)]
struct Delivery {
    run: Run,
    /// Its place in the order of acceptance.
    number: u64,
    /// Its step, whose target is the one that has it, by its name of today.
    step: Step,
    /// The step's own, where a fallback has it.
    fallback_of: Option<TargetName>,
    state: DeliveryState,
    progress: Progress,
    due: Option<Timestamp>,
    /// The last that was recorded.
    last: Option<Outcome>,
    /// Whether a lane holds it.
    held: bool,
    /// Whether another one of its order key has its turn.
    in_line: bool,
    /// When it was called off.
    cancelled: Option<Timestamp>,
    /// Whether it was redriven or discarded.
    is_settled: bool,
}

/// What is fixed about a delivery.
#[derive(Debug)]
struct Run {
    /// Its message, with the body that this delivery sends.
    message: Arc<Message>,
    plan: PlanHash,
    index: StepIndex,
    key: DeliveryId,
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
        self.state == DeliveryState::Dead && !self.is_settled
    }

    /// Why it is dead, where it is.
    fn dead_reason(&self) -> Option<DeadReason> {
        match self.last.as_ref()?.verdict {
            Verdict::Ended(End::Dead(reason)) => Some(reason),
            Verdict::Ended(_) | Verdict::Again { .. } => None,
        }
    }
}

/// Coming in.
impl Book {
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.watchers = None;
        self.wake_all();
    }

    pub(super) fn keep_plan(&mut self, plan: Arc<Plan>) -> PlanHash {
        let hash = plan.hash();
        self.plans.insert(hash, plan);
        hash
    }

    pub(super) fn plan(&self, hash: PlanHash) -> Option<Arc<Plan>> {
        self.plans.get(&hash).cloned()
    }

    pub(super) fn accept(&mut self, messages: &[Arc<Message>]) -> Result<(), accept::Error> {
        if self.closed {
            return Err(accept::Error::Closed("it was closed".to_owned()));
        }
        self.check_keys(messages)?;
        messages.iter().for_each(|message| self.add(message));
        Ok(())
    }

    fn check_keys(&self, messages: &[Arc<Message>]) -> Result<(), accept::Error> {
        let mut in_group = HashSet::new();
        for message in messages {
            let Some(key) = &message.terms.key else {
                continue;
            };
            let before = self.keys.get(&key.hash()).map(|id| &self.messages[id]);
            let known = before.and_then(|before| Some((before.id, before.terms.key.as_ref()?)));
            match known.filter(|(_, known)| known.until >= message.received_at()) {
                Some((accepted, known)) if known.fingerprint == key.fingerprint => {
                    return Err(accept::Error::Repeated { accepted });
                }
                None if in_group.insert(key.hash()) => {}
                Some(_) | None => return Err(accept::Error::KeyTaken),
            }
        }
        Ok(())
    }

    fn add(&mut self, message: &Arc<Message>) {
        let plan = self.plan(message.plan).expect("the plan was kept before");
        if let Some(key) = &message.terms.key {
            self.keys.insert(key.hash(), message.id);
        }
        self.messages.insert(message.id, Arc::clone(message));
        self.note_event(message.id, What::Accepted);
        let not_before = message.terms.not_before;
        let due = not_before.filter(|at| *at > message.received_at());
        for (index, _) in (0..).zip(&plan.steps) {
            let id = DeliveryId::first(message.id, index);
            let run = Run {
                message: Arc::clone(message),
                plan: message.plan,
                index,
                key: id,
            };
            self.make(id, run, due, None);
        }
    }

    /// Makes a delivery, in place of `old` where it is made anew.
    fn make(&mut self, id: DeliveryId, run: Run, due: Option<Timestamp>, old: Option<DeliveryId>) {
        self.made += 1;
        let mut step = self.plans[&run.plan].steps[usize::from(run.index)].clone();
        step.target = self.name_of_today(&step.target);
        let target = step.target.clone();
        let mut delivery = Delivery {
            run,
            number: self.made,
            step,
            fallback_of: None,
            state: DeliveryState::Pending,
            progress: Progress::default(),
            due,
            last: None,
            held: false,
            in_line: false,
            cancelled: None,
            is_settled: false,
        };
        let has_turn = old.is_some_and(|old| self.take_over_turn(old, id));
        delivery.in_line = !has_turn && self.join_line(id, &delivery);
        let place = (!delivery.in_line).then(|| delivery.place(id));
        self.deliveries.insert(id, delivery);
        if let Some(place) = place {
            self.queues.entry(target).or_default().put(place);
        }
    }

    fn name_of_today(&self, target: &TargetName) -> TargetName {
        self.heirs.get(target).unwrap_or(target).clone()
    }
}

/// Ending.
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

    pub(super) fn record(&mut self, outcome: Outcome, hold: Hold) {
        if self.refuses_outcomes {
            self.waiting.push((outcome, hold));
        } else {
            self.keep(outcome, hold);
        }
    }

    fn keep(&mut self, outcome: Outcome, hold: Hold) {
        let (id, at) = (outcome.delivery, outcome.at);
        let fallback = outcome.fallback.as_ref();
        let fallback = fallback.map(|target| self.name_of_today(target));
        let delivery = self.deliveries.get_mut(&id).expect("a known delivery");
        if delivery.state.has_ended() {
            return;
        }
        let queue = self.queues.entry(delivery.step.target.clone());
        let queue = queue.or_default();
        queue.take_out(&delivery.place(id), delivery.held);
        delivery.progress = Progress {
            attempts: outcome.attempts,
            used: outcome.used,
            spent: outcome.spent,
        };
        (delivery.state, delivery.due) = match outcome.verdict {
            Verdict::Ended(end) => (end.into(), None),
            Verdict::Again { due, .. } => (DeliveryState::Retrying, Some(due)),
        };
        delivery.last = Some(outcome.clone());
        if let Some(fallback) = fallback {
            let before = std::mem::replace(&mut delivery.step.target, fallback);
            delivery.fallback_of.get_or_insert(before);
        }
        let queue = self.queues.entry(delivery.step.target.clone());
        let queue = queue.or_default();
        let has_ended = delivery.state.has_ended();
        delivery.held = hold == Hold::Keep && !has_ended;
        match delivery.held {
            true => queue.hold(),
            false if has_ended => {}
            false => queue.put(delivery.place(id)),
        }
        let called_off = delivery.cancelled.filter(|_| !delivery.held);
        self.note_outcome(outcome);
        if has_ended {
            self.give_notice(id);
            self.leave_line(id);
        } else if called_off.is_some() {
            self.end_as_cancelled(id, at, None);
        }
    }

    fn note_outcome(&mut self, outcome: Outcome) {
        let step = &self.deliveries[&outcome.delivery].step;
        let what = What::Outcome {
            step: step.name.clone(),
            target: step.target.clone(),
            outcome: outcome.clone(),
        };
        self.note_event(outcome.delivery.message, what);
        self.outcomes.push(outcome);
    }

    /// Makes the notices that the end of a delivery asks for.
    fn give_notice(&mut self, id: DeliveryId) {
        let delivery = &self.deliveries[&id];
        let mut notices = Vec::new();
        if delivery.state == DeliveryState::Dead {
            let plan = &self.plans[&delivery.run.plan];
            notices.extend(notice::of_death(&delivery.view(id), plan));
        }
        let message = &self.messages[&id.message];
        let view = self.view(message);
        if view.state.has_ended() {
            let plan = &self.plans[&message.plan];
            notices.extend(notice::of_end(&view, plan, &message.terms));
        }
        for Notice { plan, message } in notices {
            self.keep_plan(plan);
            self.add(&message);
        }
    }

    pub(super) fn origins(&self) -> Vec<CallbackOrigin> {
        let origins = self
            .plans
            .values()
            .filter_map(|plan| CallbackOrigin::of(plan));
        let by_target = origins.map(|origin| (origin.target.clone(), origin));
        by_target
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect()
    }
}

/// Watching.
impl Book {
    /// Everything that happens from now on; `None` where nothing will.
    pub(super) fn watch(&mut self) -> Option<broadcast::Receiver<Arc<[Event]>>> {
        self.check_open().ok()?;
        let new = || broadcast::channel(WATCHER_ROOM).0;
        Some(self.watchers.get_or_insert_with(new).subscribe())
    }

    pub(super) fn tell_watchers(&mut self) {
        let events = std::mem::take(&mut self.happened);
        if let Some(watchers) = &self.watchers
            && !events.is_empty()
        {
            let _nobody_watches = watchers.send(events.into());
        }
    }

    fn note_event(&mut self, message: MessageId, what: What) {
        self.happened.push(Event {
            message,
            route: self.messages[&message].route.clone(),
            what,
        });
    }
}
