//! Random schedules, each from a seed, checked step by step against the model: bursts, lanes with
//! little room, retries, lanes that come and go, crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use fanway_types::{
    AgainCause, ByteCount, DeliveryId, DeliveryState, End, Message, MessageId, Outcome, Plan,
    TargetName, Verdict,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Engine;
use super::model::{ENDS, Model, With, at};
use super::rig::{BoxLane, PLENTY, Rig, assert_waits, keyed, name, take, with_terms};
use crate::lane::{Hold, Room, Work};

const TARGETS: [&str; 2] = ["stock", "shipping"];

/// What a schedule does, and how often: weights.
#[derive(Clone, Copy)]
struct Weights {
    accept: u32,
    repeat: u32,
    take: u32,
    record: u32,
    turn_clock: u32,
    look_up: u32,
    settle: u32,
    change_lane: u32,
    crash: u32,
    cancel: u32,
    /// How many of a hundred outcomes give a delivery to the other target.
    fall_back: u32,
}

const STEADY: Weights = Weights {
    accept: 4,
    repeat: 3,
    take: 8,
    record: 8,
    turn_clock: 3,
    look_up: 2,
    settle: 1,
    change_lane: 0,
    crash: 0,
    cancel: 0,
    fall_back: 0,
};

/// Lanes that take too little for a while, fall behind, and catch up.
pub async fn lanes_that_keep_up_and_fall_behind<E: Engine>() {
    run::<E>(STEADY, 0..6).await;
}

/// Lanes that are dropped with what they hold, and opened anew.
pub async fn lanes_that_come_and_go<E: Engine>() {
    let weights = Weights {
        change_lane: 3,
        ..STEADY
    };
    run::<E>(weights, 10..16).await;
}

/// All of it, with the process dying in between.
pub async fn crashes_between_all_of_it<E: Engine>() {
    let weights = Weights {
        change_lane: 1,
        crash: 1,
        ..STEADY
    };
    run::<E>(weights, 20..26).await;
}

/// Messages that are called off, wherever their deliveries are.
pub async fn messages_that_are_called_off<E: Engine>() {
    let weights = Weights {
        change_lane: 2,
        cancel: 6,
        ..STEADY
    };
    run::<E>(weights, 30..36).await;
}

/// The same, with the process dying in between.
pub async fn crashes_between_cancels<E: Engine>() {
    let weights = Weights {
        change_lane: 1,
        crash: 1,
        cancel: 4,
        ..STEADY
    };
    run::<E>(weights, 40..46).await;
}

/// Deliveries that go to another target and back again, with all of it.
pub async fn what_falls_back_between_all_of_it<E: Engine>() {
    let weights = Weights {
        change_lane: 1,
        crash: 1,
        cancel: 2,
        fall_back: 30,
        ..STEADY
    };
    run::<E>(weights, 50..56).await;
}

async fn run<E: Engine>(weights: Weights, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut schedule = Schedule::<E>::new(seed).await;
        for _ in 0..150 {
            schedule.step(weights).await;
        }
        schedule.finish().await;
    }
}

struct Schedule<E> {
    rig: Rig<E>,
    rng: StdRng,
    plan: Arc<Plan>,
    model: Model,
    lanes: BTreeMap<TargetName, BoxLane>,
    /// What was ever handed out.
    works: BTreeMap<DeliveryId, Work>,
    /// What was ever called off.
    cancelled: Vec<MessageId>,
}

impl<E: Engine> Schedule<E> {
    async fn new(seed: u64) -> Self {
        let rig = Rig::new().await;
        let plan = rig.plan(&["stock", "shipping", "stock"]).await;
        let lanes = TARGETS.map(|target| (name(target), rig.lane(target)));
        Self {
            rig,
            rng: StdRng::seed_from_u64(seed),
            plan,
            model: Model::default(),
            lanes: lanes.into(),
            works: BTreeMap::new(),
            cancelled: Vec::new(),
        }
    }

