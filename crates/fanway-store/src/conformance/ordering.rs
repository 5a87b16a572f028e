//! What is promised of order keys: of each, one delivery at a time, in the order of acceptance.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, End, Message, MessageId, OrderKey, Plan, StepOrder,
    Timestamp, WhenDead,
};
use rand::RngExt;

use super::rig::{
    BoxLane, KEEP, PLENTY, Rig, again, assert_waits, deliver, ended, name, plan, take, take_all,
    with_terms,
};
use super::{Engine, Keep};
use crate::change::{Key, Redrive};
use crate::lane::{Hold, Work};

const LATER: Duration = Duration::from_secs(60);

const REFUSED: End = End::Dead(DeadReason::Refused);

/// A plan that sends to `stock` in order.
fn ordered(when_dead: WhenDead) -> Arc<Plan> {
    let mut plan = Plan::clone(&plan("orders", &["stock"]));
    plan.steps[0].order = Some(StepOrder {
        by: ".customer".to_owned(),
        when_dead,
    });
    Arc::new(plan)
}

impl<E: Engine> Rig<E> {
    async fn ordered(when_dead: WhenDead) -> (Self, Arc<Plan>) {
        let rig = Self::with(KEEP, None).await;
        let plan = ordered(when_dead);
        rig.keep(&plan).await;
        (rig, plan)
    }

    fn of_key(&mut self, plan: &Plan, key: &str) -> Arc<Message> {
        let message = self.message(plan, key);
        with_terms(message, |terms| {
            terms.order = [(0, OrderKey::of(key))].into();
        })
    }

    /// Accepts a message for each key.
    async fn accept_keys(&mut self, plan: &Plan, keys: &[&str]) -> Vec<DeliveryId> {
        let mut ids = Vec::new();
        for key in keys {
            let message = self.of_key(plan, key);
            ids.push(DeliveryId::first(message.id, 0));
            self.accept_group(vec![message]).await;
        }
        ids
    }

    /// Takes these, and nothing else, in their order.
    async fn take_only(&self, lane: &mut BoxLane, expected: &[DeliveryId]) -> Vec<Work> {
        let work = take_all(lane, self.now(), expected.len()).await;
        let taken: Vec<_> = work.iter().map(|work| work.delivery).collect();
        assert_eq!(taken, expected);
        assert_waits(lane, self.now());
        work
    }

    /// Delivers these, one after the other.
    async fn deliver_each(&self, lane: &mut BoxLane, expected: &[DeliveryId]) {
        for id in expected {
            let work = self.take_only(lane, &[*id]).await;
            deliver(lane, &work, self.now());
        }
    }

    fn end(&self, lane: &mut BoxLane, work: &Work, end: End) {
        lane.record(work, ended(work, end, self.now()), Hold::LetGo);
    }
}

/// Of a key one is handed out, and the next when that one has ended.
pub async fn of_a_key_one_at_a_time_is_handed_out_in_the_order_of_acceptance<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a"; 5]).await;
    rig.deliver_each(&mut lane, &ids).await;
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now().saturating_add(LATER));
    let more = rig.accept_keys(&plan, &["a"; 3]).await;
    rig.engine.settle().await;
    rig.deliver_each(&mut lane, &more).await;
}

/// What has another key, or none, isn't held up.
pub async fn other_keys_and_none_flow_on<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a", "a", "b", "a", "b"]).await;
    let none = rig.accept(&plan, 1).await;
    let none = DeliveryId::first(none[0], 0);
    let first = rig.take_only(&mut lane, &[ids[0], ids[2], none]).await;
    deliver(&mut lane, &first[1..2], rig.now());
    let second = rig.take_only(&mut lane, &[ids[4]]).await;
    deliver(&mut lane, &second, rig.now());
    deliver(&mut lane, &first[..1], rig.now());
    rig.deliver_each(&mut lane, &[ids[1], ids[3]]).await;
}

