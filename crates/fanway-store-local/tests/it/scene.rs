//! Senders and a receiver on one data folder, and what they know: which messages were
//! acknowledged, and which deliveries were shown as ended. Whatever breaks, the next process must
//! find the first and must not hand out the second.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use fanway_store::change::{Key, Redrive};
use fanway_store::lane::{Hold, Room, Work};
use fanway_store::lookup::{Found, MessageView};
use fanway_store::{Error, Lane, Store, accept, dead};
use fanway_store_local::LocalStore;
use fanway_types::{
    AgainCause, ByteCount, DeadReason, DeliveryId, End, Fingerprint, IdempotencyKey, KeyScope,
    Message, MessageId, Outcome, Plan, Request, Step, TargetName, Terms, Timestamp, Verdict,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::folder::Folder;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// When whatever is to be attempted again is due.
pub(crate) const LATER: Timestamp = Timestamp::from_millis(1_700_000_060_000);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const TARGETS: [&str; 2] = ["stock", "shipping"];
pub(crate) const PLENTY: Room = Room {
    deliveries: 10_000,
    bytes: ByteCount::mib(64),
};

pub(crate) struct Scene {
    pub(crate) folder: Folder,
    pub(crate) plan: Arc<Plan>,
    rng: StdRng,
    /// Messages whose acceptance was acknowledged.
    pub(crate) acknowledged: Vec<MessageId>,
    /// Those of them that have keys: the first of each group.
    keyed: Vec<Arc<Message>>,
    /// Deliveries that were shown as ended.
    pub(crate) ended: BTreeSet<DeliveryId>,
}

pub(crate) fn name(target: &str) -> TargetName {
    target.parse().expect("well-formed")
}

fn plan() -> Arc<Plan> {
    let steps = TARGETS.map(|target| Step::new(target.parse().expect("well-formed"), name(target)));
    Arc::new(Plan {
        route: "orders".parse().expect("well-formed"),
        steps: steps.into(),
        callback: None,
        on_dead: None,
    })
}

impl Scene {
    pub(crate) fn new(folder: Folder) -> Self {
        Self {
            folder,
            plan: plan(),
            rng: StdRng::seed_from_u64(11),
            acknowledged: Vec::new(),
            keyed: Vec::new(),
            ended: BTreeSet::new(),
        }
    }

    pub(crate) fn message(&mut self, size: usize) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId::new(NOW, &mut self.rng),
            route: self.plan.route.clone(),
            plan: self.plan.hash(),
            request: Request {
                method: "POST".into(),
                path: "/orders".into(),
                body: vec![b'x'; size].into(),
                ..Request::default()
            },
            terms: Terms::default(),
            reservation: None,
        })
    }

    /// Accepts a group of so many messages of that size.
    pub(crate) async fn accept(
        &mut self,
        store: &LocalStore,
        count: usize,
        size: usize,
    ) -> Result<(), accept::Error> {
        let mut group: Vec<_> = (0..count).map(|_| self.message(size)).collect();
        let ids: Vec<_> = group.iter().map(|message| message.id).collect();
        let first = keyed(group.remove(0), &ids[0].to_string(), HOUR);
        group.insert(0, Arc::clone(&first));
        store.accept(group).await?;
        self.acknowledged.extend(ids);
        self.keyed.push(first);
        Ok(())
    }

    pub(crate) async fn open(&self) -> LocalStore {
        let store = self.folder.open();
        let kept = store.keep_plan(Arc::clone(&self.plan)).await;
        kept.expect("the journal has room for a plan");
        store
    }

    /// Notes which of these deliveries are shown as ended.
    pub(crate) async fn note_ended(&mut self, store: &LocalStore, work: &[Work]) {
        for work in work {
            let view = view(store, work.delivery.message).await;
            let shown = view.iter().flat_map(|view| &view.deliveries);
            let mut ended = shown.filter(|shown| shown.state.has_ended());
            if ended.any(|shown| shown.id == work.delivery) {
                self.ended.insert(work.delivery);
            }
        }
    }

    /// Opens the folder and checks that all that was acknowledged is there and isn't accepted again,
    /// that nothing that was shown as ended is handed out again, and that each other delivery is,
    /// once.
    pub(crate) async fn check(&self) {
        let store = self.folder.open();
        let mut pending = BTreeSet::new();
        for id in &self.acknowledged {
            let view = view(&store, *id).await;
            let view = view.unwrap_or_else(|| panic!("{id} was acknowledged and is lost"));
            let shown = view.deliveries.iter();
            pending.extend(
                shown
                    .filter(|shown| !shown.state.has_ended())
                    .map(|shown| shown.id),
            );
        }
        let again: Vec<_> = pending.intersection(&self.ended).collect();
        assert!(
            again.is_empty(),
            "shown as ended, and pending again: {again:?}"
        );
        for message in &self.keyed {
            let again = store.accept(vec![Arc::clone(message)]).await;
            let accepted = message.id;
            assert_eq!(again, Err(accept::Error::Repeated { accepted }));
        }
        let mut taken = BTreeSet::new();
        for target in TARGETS {
            let mut lane = store.lane(&name(target)).expect("the only lane");
            let wanted = pending
                .iter()
                .filter(|id| TARGETS[usize::from(id.step)] == target);
            let mut wanted: BTreeSet<_> = wanted.copied().collect();
            while !wanted.is_empty() {
                for work in take(&mut *lane, LATER).await {
                    assert!(taken.insert(work.delivery), "{} came twice", work.delivery);
                    assert!(
                        !self.ended.contains(&work.delivery),
                        "{} had ended",
                        work.delivery
                    );
                    wanted.remove(&work.delivery);
                }
            }
        }
        store.close().await.expect("nothing keeps it from closing");
        drop(store);
        self.folder.check_ledger();
    }
}