    async fn step(&mut self, weights: Weights) {
        let Weights {
            accept,
            repeat,
            take,
            record,
            turn_clock,
            look_up,
            settle,
            change_lane,
            crash,
            cancel,
            fall_back,
        } = weights;
        let of_lanes = take + record + change_lane + cancel;
        let all = accept + repeat + turn_clock + look_up + settle + crash + of_lanes;
        let mut drawn = self.rng.random_range(0..all);
        let mut is = |weight: u32| {
            let hit = drawn < weight;
            drawn = drawn.wrapping_sub(weight);
            hit
        };
        if is(accept) {
            self.accept().await;
        } else if is(repeat) {
            self.repeat().await;
        } else if is(take) {
            self.take().await;
        } else if is(record) {
            self.record(fall_back);
        } else if is(turn_clock) {
            let millis = self.rng.random_range(1..40);
            self.rig.turn_clock(Duration::from_millis(millis));
        } else if is(look_up) {
            self.look_up().await;
        } else if is(settle) {
            self.rig.engine.settle().await;
            self.model.settle();
        } else if is(change_lane) {
            self.change_lane();
        } else if is(cancel) {
            self.cancel().await;
        } else {
            self.crash().await;
        }
    }

    async fn accept(&mut self) {
        for _ in 0..self.rng.random_range(1..8) {
            let size = self.rng.random_range(1..4);
            let group: Vec<_> = (0..size).map(|number| self.message(number)).collect();
            self.rig.accept_group(group.clone()).await;
            for message in group {
                self.model.accept(&message, &self.plan);
            }
        }
    }

    /// A message that now and then has to wait, or need not although it says so.
    fn message(&mut self, number: usize) -> Arc<Message> {
        let message = self.rig.message(&self.plan, &"x".repeat(number * 20));
        if self.rng.random_bool(0.8) {
            return message;
        }
        let wait = Duration::from_millis(self.rng.random_range(0..80));
        let before = message
            .received_at()
            .saturating_sub(Duration::from_millis(20));
        with_terms(message, |terms| {
            terms.not_before = Some(before.saturating_add(wait));
        })
    }

    /// Accepts a message with one of few keys.
    async fn repeat(&mut self) {
        let key = self.rng.random_range(0..6).to_string();
        let size = self.rng.random_range(0..2);
        let keep = Duration::from_millis(self.rng.random_range(0..300));
        let message = keyed(self.message(size), &key, keep);
        let expected = self.model.answer(&message, self.rig.now());
        let result = self.rig.store().accept(vec![Arc::clone(&message)]).await;
        assert_eq!(result, expected, "of {:?}", message.terms.key);
        if result.is_ok() {
            self.model.accept(&message, &self.plan);
        }
    }

    /// Takes for a target that has something, with little room or plenty.
    async fn take(&mut self) {
        let target = name(TARGETS[self.rng.random_range(0..TARGETS.len())]);
        let now = self.rig.now();
        let Some(lane) = self.lanes.get_mut(&target) else {
            return;
        };
        if self.model.available(&target, now) == 0 {
            return assert_waits(lane, now);
        }
        let room = if self.rng.random_bool(0.3) {
            PLENTY
        } else {
            Room {
                deliveries: self.rng.random_range(1..6),
                bytes: ByteCount::new(self.rng.random_range(1..200)),
            }
        };
        let work = take(lane, now, room).await;
        self.model.hand_out(&target, &work, now);
        self.note(work);
    }

    fn note(&mut self, work: Vec<Work>) {
        let works = work.into_iter().map(|work| (work.delivery, work));
        self.works.extend(works);
    }

    /// Records something of deliveries that a lane holds, and sometimes of one that has ended.
    fn record(&mut self, fall_back: u32) {
        let now = self.rig.now();
        for target in TARGETS.map(name) {
            let mut held = self.model.of(&target, With::Lane);
            if self.rng.random_bool(0.2) {
                let ended = self.model.of(&target, With::Nobody).pop();
                held.extend(ended.filter(|id| self.works.contains_key(id)));
            }
            for id in held {
                if self.rng.random_ratio(fall_back, 100) {
                    self.fall_back(&target, id);
                } else if self.rng.random_bool(0.5) {
                    let again = self.rng.random_bool(0.5);
                    let due =
                        now.saturating_add(Duration::from_millis(self.rng.random_range(0..60)));
                    let end = ENDS[self.rng.random_range(0..ENDS.len())];
                    let verdict = if again { at(due) } else { Verdict::Ended(end) };
                    let keeps = again && self.rng.random_bool(0.5);
                    let hold = if keeps { Hold::Keep } else { Hold::LetGo };
                    self.record_one(&target, id, verdict, hold);
                }
            }
        }
    }

