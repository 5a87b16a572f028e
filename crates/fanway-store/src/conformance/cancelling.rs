//! What calling a message off promises: what hasn't ended ends as cancelled, but that whoever has
//! a delivery decides how it ends.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use fanway_types::{
    ByteCount, DeadReason, DeliveryId, DeliveryState, End, MessageId, MessageState, Plan,
};

use super::Engine;
use super::rig::{
    BoxLane, PLENTY, Rig, again, assert_waits, deliver, ended, take, take_all, with_terms,
};
use crate::lane::{Hold, Room, Work};

const LATER: Duration = Duration::from_secs(60);

/// Calls a message off that hasn't ended.
pub(super) async fn cancel<E: Engine>(rig: &Rig<E>, id: MessageId) {
    let cancelled = rig.store().cancel(id, None, rig.now()).await;
    cancelled.expect("the message hasn't ended");
}

/// What a lane is told right now. The rest it sees to meanwhile.
pub(super) fn told(lane: &mut BoxLane) -> Vec<DeliveryId> {
    let mut cancelled = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let polled = lane.poll_cancelled(&mut context, &mut cancelled);
    assert_eq!(
        polled.is_ready(),
        !cancelled.is_empty(),
        "a lane is ready with at least one delivery"
    );
    cancelled
}

/// The only delivery of a message for one target.
pub(super) fn only(message: MessageId) -> DeliveryId {
    DeliveryId::first(message, 0)
}

pub(super) fn end(lane: &mut BoxLane, work: &Work, how: End, rig: &Rig<impl Engine>) {
    lane.record(work, ended(work, how, rig.now()), Hold::LetGo);
}

/// A fresh message is the next that a lane is given, and the last.
pub(super) async fn assert_only_fresh_comes<E: Engine>(
    rig: &mut Rig<E>,
    lane: &mut BoxLane,
    plan: &Plan,
) {
    let fresh = rig.accept(plan, 1).await;
    let late = rig.now().saturating_add(LATER);
    let work = take_all(lane, late, 1).await;
    assert_eq!(work[0].delivery.message, fresh[0]);
    deliver(lane, &work, rig.now());
    rig.engine.settle().await;
    assert_waits(lane, late);
}

/// Where no lane is open all has ended when the call resolves, and no later lane is given it.
pub async fn without_lanes_all_has_ended_at_once<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    for settled in [false, true] {
        let id = rig.accept(&plan, 1).await[0];
        if settled {
            rig.engine.settle().await;
        }
        cancel(&rig, id).await;
        let view = rig.view(id).await;
        let states: Vec<_> = view.deliveries.iter().map(|shown| shown.state).collect();
        assert_eq!(states, [DeliveryState::Cancelled; 2]);
        assert_eq!(view.state, MessageState::Cancelled);
        assert_eq!(view.ended_at, Some(rig.now()));
        assert_eq!(view.deliveries[0].detail, None, "nobody has sent it");
    }
    let mut lane = rig.lane("stock");
    assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
}

/// What waits before a lane that is open ends as soon as the lane asks, however far behind it is,
/// and is never handed out.
pub async fn what_waits_before_a_lane_ends_and_is_not_handed_out<E: Engine>() {
    for settled in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock"]).await;
        let mut lane = rig.lane("stock");
        let ids = rig.accept(&plan, 12).await;
        let one = Room {
            deliveries: 1,
            bytes: ByteCount::mib(1),
        };
        let first = take(&mut lane, rig.now(), one).await;
        assert_eq!(first[0].delivery, only(ids[0]));
        if settled {
            rig.engine.settle().await;
        }
        for place in [1, 2, 6, 11] {
            cancel(&rig, ids[place]).await;
        }
        assert_eq!(told(&mut lane), []);
        for place in [1, 2, 6, 11] {
            rig.wait_for(only(ids[place]), DeliveryState::Cancelled)
                .await;
        }
        let work = take_all(&mut lane, rig.now(), 7).await;
        let taken: Vec<_> = work.iter().map(|work| work.delivery.message).collect();
        let left = [3, 4, 5, 7, 8, 9, 10].map(|place| ids[place]);
        assert_eq!(taken, left);
        deliver(&mut lane, &first, rig.now());
        deliver(&mut lane, &work, rig.now());
        rig.engine.settle().await;
        assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
    }
}

/// What a lane holds it is told of, once, and how it ends is the lane's to say.
pub async fn what_a_lane_holds_ends_as_the_lane_says<E: Engine>() {
    for settled in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock"]).await;
        let mut lane = rig.lane("stock");
        let ids = rig.accept(&plan, 4).await;
        let work = take_all(&mut lane, rig.now(), 4).await;
        for id in &ids {
            cancel(&rig, *id).await;
        }
        let mut all = told(&mut lane);
        all.sort_unstable();
        assert_eq!(all, ids.iter().copied().map(only).collect::<Vec<_>>());
        assert_eq!(told(&mut lane), []);
        if settled {
            rig.engine.settle().await;
            assert_eq!(told(&mut lane), []);
        }
        assert_eq!(rig.view(ids[0]).await.state, MessageState::Pending);
        let backlog = rig.backlog("stock").await.map(|backlog| backlog.pending);
        assert!(backlog.is_none_or(|pending| pending <= 4));
        let ends = [
            (End::Delivered, MessageState::Delivered),
            (End::Cancelled, MessageState::Cancelled),
            (End::Dead(DeadReason::Refused), MessageState::Failed),
            (End::Skipped, MessageState::Delivered),
        ];
        for (work, (how, state)) in work.iter().zip(ends) {
            end(&mut lane, work, how, &rig);
            rig.wait_for(work.delivery, how.into()).await;
            assert_eq!(rig.view(work.delivery.message).await.state, state);
        }
        rig.engine.settle().await;
        assert_eq!(rig.letters().await.len(), 1);
        assert_eq!(told(&mut lane), []);
        assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
    }
}