/// Between its attempts a delivery keeps its turn, whether its lane keeps it or not.
pub async fn what_is_to_be_attempted_again_keeps_its_turn<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a", "a", "a"]).await;
    let work = rig.take_only(&mut lane, &ids[..1]).await;
    let due = rig.now().saturating_add(LATER);
    lane.record(&work[0], again(&work[0], due, rig.now()), Hold::Keep);
    rig.engine.settle().await;
    assert_waits(&mut lane, due);
    let mut work = work;
    work[0].progress.attempts = 1;
    lane.record(&work[0], again(&work[0], due, rig.now()), Hold::LetGo);
    assert_waits(&mut lane, rig.now());
    let late = rig.accept_keys(&plan, &["a", "b"]).await;
    let other = rig.take_only(&mut lane, &late[1..]).await;
    deliver(&mut lane, &other, rig.now());
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
    assert!(rig.delivery(late[0]).await.in_line, "it waits in line");
    rig.turn_clock(LATER);
    rig.deliver_each(&mut lane, &[ids[0], ids[1], ids[2], late[0]])
        .await;
}

/// One that isn't to be sent before a time holds up what was accepted behind it.
pub async fn what_is_not_due_yet_keeps_its_place<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let first = rig.accept_keys(&plan, &["a"]).await;
    rig.deliver_each(&mut lane, &first).await;
    let due = rig.now().saturating_add(LATER);
    let scheduled = rig.of_key(&plan, "a");
    let scheduled = with_terms(scheduled, |terms| terms.not_before = Some(due));
    let id = DeliveryId::first(scheduled.id, 0);
    rig.accept_group(vec![scheduled]).await;
    let behind = rig.accept_keys(&plan, &["a", "b"]).await;
    let other = rig.take_only(&mut lane, &behind[1..]).await;
    deliver(&mut lane, &other, rig.now());
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
    rig.turn_clock(LATER);
    rig.deliver_each(&mut lane, &[id, behind[0]]).await;
}

/// Of two that aren't to be sent before a time, the end of the first doesn't bring the second's.
pub async fn what_comes_next_waits_for_its_own_time<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let mut ids = Vec::new();
    for wait in [LATER, 2 * LATER] {
        let due = rig.now().saturating_add(wait);
        let scheduled = rig.of_key(&plan, "a");
        let scheduled = with_terms(scheduled, |terms| terms.not_before = Some(due));
        ids.push(DeliveryId::first(scheduled.id, 0));
        rig.accept_group(vec![scheduled]).await;
    }
    ids.extend(rig.accept_keys(&plan, &["a"]).await);
    rig.engine.settle().await;
    rig.turn_clock(LATER);
    rig.deliver_each(&mut lane, &ids[..1]).await;
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
    rig.turn_clock(LATER);
    rig.deliver_each(&mut lane, &ids[1..]).await;
}

/// After a crash each key goes on where it was, what came in before and since.
pub async fn lines_outlive_a_crash<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let ids = rig.accept_keys(&plan, &["a", "b", "a", "b", "a"]).await;
    let mut lane = rig.lane("stock");
    let work = rig.take_only(&mut lane, &ids[..2]).await;
    deliver(&mut lane, &work[..1], rig.now());
    let next = rig.take_only(&mut lane, &ids[2..3]).await;
    rig.engine.settle().await;
    drop((lane, work, next));
    rig.crash().await;
    let mut lane = rig.lane("stock");
    let late = rig.accept_keys(&plan, &["a", "b"]).await;
    let mut both = take_all(&mut lane, rig.now(), 2).await;
    both.sort_by_key(|work| work.delivery);
    let taken: Vec<_> = both.iter().map(|work| work.delivery).collect();
    assert_eq!(taken, [ids[1], ids[2]]);
    assert_waits(&mut lane, rig.now());
    deliver(&mut lane, &both[..1], rig.now());
    rig.deliver_each(&mut lane, &[ids[3], late[1]]).await;
    deliver(&mut lane, &both[1..], rig.now());
    rig.deliver_each(&mut lane, &[ids[4], late[0]]).await;
}

/// A lane that wasn't there when messages came in hands them out in order, and what comes then
/// behind them.
pub async fn a_lane_that_comes_late_finds_the_lines<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let posted = rig.accept_keys(&plan, &["a", "a"]).await;
    rig.engine.settle().await;
    let fresh = rig.accept_keys(&plan, &["a", "a"]).await;
    let mut lane = rig.lane("stock");
    let late = rig.accept_keys(&plan, &["a"]).await;
    for id in posted.into_iter().chain(fresh).chain(late) {
        rig.deliver_each(&mut lane, &[id]).await;
    }
}