    /// Gives a delivery to the other target.
    fn fall_back(&mut self, target: &TargetName, id: DeliveryId) {
        let Some(lane) = self.lanes.get_mut(target) else {
            return;
        };
        let now = self.rig.now();
        let verdict = Verdict::Again {
            due: now,
            cause: AgainCause::Fallback,
        };
        let other = TARGETS.map(name).into_iter().find(|other| other != target);
        let outcome = Outcome {
            used: 0,
            fallback: other,
            ..self.model.outcome(id, verdict, now)
        };
        self.model.record(&outcome, Hold::LetGo);
        lane.record(&self.works[&id], outcome, Hold::LetGo);
    }

    fn record_one(&mut self, target: &TargetName, id: DeliveryId, verdict: Verdict, hold: Hold) {
        let Some(lane) = self.lanes.get_mut(target) else {
            return;
        };
        let outcome = self.model.outcome(id, verdict, self.rig.now());
        self.model.record(&outcome, hold);
        lane.record(&self.works[&id], outcome, hold);
    }

    /// Calls one of the latest messages off; what lanes have ends as they say.
    async fn cancel(&mut self) {
        let count = self.model.order.len();
        let Some(place) = count.checked_sub(self.rng.random_range(1..30)) else {
            return;
        };
        let id = self.model.order[place];
        let result = self.rig.store().cancel(id, None, self.rig.now()).await;
        let with_lanes = self.model.cancel(id);
        self.cancelled.push(id);
        // Where nothing was left, the store may know of the ends already, or not yet.
        if !with_lanes.is_empty() {
            result.expect("it hasn't ended");
        }
        let mut told = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        for lane in self.lanes.values_mut() {
            let _ready = lane.poll_cancelled(&mut context, &mut told);
        }
        told.sort_unstable();
        assert_eq!(told, with_lanes);
        for id in told {
            let ends = [End::Cancelled, End::Delivered];
            let end = ends[self.rng.random_range(0..ends.len())];
            let target = self.model.deliveries[&id].target().clone();
            self.record_one(&target, id, Verdict::Ended(end), Hold::LetGo);
        }
    }

    async fn look_up(&mut self) {
        if self.model.order.is_empty() {
            return;
        }
        let id = self.model.order[self.rng.random_range(0..self.model.order.len())];
        self.model.check(&self.rig.view(id).await);
    }

    fn change_lane(&mut self) {
        let target = name(TARGETS[self.rng.random_range(0..TARGETS.len())]);
        if self.lanes.remove(&target).is_some() {
            self.model.drop_lane(&target);
        } else {
            self.lanes
                .insert(target.clone(), self.rig.lane(target.as_str()));
        }
    }

    async fn crash(&mut self) {
        self.lanes.clear();
        self.rig.crash().await;
        for id in &self.cancelled {
            self.rig.wait_for_end(*id).await;
        }
        for id in self.model.order.clone() {
            self.model.recover(&self.rig.view(id).await);
        }
        self.lanes = TARGETS
            .map(|target| (name(target), self.rig.lane(target)))
            .into();
    }

    /// Delivers all that is left, then checks that nothing is.
    async fn finish(&mut self) {
        for target in TARGETS.map(name) {
            if !self.lanes.contains_key(&target) {
                self.lanes
                    .insert(target.clone(), self.rig.lane(target.as_str()));
            }
            self.rig.turn_clock(Duration::from_secs(1));
            let now = self.rig.now();
            while self.model.available(&target, now) > 0 {
                let lane = self.lanes.get_mut(&target).expect("just opened");
                let work = take(lane, now, PLENTY).await;
                self.model.hand_out(&target, &work, now);
                self.note(work);
            }
            for id in self.model.of(&target, With::Lane) {
                self.record_one(&target, id, Verdict::Ended(End::Delivered), Hold::LetGo);
            }
        }
        self.rig.engine.settle().await;
        self.model.settle();
        let now = self.rig.now();
        for lane in self.lanes.values_mut() {
            assert_waits(lane, now);
        }
        for id in &self.model.order {
            let view = self.rig.view(*id).await;
            self.model.check(&view);
            assert!(view.state.has_ended(), "{id} is still {}", view.state);
        }
        let mut dead = 0;
        for view in &self.model.order {
            let view = self.rig.view(*view).await;
            let of_message = view.deliveries.iter();
            dead += of_message
                .filter(|shown| shown.state == DeliveryState::Dead)
                .count();
        }
        assert_eq!(self.rig.letters().await.len().min(1000), dead.min(1000));
        for target in TARGETS {
            let pending = self
                .rig
                .backlog(target)
                .await
                .map_or(0, |backlog| backlog.pending);
            assert_eq!(pending, 0, "pending for {target}");
        }
    }
}
