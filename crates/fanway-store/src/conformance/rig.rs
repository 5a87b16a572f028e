//! What cases share: an engine that is open, plans and messages, and a clock that they turn.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use fanway_types::{
    AgainCause, ByteCount, DeadReason, DeliveryId, DeliveryState, End, Fingerprint, IdempotencyKey,
    KeyScope, Message, MessageId, Outcome, Plan, PlanHash, Request, Step, StepIndex, TargetName,
    Terms, Timestamp, Verdict,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Bodies, Engine, Keep, Settings};
use crate::change::{Key, Redrive};
use crate::dead;
use crate::job::Filter;
use crate::lane::{Hold, Room, Work};
use crate::lookup::{DeliveryView, Found, MessageView};
use crate::{Backlog, Lane, Store};

/// When the clock of a case begins.
const BEGIN: u64 = 1_700_000_000_000;

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A lane as cases hold it.
pub(super) type BoxLane = Box<dyn Lane>;

/// Room for more than any case has.
pub(super) const PLENTY: Room = Room {
    deliveries: 10_000,
    bytes: ByteCount::mib(64),
};

/// Keeps everything longer than any case lasts.
pub(super) const KEEP: Keep = Keep {
    messages: DAY,
    history: DAY,
    dead: DAY,
    bodies: Bodies::Failures,
};

/// An engine, its store while that is open, and a clock.
pub(super) struct Rig<E> {
    /// Before the engine, so that it is let go of first.
    store: Option<Arc<dyn Store>>,
    pub(super) engine: E,
    clock: Arc<AtomicU64>,
    pub(super) rng: StdRng,
}

impl<E: Engine> Rig<E> {
    /// A new engine that is open.
    pub(super) async fn new() -> Self {
        Self::with(KEEP, None).await
    }

    /// The same with settings of its own.
    pub(super) async fn with(keep: Keep, max: Option<ByteCount>) -> Self {
        let clock = Arc::new(AtomicU64::new(BEGIN));
        let told = Arc::clone(&clock);
        let mut engine = E::new(Settings {
            clock: Arc::new(move || Timestamp::from_millis(told.load(Ordering::SeqCst))),
            keep,
            max,
        });
        let store = engine.open().await;
        Self {
            engine,
            store: Some(store),
            clock,
            rng: StdRng::seed_from_u64(7),
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().expect("it is open between crashes")
    }

    /// Ends the process and starts it again. Lanes must have been dropped.
    pub(super) async fn crash(&mut self) {
        self.store = None;
        self.engine.crash().await;
        self.store = Some(self.engine.open().await);
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    pub(super) fn turn_clock(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).expect("cases last days");
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    /// A message of the plan whose body is `body`; a millisecond passes with each.
    pub(super) fn message(&mut self, plan: &Plan, body: &str) -> Arc<Message> {
        self.turn_clock(Duration::from_millis(1));
        let headers = [("content-type", &b"text/plain"[..])];
        Arc::new(Message {
            id: MessageId::new(self.now(), &mut self.rng),
            route: plan.route.clone(),
            plan: plan.hash(),
            request: Request {
                method: "POST".into(),
                path: "/orders/7".into(),
                query: Some("a=b".into()),
                params: vec![("id".into(), "7".into())],
                headers: headers.into_iter().collect(),
                body: Bytes::copy_from_slice(body.as_bytes()),
            },
            terms: Terms::default(),
            reservation: None,
        })
    }

    /// Keeps a plan that sends to these targets.
    pub(super) async fn plan(&self, targets: &[&str]) -> Arc<Plan> {
        let plan = plan("orders", targets);
        self.keep(&plan).await;
        plan
    }

    pub(super) async fn keep(&self, plan: &Arc<Plan>) {
        let kept = self.store().keep_plan(Arc::clone(plan)).await;
        assert_eq!(kept.expect("a store that is open keeps plans"), plan.hash());
    }

    /// Accepts so many messages, each by itself, and returns their ids.
    pub(super) async fn accept(&mut self, plan: &Plan, count: usize) -> Vec<MessageId> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            let message = self.message(plan, &format!("body {number}"));
            ids.push(message.id);
            self.accept_group(vec![message]).await;
        }
        ids
    }