/// Remembers that it was woken, and wakes who waits for that.
#[derive(Default)]
struct Alarm {
    was_woken: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.was_woken.store(true, Ordering::SeqCst);
        let waiting = self.waiting.lock().expect("nobody panics with it").take();
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Alarm {
    async fn woken(&self) {
        poll_fn(|cx| {
            let mut waiting = self.waiting.lock().expect("nobody panics with it");
            *waiting = Some(cx.waker().clone());
            if self.was_woken.swap(false, Ordering::SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// A lane that asks is woken when there is something to see to, whether it holds it or not.
pub async fn a_lane_that_asks_is_woken<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept(&plan, 2).await;
    let one = Room {
        deliveries: 1,
        bytes: ByteCount::mib(1),
    };
    let work = take(&mut lane, rig.now(), one).await;
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    for id in ids {
        let mut context = Context::from_waker(&waker);
        let polled = lane.poll_cancelled(&mut context, &mut Vec::new());
        assert!(polled.is_pending());
        cancel(&rig, id).await;
        alarm.woken().await;
        let expected: &[_] = if id == work[0].delivery.message {
            &[only(id)]
        } else {
            &[]
        };
        let mut cancelled = Vec::new();
        let polled = lane.poll_cancelled(&mut context, &mut cancelled);
        assert_eq!(
            (polled.is_ready(), &cancelled[..]),
            (!expected.is_empty(), expected)
        );
    }
}

/// A delivery that is to be attempted again ends, whether its lane keeps it or has let it go.
pub async fn what_is_to_be_attempted_again_ends<E: Engine>() {
    for settled in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock"]).await;
        let mut lane = rig.lane("stock");
        let ids = rig.accept(&plan, 2).await;
        let work = take_all(&mut lane, rig.now(), 2).await;
        let due = rig.now().saturating_add(LATER);
        for (work, hold) in work.iter().zip([Hold::LetGo, Hold::Keep]) {
            lane.record(work, again(work, due, rig.now()), hold);
            rig.wait_for(work.delivery, DeliveryState::Retrying).await;
        }
        if settled {
            rig.engine.settle().await;
        }
        for id in &ids {
            cancel(&rig, *id).await;
        }
        assert_eq!(told(&mut lane), [only(ids[1])]);
        rig.wait_for(only(ids[0]), DeliveryState::Cancelled).await;
        assert_eq!(rig.delivery(only(ids[0])).await.attempts, 1);
        end(&mut lane, &work[1], End::Cancelled, &rig);
        rig.turn_clock(LATER);
        assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
    }
}

/// A delivery that its lane lets go after all ends, though it is said to be attempted again.
pub async fn what_is_let_go_after_all_ends<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let ids = rig.accept(&plan, 2).await;
    let work = take_all(&mut lane, rig.now(), 2).await;
    cancel(&rig, ids[0]).await;
    assert_eq!(told(&mut lane), [only(ids[0])]);
    // Of the other one it isn't told before.
    cancel(&rig, ids[1]).await;
    for work in &work {
        lane.record(work, again(work, rig.now(), rig.now()), Hold::LetGo);
    }
    told(&mut lane);
    for work in &work {
        rig.wait_for(work.delivery, DeliveryState::Cancelled).await;
    }
    assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
}

/// What isn't due yet ends, and isn't handed out at its time.
pub async fn what_is_not_due_yet_ends<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    for settled in [false, true] {
        let due = rig.now().saturating_add(LATER);
        let message = with_terms(rig.message(&plan, "later"), |terms| {
            terms.not_before = Some(due);
        });
        rig.accept_group(vec![message.clone()]).await;
        if settled {
            rig.engine.settle().await;
        }
        cancel(&rig, message.id).await;
        assert_eq!(told(&mut lane), []);
        rig.wait_for(only(message.id), DeliveryState::Cancelled)
            .await;
        rig.turn_clock(LATER);
        assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
    }
}

/// What a lane was told of, or not yet, ends when the lane is dropped without a word.
pub async fn what_a_lane_leaves_behind_ends<E: Engine>() {
    for is_told in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock"]).await;
        let mut lane = rig.lane("stock");
        let id = rig.accept(&plan, 1).await[0];
        take_all(&mut lane, rig.now(), 1).await;
        cancel(&rig, id).await;
        if is_told {
            assert_eq!(told(&mut lane), [only(id)]);
        }
        drop(lane);
        rig.wait_for(only(id), DeliveryState::Cancelled).await;
        let mut lane = rig.lane("stock");
        assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
    }
}

/// What was cancelled in a lane's room isn't given to it later, whatever else is.
pub async fn a_cancel_among_many_leaves_the_others<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let mut expected = Vec::new();
    for round in 0..6 {
        let ids = rig.accept(&plan, 5).await;
        cancel(&rig, ids[round % 5]).await;
        if round % 2 == 0 {
            assert_eq!(told(&mut lane), []);
        }
        let left = ids
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != round % 5);
        expected.extend(left.map(|(_, id)| *id));
        if round % 3 == 2 {
            rig.engine.settle().await;
        }
    }
    let mut taken = Vec::new();
    while taken.len() < expected.len() {
        let work = take(&mut lane, rig.now(), PLENTY).await;
        taken.extend(work.iter().map(|work| work.delivery.message));
        deliver(&mut lane, &work, rig.now());
    }
    assert_eq!(taken, expected);
    assert_only_fresh_comes(&mut rig, &mut lane, &plan).await;
}