/// A message that is still its maker's alone, with a key that is its own for so long.
pub(crate) fn keyed(mut message: Arc<Message>, key: &str, keep: Duration) -> Arc<Message> {
    let alone = Arc::get_mut(&mut message).expect("it was just made");
    let request = &alone.request;
    alone.terms.key = Some(IdempotencyKey {
        scope: KeyScope::Route(alone.route.clone()),
        text: key.into(),
        fingerprint: Fingerprint::of(&request.method, &request.path, None, &request.body),
        until: NOW.saturating_add(keep),
    });
    message
}

/// A message's view, where the store knows it.
pub(crate) async fn view(store: &LocalStore, id: MessageId) -> Option<MessageView> {
    match store.message(id).await {
        Ok(Found::Message(view)) => Some(view),
        Ok(Found::Unknown | Found::Expired) | Err(_) => None,
    }
}

/// Takes what a lane has by `now`, and waits for the first.
pub(crate) async fn take(lane: &mut dyn Lane, now: Timestamp) -> Vec<Work> {
    let mut work = Vec::new();
    let taken = poll_fn(|cx| lane.poll_take(cx, now, PLENTY, &mut work)).await;
    taken.expect("an open store hands out");
    work
}

/// Makes a dead letter's delivery anew, by a step of the plan that is its own.
pub(crate) async fn redrive(
    store: &LocalStore,
    old: DeliveryId,
    plan: &Plan,
) -> Result<Result<DeliveryId, dead::Error>, Error> {
    let redrive = Redrive {
        old,
        plan: plan.hash(),
        step: old.step,
        key: Key::Kept,
        body: None,
    };
    let redriven = store.redrive(vec![redrive], None, None, NOW).await?;
    let [result] = redriven.try_into().expect("one for each");
    Ok(result)
}

/// Whether outcomes can be kept now.
pub(crate) fn is_open(lane: &mut dyn Lane) -> bool {
    lane.poll_open(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

pub(crate) fn ended(work: &Work, end: End) -> Outcome {
    outcome(work, Verdict::Ended(end))
}

pub(crate) fn dead(work: &Work) -> Outcome {
    ended(work, End::Dead(DeadReason::Refused))
}

pub(crate) fn again(work: &Work, due: Timestamp) -> Outcome {
    let cause = AgainCause::Failed;
    outcome(work, Verdict::Again { due, cause })
}

fn outcome(work: &Work, verdict: Verdict) -> Outcome {
    let progress = work.progress;
    Outcome {
        delivery: work.delivery,
        at: NOW,
        verdict,
        attempts: progress.attempts + 1,
        used: progress.used + 1,
        spent: progress.spent,
        status: Some(200),
        detail: None,
        fallback: None,
    }
}

/// Records each as delivered.
pub(crate) fn deliver(lane: &mut dyn Lane, work: &[Work]) {
    for work in work {
        lane.record(work, ended(work, End::Delivered), Hold::LetGo);
    }
}