    pub(super) async fn accept_group(&self, messages: Vec<Arc<Message>>) {
        let accepted = self.store().accept(messages).await;
        accepted.expect("a store with room accepts");
    }

    pub(super) fn lane(&self, target: &str) -> BoxLane {
        let lane = self.store().lane(&name(target));
        lane.expect("the target has no other lane")
    }

    pub(super) async fn view(&self, id: MessageId) -> MessageView {
        match self.store().message(id).await {
            Ok(Found::Message(view)) => view,
            other => panic!("{id} was accepted, and a look-up gave {other:?}"),
        }
    }

    /// A delivery as its message's look-up shows it.
    pub(super) async fn delivery(&self, id: DeliveryId) -> DeliveryView {
        let view = self.view(id.message).await;
        let found = view.deliveries.into_iter().find(|view| view.id == id);
        found.unwrap_or_else(|| panic!("{id} isn't shown with its message"))
    }

    /// Waits until a delivery is shown in this state.
    pub(super) async fn wait_for(&self, id: DeliveryId, state: DeliveryState) {
        loop {
            let changed = self.store().changed(id.message);
            if self.delivery(id).await.state == state {
                return;
            }
            changed.await;
        }
    }

    /// Waits until a message has ended.
    pub(super) async fn wait_for_end(&self, id: MessageId) {
        loop {
            let changed = self.store().changed(id);
            if self.view(id).await.state.has_ended() {
                return;
            }
            changed.await;
        }
    }

    pub(super) async fn letters(&self) -> Vec<dead::Letter> {
        let query = dead::Query {
            filter: Filter::default(),
            after: None,
            limit: 1000,
        };
        let page = self.store().dead_letters(query).await;
        page.expect("an open store lists dead letters").letters
    }

    /// Makes a dead letter's delivery anew, with its key.
    pub(super) async fn redrive(
        &self,
        old: DeliveryId,
        plan: PlanHash,
        step: StepIndex,
    ) -> Result<DeliveryId, dead::Error> {
        let redrive = Redrive {
            old,
            plan,
            step,
            key: Key::Kept,
            body: None,
        };
        let redriven = self.store().redrive(vec![redrive], None, None, self.now());
        let redriven = redriven.await.expect("an open store changes");
        let [result] = redriven.try_into().expect("one for each");
        result
    }

    /// What waits for a target, where anything does.
    pub(super) async fn backlog(&self, target: &str) -> Option<Backlog> {
        let backlog = self.store().backlog().await;
        let backlog = backlog.expect("an open store counts").into_iter();
        let mut of_target = backlog.filter(|backlog| backlog.target == name(target));
        of_target
            .next()
            .filter(|backlog| backlog.pending + backlog.dead > 0)
    }

    /// Accepts a message for one target, and lets its delivery die there.
    pub(super) async fn dead_letter(&mut self, plan: &Plan, lane: &mut BoxLane) -> DeliveryId {
        let id = self.accept(plan, 1).await[0];
        let work = take(lane, self.now(), PLENTY).await;
        let work = work.first().expect("at least one is handed out");
        assert_eq!(work.delivery.message, id);
        self.turn_clock(Duration::from_millis(1));
        let outcome = ended(work, End::Dead(DeadReason::Refused), self.now());
        lane.record(work, outcome, Hold::LetGo);
        self.wait_for(work.delivery, DeliveryState::Dead).await;
        work.delivery
    }
}

/// A message that is still its maker's alone, with its terms changed.
pub(super) fn with_terms(
    mut message: Arc<Message>,
    change: impl FnOnce(&mut Terms),
) -> Arc<Message> {
    let alone = Arc::get_mut(&mut message).expect("it was just made");
    change(&mut alone.terms);
    message
}

