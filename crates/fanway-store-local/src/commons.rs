//! What the store's threads and handles share.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use fanway_store::lane::Room;
use fanway_store::notice::CallbackOrigin;
use fanway_types::{MessageId, Plan, PlanHash, TargetName};
use tokio::sync::{Notify, oneshot, watch};

use crate::adopt::Aliases;
use crate::feed::Feed;
use crate::headroom::Headroom;
use crate::keys::Keys;
use crate::ledger::Error;
use crate::metrics::Metrics;
use crate::receipt::Waiting;
use crate::tail::Tail;
use crate::tuning::Tuning;
use crate::watch::Watchers;

/// What all parts of an open store share.
#[derive(Debug)]
pub(crate) struct Commons {
    tail: Mutex<Tail>,
    feeds: Mutex<HashMap<TargetName, Arc<Feed>>>,
    plans: Mutex<foldhash::HashMap<PlanHash, Arc<Plan>>>,
    listeners: Mutex<HashMap<MessageId, watch::Sender<()>>>,
    /// What may wait in a feed.
    feed_room: Room,
    /// Bytes in the tail, for those who don't need its lock.
    pub(crate) tail_bytes: AtomicU64,
    /// Tells that something was posted.
    pub(crate) posted: Notify,
    /// Nothing is taken or answered any more.
    closed: AtomicBool,
    pub(crate) bell: Bell,
    pub(crate) gate: Gate,
    /// Bytes of messages in the ledger that haven't ended.
    pub(crate) backlog: AtomicU64,
    pub(crate) headroom: Headroom,
    pub(crate) keys: Arc<Keys>,
    /// Why nothing is posted.
    trouble: Mutex<Option<Trouble>>,
    pub(crate) metrics: Metrics,
    pub(crate) watchers: Watchers,
    pub(crate) aliases: Arc<Aliases>,
}

/// Why nothing is posted.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The disk has no room; it is tried again and again.
    Stuck,
    /// The ledger failed, until the next start.
    Failed(Arc<Error>),
}

impl Commons {
    /// What an opened store begins with, its ledger posted up to `posted`.
    pub(crate) fn new(posted: u64, backlog: u64, keys: Keys, tuning: &Tuning) -> Self {
        Self {
            tail: Mutex::new(Tail::new(posted)),
            feeds: Mutex::default(),
            plans: Mutex::default(),
            listeners: Mutex::default(),
            feed_room: tuning.feed,
            tail_bytes: AtomicU64::new(0),
            posted: Notify::new(),
            closed: AtomicBool::new(false),
            bell: Bell::default(),
            gate: Gate::default(),
            backlog: AtomicU64::new(backlog),
            headroom: Headroom::new(tuning.log),
            keys: Arc::new(keys),
            trouble: Mutex::default(),
            metrics: Metrics::default(),
            watchers: Watchers::new(),
            aliases: Arc::default(),
        }
    }

    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        lock(&self.tail)
    }

    /// A target's feed, made where there is none: that of the name it goes by.
    pub(crate) fn feed(&self, target: &TargetName) -> Arc<Feed> {
        let target = self.aliases.now(target);
        let mut feeds = lock(&self.feeds);
        let feed = feeds
            .entry(target.into_owned())
            .or_insert_with(|| Arc::new(Feed::new(self.feed_room)));
        Arc::clone(feed)
    }

    /// All feeds.
    pub(crate) fn feeds(&self) -> Vec<Arc<Feed>> {
        lock(&self.feeds).values().cloned().collect()
    }

    pub(crate) fn plan(&self, hash: PlanHash) -> Option<Arc<Plan>> {
        lock(&self.plans).get(&hash).cloned()
    }

    pub(crate) fn add_plan(&self, plan: &Arc<Plan>) -> PlanHash {
        let hash = plan.hash();
        lock(&self.plans).insert(hash, Arc::clone(plan));
        hash
    }

    /// The origins that notices go to which senders asked for.
    pub(crate) fn origins(&self) -> Vec<CallbackOrigin> {
        let plans = lock(&self.plans);
        let mut origins: Vec<_> = plans
            .values()
            .filter_map(|plan| CallbackOrigin::of(plan))
            .collect();
        drop(plans);
        origins.sort_by(|left, right| left.target.cmp(&right.target));
        origins.dedup();
        origins
    }

    /// Listens to changes of a message.
    pub(crate) fn listen(&self, id: MessageId) -> watch::Receiver<()> {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|_, sender| !sender.is_closed());
        listeners
            .entry(id)
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe()
    }

    /// Tells those who listen to a message.
    pub(crate) fn tell(&self, ids: impl Iterator<Item = MessageId>) {
        let listeners = lock(&self.listeners);
        if listeners.is_empty() {
            return;
        }
        for sender in ids.filter_map(|id| listeners.get(&id)) {
            sender.send_replace(());
        }
    }

    /// Notes that nothing is posted, and why; `None` that all is well again. Returns what was noted
    /// before.
    pub(crate) fn note_trouble(&self, trouble: Option<Trouble>) -> Option<Trouble> {
        std::mem::replace(&mut *lock(&self.trouble), trouble)
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes it, and wakes the lanes so that they learn of it.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.posted.notify_waiters();
        let wakers = self.feeds().into_iter();
        wakers
            .filter_map(|feed| feed.take_waker())
            .for_each(Waiting::wake);
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        lock(&self.trouble).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the posting thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    changed: Condvar,
}

/// What the posting thread is woken for.
#[derive(Debug, Default)]
pub(crate) struct Rung {
    /// Everything is to be posted now.
    pub(crate) now: bool,
    /// Those who wait for that.
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
    /// The thread has ended: nobody is to wait for it.
    ended: bool,
    /// The thread is to end after that.
    pub(crate) close: bool,
    /// The thread is to end at once: what isn't posted is posted at the next start.
    pub(crate) abandon: bool,
}

impl Bell {
    /// Asks for everything to be posted now.
    pub(crate) fn ring(&self) {
        lock(&self.rung).now = true;
        self.changed.notify_one();
    }

    /// Asks for everything to be posted now; the receiver tells when it is, and fails where the
    /// thread has ended.
    pub(crate) fn ask(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut rung = lock(&self.rung);
        if !rung.ended {
            rung.now = true;
            rung.waiting.push(sender);
        }
        drop(rung);
        self.changed.notify_one();
        receiver
    }

    /// Notes that the thread has ended.
    pub(crate) fn end(&self) {
        let mut rung = lock(&self.rung);
        rung.ended = true;
        rung.waiting.clear();
    }

    /// Asks the thread to post everything and end.
    pub(crate) fn close(&self) {
        lock(&self.rung).close = true;
        self.changed.notify_one();
    }

    /// Asks the thread to end at once.
    pub(crate) fn abandon(&self) {
        lock(&self.rung).abandon = true;
        self.changed.notify_one();
    }

    /// Waits for a ring, and at most for `tick`.
    pub(crate) fn wait(&self, tick: Duration) -> Rung {
        let quiet = |rung: &mut Rung| !(rung.now || rung.close || rung.abandon);
        let (mut rung, _) = self
            .changed
            .wait_timeout_while(lock(&self.rung), tick, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        Rung {
            now: mem::take(&mut rung.now),
            waiting: mem::take(&mut rung.waiting),
            ..*rung
        }
    }
}

/// Shut while outcomes can't be kept.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    shut: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Release);
    }

    /// Opens it, and wakes those who wait.
    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::Release);
        for waker in lock(&self.waiting).drain(..) {
            waker.wake();
        }
    }

    /// Wakes `waker` when it opens.
    pub(crate) fn wait(&self, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }
}