/// By default the next one has its turn.
pub async fn behind_a_dead_one_the_next_has_its_turn<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a", "a"]).await;
    let work = rig.take_only(&mut lane, &ids[..1]).await;
    rig.end(&mut lane, &work[0], REFUSED);
    rig.deliver_each(&mut lane, &ids[1..]).await;
}

/// Where a dead one blocks its key, nothing of that is handed out until it is discarded; after a
/// crash neither.
pub async fn a_dead_one_blocks_its_key_until_it_is_discarded<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Block).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a", "a", "b"]).await;
    let work = rig.take_only(&mut lane, &[ids[0], ids[2]]).await;
    rig.end(&mut lane, &work[0], REFUSED);
    deliver(&mut lane, &work[1..], rig.now());
    let late = rig.accept_keys(&plan, &["a", "b"]).await;
    let other = rig.take_only(&mut lane, &late[1..]).await;
    deliver(&mut lane, &other, rig.now());
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
    drop(lane);
    rig.crash().await;
    let mut lane = rig.lane("stock");
    let latest = rig.accept_keys(&plan, &["b", "a"]).await;
    rig.deliver_each(&mut lane, &latest[..1]).await;
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
    let discarded = rig
        .store()
        .discard(ids[0], "seen to".to_owned(), None, rig.now());
    discarded.await.expect("it is on the list");
    rig.deliver_each(&mut lane, &[ids[1], late[0], latest[1]])
        .await;
}

/// A dead one that is no longer kept blocks nothing.
pub async fn a_blocked_key_goes_on_when_its_dead_letter_is_forgotten<E: Engine>() {
    let keep = Keep {
        dead: LATER,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let plan = ordered(WhenDead::Block);
    rig.keep(&plan).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a", "a", "a"]).await;
    let work = rig.take_only(&mut lane, &ids[..1]).await;
    rig.end(&mut lane, &work[0], REFUSED);
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
    rig.turn_clock(2 * LATER);
    rig.engine.settle().await;
    rig.deliver_each(&mut lane, &ids[1..]).await;
}

/// What is made anew of a dead one that blocks its key has the turn.
pub async fn a_dead_one_blocks_its_key_until_it_is_made_anew<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Block).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a", "a"]).await;
    let mut old = ids[0];
    for _ in 0..2 {
        let work = take_all(&mut lane, rig.now(), 1).await;
        assert_eq!(work[0].delivery, old);
        rig.end(&mut lane, &work[0], REFUSED);
        rig.wait_for(old, DeliveryState::Dead).await;
        assert_waits(&mut lane, rig.now());
        old = rig.redrive_of(&plan, old).await;
    }
    rig.deliver_each(&mut lane, &[old, ids[1]]).await;
}

impl<E: Engine> Rig<E> {
    async fn redrive_of(&self, plan: &Plan, old: DeliveryId) -> DeliveryId {
        let redrive = Redrive {
            old,
            plan: plan.hash(),
            step: 0,
            key: Key::Kept,
            body: None,
        };
        let made = self.store().redrive(vec![redrive], None, None, self.now());
        let made = made.await.expect("it is open").remove(0);
        made.expect("it is on the list")
    }
}

/// Where the rest is to be dead too, that is what was accepted by then: the others go on.
pub async fn the_rest_of_a_key_is_dead_with_it<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::DeadLetterRest).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a"; 1500]).await;
    let other = rig.accept_keys(&plan, &["b", "b"]).await;
    let work = rig.take_only(&mut lane, &[ids[0], other[0]]).await;
    rig.end(&mut lane, &work[0], REFUSED);
    rig.wait_for(ids[0], DeliveryState::Dead).await;
    let late = rig.accept_keys(&plan, &["a"]).await;
    let next = rig.take_only(&mut lane, &late).await;
    for id in &ids[1..] {
        rig.wait_for(*id, DeliveryState::Dead).await;
        let reason = rig.delivery(*id).await.reason;
        assert_eq!(reason, Some(DeadReason::Order));
    }
    deliver(&mut lane, &next, rig.now());
    deliver(&mut lane, &work[1..], rig.now());
    rig.deliver_each(&mut lane, &other[1..]).await;
}