/// A message with a key that is its own for so long, in its route's scope.
pub(super) fn keyed(message: Arc<Message>, key: &str, keep: Duration) -> Arc<Message> {
    let request = &message.request;
    let query = request.query.as_deref();
    let key = IdempotencyKey {
        scope: KeyScope::Route(message.route.clone()),
        text: key.into(),
        fingerprint: Fingerprint::of(&request.method, &request.path, query, &request.body),
        until: message.received_at().saturating_add(keep),
    };
    with_terms(message, |terms| terms.key = Some(key))
}

pub(super) fn name(target: &str) -> TargetName {
    target.parse().expect("cases use well-formed names")
}

/// A plan of a route that sends to these targets, step by step; the steps are critical.
pub(super) fn plan(route: &str, targets: &[&str]) -> Arc<Plan> {
    let steps = targets.iter().enumerate().map(|(number, target)| {
        Step::new(
            format!("step_{number}").parse().expect("well-formed"),
            name(target),
        )
    });
    Arc::new(Plan {
        route: route.parse().expect("cases use well-formed names"),
        steps: steps.collect(),
        callback: None,
        on_dead: None,
    })
}

/// Takes what a lane has by `now`, and waits until it has something.
pub(super) async fn take(lane: &mut BoxLane, now: Timestamp, room: Room) -> Vec<Work> {
    let mut work = Vec::new();
    let taken = poll_fn(|cx| lane.poll_take(cx, now, room, &mut work)).await;
    taken.expect("an open store hands out");
    assert!(
        !work.is_empty(),
        "a lane is ready with at least one delivery"
    );
    assert!(
        work.len() <= room.deliveries,
        "more deliveries than there was room for"
    );
    work
}

/// Takes until so many have come.
pub(super) async fn take_all(lane: &mut BoxLane, now: Timestamp, count: usize) -> Vec<Work> {
    let mut all = Vec::new();
    while all.len() < count {
        all.append(&mut take(lane, now, PLENTY).await);
    }
    assert_eq!(all.len(), count, "more was handed out than there is");
    all
}

/// Fails where a lane has something right now.
pub(super) fn assert_waits(lane: &mut BoxLane, now: Timestamp) {
    let mut work = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let polled = lane.poll_take(&mut context, now, PLENTY, &mut work);
    assert!(matches!(polled, Poll::Pending), "handed out {work:?}");
}

/// The outcome of a delivery that has ended with the next attempt.
pub(super) fn ended(work: &Work, end: End, at: Timestamp) -> Outcome {
    outcome(work, Verdict::Ended(end), at)
}

/// The outcome of a delivery that is to be attempted again.
pub(super) fn again(work: &Work, due: Timestamp, at: Timestamp) -> Outcome {
    let cause = AgainCause::Failed;
    outcome(work, Verdict::Again { due, cause }, at)
}

fn outcome(work: &Work, verdict: Verdict, at: Timestamp) -> Outcome {
    Outcome {
        delivery: work.delivery,
        at,
        verdict,
        attempts: work.progress.attempts + 1,
        used: work.progress.used + 1,
        spent: work.progress.spent + Duration::from_millis(250),
        status: Some(503),
        detail: Some("out of order".into()),
        fallback: None,
    }
}

/// Drives two futures together.
pub(super) async fn both<A, B>(
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let (mut a, mut b) = (None, None);
    poll_fn(|cx| {
        if a.is_none()
            && let Poll::Ready(value) = first.as_mut().poll(cx)
        {
            a = Some(value);
        }
        if b.is_none()
            && let Poll::Ready(value) = second.as_mut().poll(cx)
        {
            b = Some(value);
        }
        match (a.take(), b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (left, right) => {
                (a, b) = (left, right);
                Poll::Pending
            }
        }
    })
    .await
}

/// Ends all of these as delivered.
pub(super) fn deliver(lane: &mut BoxLane, work: &[Work], at: Timestamp) {
    for work in work {
        lane.record(work, ended(work, End::Delivered, at), Hold::LetGo);
    }
}