/// One that is called off is no more in anybody's way.
pub async fn what_is_called_off_leaves_its_line<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a"; 4]).await;
    let work = rig.take_only(&mut lane, &ids[..1]).await;
    for id in [ids[1], ids[0]] {
        let now = rig.now();
        let cancelled = rig.store().cancel(id.message, None, now).await;
        cancelled.expect("it has not ended");
    }
    let told = rig.told(&mut lane).await;
    assert_eq!(told, [ids[0]]);
    assert_waits(&mut lane, rig.now());
    rig.end(&mut lane, &work[0], End::Cancelled);
    rig.deliver_each(&mut lane, &ids[2..3]).await;
    let _held = rig.take_only(&mut lane, &ids[3..]).await;
    rig.wait_for(ids[1], DeliveryState::Cancelled).await;
    drop(lane);
    rig.engine.settle().await;
    rig.crash().await;
    let mut lane = rig.lane("stock");
    rig.deliver_each(&mut lane, &ids[3..]).await;
}

impl<E: Engine> Rig<E> {
    /// What a lane is told of that was called off.
    async fn told(&self, lane: &mut BoxLane) -> Vec<DeliveryId> {
        let mut told = Vec::new();
        std::future::poll_fn(|cx| lane.poll_cancelled(cx, &mut told)).await;
        told
    }
}

/// One that is made anew waits until its key is free, and is sent alone.
pub async fn what_is_made_anew_stands_in_line<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a", "a", "a"]).await;
    let work = rig.take_only(&mut lane, &ids[..1]).await;
    rig.end(&mut lane, &work[0], REFUSED);
    let second = rig.take_only(&mut lane, &ids[1..2]).await;
    rig.wait_for(ids[0], DeliveryState::Dead).await;
    let new = rig.redrive_of(&plan, ids[0]).await;
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
    deliver(&mut lane, &second, rig.now());
    let mut left = HashSet::from([new, ids[2]]);
    while !left.is_empty() {
        let work = take(&mut lane, rig.now(), PLENTY).await;
        assert_eq!(work.len(), 1, "one at a time");
        assert!(left.remove(&work[0].delivery), "{work:?}");
        deliver(&mut lane, &work, rig.now());
    }
}

/// However many wait behind one, they come in their order.
pub async fn more_than_is_parked_keeps_its_order<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept_keys(&plan, &["a"; 450]).await;
    let work = rig.take_only(&mut lane, &ids[..1]).await;
    rig.engine.settle().await;
    deliver(&mut lane, &work, rig.now());
    rig.deliver_each(&mut lane, &ids[1..300]).await;
    let more = rig.accept_keys(&plan, &["a"; 10]).await;
    rig.deliver_each(&mut lane, &ids[300..]).await;
    rig.deliver_each(&mut lane, &more).await;
}

/// What is in lines under an old name goes on in order under the heir's.
pub async fn lines_go_to_the_heir<E: Engine>() {
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let ids = rig.accept_keys(&plan, &["a", "a", "b", "a"]).await;
    rig.engine.settle().await;
    let adopted = rig.store().adopt(&name("stock"), &name("store"));
    adopted.expect("the name has no lane");
    rig.engine.settle().await;
    let mut lane = rig.lane("store");
    let first = rig.take_only(&mut lane, &[ids[0], ids[2]]).await;
    deliver(&mut lane, &first, rig.now());
    rig.deliver_each(&mut lane, &[ids[1], ids[3]]).await;
}

/// What a schedule knows.
struct Play {
    /// Each key's deliveries that haven't ended, as far as is known, in the order of acceptance.
    lines: BTreeMap<usize, Vec<DeliveryId>>,
    key_of: HashMap<MessageId, usize>,
    held: Vec<Work>,
}

impl Play {
    /// Takes note of what was handed out: the first of its key, which nobody has.
    fn hand_out(&mut self, work: Vec<Work>) {
        for work in work {
            let key = self.key_of[&work.delivery.message];
            let line = &self.lines[&key];
            let place = line.iter().position(|id| *id == work.delivery);
            assert_eq!(place, Some(0), "{} of {key} isn't the first", work.delivery);
            let taken = self.held.iter().any(|held| held.delivery == work.delivery);
            assert!(!taken, "{} is out already", work.delivery);
            self.held.push(work);
        }
    }

    fn ended(&mut self, id: DeliveryId) {
        let line = self.lines.get_mut(&self.key_of[&id.message]);
        line.expect("known").retain(|known| *known != id);
    }
}

/// Messages, ends, retries, cancels, lanes that come and go, and crashes, as chance has it: of each key one
/// at a time, the first, until all have ended.
pub async fn schedules_with_crashes<E: Engine>() {
    const KEYS: usize = 8;
    let (mut rig, plan) = Rig::<E>::ordered(WhenDead::Skip).await;
    let mut lane = rig.lane("stock");
    let mut play = Play {
        lines: (0..KEYS).map(|key| (key, Vec::new())).collect(),
        key_of: HashMap::new(),
        held: Vec::new(),
    };
    for round in 0..400 {
        let key = rig.rng.random_range(0..KEYS);
        match rig.rng.random_range(0..22) {
            0..=7 => {
                let ids = rig.accept_keys(&plan, &[&key.to_string()]).await;
                play.key_of.insert(ids[0].message, key);
                play.lines.get_mut(&key).expect("known").push(ids[0]);
            }
            8..=10 => play.hand_out(poll(&mut lane, rig.now())),
            11..=15 if !play.held.is_empty() => {
                let place = rig.rng.random_range(0..play.held.len());
                let work = play.held.swap_remove(place);
                deliver(&mut lane, std::slice::from_ref(&work), rig.now());
                play.ended(work.delivery);
            }
            16 if !play.held.is_empty() => {
                let place = rig.rng.random_range(0..play.held.len());
                let work = play.held.swap_remove(place);
                let due = rig.now().saturating_add(Duration::from_millis(20));
                lane.record(&work, again(&work, due, rig.now()), Hold::LetGo);
            }
            20 if !play.held.is_empty() => {
                let work = play.held.swap_remove(0);
                rig.end(&mut lane, &work, REFUSED);
                play.ended(work.delivery);
            }
            21 => {
                let is_held = |id: &DeliveryId| play.held.iter().any(|held| held.delivery == *id);
                let waiting = play.lines[&key].iter().rfind(|id| !is_held(id)).copied();
                if let Some(id) = waiting {
                    let cancelled = rig.store().cancel(id.message, None, rig.now()).await;
                    cancelled.expect("it has not ended");
                    let _told = poll_cancelled(&mut lane);
                    play.ended(id);
                }
            }
            17 => rig.engine.settle().await,
            18 => rig.turn_clock(Duration::from_millis(50)),
            19 if round % 3 == 0 => {
                rig.engine.settle().await;
                drop(lane);
                play.held.clear();
                if round % 2 == 0 {
                    rig.crash().await;
                }
                lane = rig.lane("stock");
            }
            _ => {}
        }
    }
    rig.turn_clock(LATER);
    while play.lines.values().any(|line| !line.is_empty()) {
        if play.held.is_empty() {
            play.hand_out(take(&mut lane, rig.now(), PLENTY).await);
        }
        for work in std::mem::take(&mut play.held) {
            deliver(&mut lane, std::slice::from_ref(&work), rig.now());
            play.ended(work.delivery);
        }
    }
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now().saturating_add(LATER));
}

/// What a lane is told of just now that was called off.
fn poll_cancelled(lane: &mut BoxLane) -> Vec<DeliveryId> {
    let mut told = Vec::new();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _polled = lane.poll_cancelled(&mut context, &mut told);
    told
}

/// What a lane has just now.
fn poll(lane: &mut BoxLane, now: Timestamp) -> Vec<Work> {
    let mut work = Vec::new();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _polled = lane.poll_take(&mut context, now, PLENTY, &mut work);
    work
}
