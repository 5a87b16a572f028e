//! A target's lane: one task, which owns all of its state.
//!
//! It waits for the first of many things to happen (an attempt has ended, the store hands out
//! deliveries, a time has come, a stop is wanted), which is an `Event`, handles it, and starts
//! what attempts it may. Attempts are driven inside the task. There is one timer, for the earliest
//! thing that is waited for, however many deliveries wait.

mod change;
mod detail;
mod flight;
mod gate;
mod horizon;
mod land;
mod request;
mod start;
mod window;

use std::collections::HashSet;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fanway_policy::breaker::{self, Cause, State};
use fanway_policy::retry;
use fanway_store::lane::{Room, Work};
use fanway_store::{Error, Store};
use fanway_target::Target;
use fanway_transform::evaluator::Evaluator;
use fanway_types::{ByteCount, DeliveryId, HeldBy, PlanHash, TargetName};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::Clock;
use crate::handle::{Breaker, Handle, Snapshot};
use crate::metrics::LaneMetrics;
use crate::plans::{Known, Plans};
use crate::shutdown::{Shutdown, Stage};
use change::Change;
use flight::{Flight, Landed};
use gate::{Gate, Now};
use horizon::Horizon;
use window::Window;

/// What a lane holds at most, unless configured: 4,096 deliveries, 16 MiB.
pub const DEFAULT_WINDOW: Room = Room {
    deliveries: 4096,
    bytes: ByteCount::mib(16),
};

/// How soon a store is asked again that says that a delivery is due but hands none out. It wakes
/// the lane when it has one; this is for the case that it doesn't.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// No wait is longer, whatever is configured.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a lane is made of.
pub struct Params {
    /// The target's name.
    pub name: TargetName,
    /// The target.
    pub target: Arc<dyn Target>,
    /// The bounds of its retries.
    pub retry: retry::Params,
    /// When its breaker opens.
    pub breaker: breaker::Params,
    /// How many deliveries may be in flight.
    pub concurrency: NonZeroUsize,
    /// How much it holds: deliveries, and the bytes of their bodies. One delivery may be more than
    /// there is room for.
    pub window: Room,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The plans of the config.
    pub plans: Plans,
    /// Where expressions are evaluated.
    pub evaluator: Evaluator,
    /// Deliveries during whose evaluation the process has died too often: they are dead letters.
    pub crashed: HashSet<DeliveryId>,
    /// The lane's metrics.
    pub metrics: LaneMetrics,
    /// The wall clock.
    pub clock: Clock,
    /// Where jitter and trace spans come from.
    pub rng: StdRng,
}

/// A target's lane.
pub struct Lane {
    name: TargetName,
    target: Arc<dyn Target>,
    concurrency: usize,
    store: Arc<dyn Store>,
    reader: Box<dyn fanway_store::Lane>,
    plans: Plans,
    evaluator: Evaluator,
    crashed: HashSet<DeliveryId>,
    metrics: LaneMetrics,
    clock: Clock,
    rng: StdRng,
    handle: Handle,
    gate: Gate,
    window: Window,
    horizon: Horizon,
    flights: FuturesUnordered<Flight>,
    /// The plan of the next delivery, while it is loaded.
    loading: Option<BoxFuture<'static, Result<(PlanHash, Known), Error>>>,
    /// What the store has handed out; empty between events.
    taken: Vec<Work>,
    /// Whether the store could keep outcomes when it was last asked.
    is_open: bool,
    stage: Stage,
}

/// What a lane waits for.
enum Event {
    /// A stop has come further.
    Stop(Stage),
    /// A delivery has come back.
    Landed(Landed),
    /// A plan was loaded, or not.
    Loaded(Result<(PlanHash, Known), Error>),
    /// The store has handed out deliveries, or can't.
    Taken(Result<(), Error>),
    /// The time has come for something.
    Due,
}

/// What wakes a lane besides its deliveries.
struct Wakers {
    sleep: Pin<Box<Sleep>>,
    /// What `sleep` is set to, until it has come.
    set_to: Option<Instant>,
    stop: BoxFuture<'static, (Stage, Shutdown)>,
}

impl Lane {
    /// Opens a target's lane.
    ///
    /// # Errors
    /// Where the store doesn't give it: the target has a lane already, or the store is closed.
    pub fn open(params: Params) -> Result<(Self, Handle), Error> {
        let now = Instant::now();
        let mut rng = params.rng;
        let retry = retry::Params {
            max: params.retry.max.min(YEAR),
            max_pause: params.retry.max_pause.min(YEAR),
            ..params.retry
        };
        let longest_wait = retry.horizon().max(params.breaker.open_for.min(YEAR));
        let gate_rng = StdRng::seed_from_u64(rng.next_u64());
        let handle = Handle::new(params.name.clone());
        let lane = Self {
            reader: params.store.lane(&params.name)?,
            name: params.name,
            target: params.target,
            concurrency: params.concurrency.get(),
            store: params.store,
            plans: params.plans,
            evaluator: params.evaluator,
            crashed: params.crashed,
            metrics: params.metrics,
            clock: params.clock,
            rng,
            handle: handle.clone(),
            gate: Gate::new(retry, params.breaker, gate_rng, now),
            window: Window::new(params.window),
            horizon: Horizon::new(longest_wait),
            flights: FuturesUnordered::new(),
            loading: None,
            taken: Vec::new(),
            is_open: false,
            stage: Stage::Running,
        };
        Ok((lane, handle))
    }

    /// Moves the target's deliveries until it is stopped.
    ///
    /// Finishing, it starts nothing and waits for what is in flight. Abandoning, it breaks that off
    /// and records nothing of it: the store hands it out again to the next lane.
    ///
    /// # Errors
    /// Where the store failed, or was closed before the lane was stopped.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        let mut wakers = Wakers {
            sleep: Box::pin(sleep_until(Instant::now())),
            set_to: None,
            stop: Box::pin(shutdown.next()),
        };
        loop {
            let event = poll_fn(|cx| self.poll_event(&mut wakers, cx)).await;
            if self.handle(event)?.is_break() {
                return Ok(());
            }
            // A store that always has more must not keep the task from yielding.
            tokio::task::coop::consume_budget().await;
        }
    }

    fn poll_event(&mut self, wakers: &mut Wakers, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready((stage, shutdown)) = wakers.stop.as_mut().poll(cx) {
            wakers.stop = Box::pin(shutdown.next());
            return Poll::Ready(Event::Stop(stage));
        }
        let is_running = self.stage == Stage::Running;
        if is_running {
            self.start_attempts(cx);
        }
        if let Poll::Ready(Some(landed)) = self.flights.poll_next_unpin(cx) {
            return Poll::Ready(Event::Landed(landed));
        }
        if is_running && let Poll::Ready(event) = self.poll_store(cx) {
            return Poll::Ready(event);
        }
        if is_running && let Poll::Ready(()) = self.poll_timer(wakers, cx) {
            return Poll::Ready(Event::Due);
        }
        self.publish();
        Poll::Pending
    }

    fn handle(&mut self, event: Event) -> Result<ControlFlow<()>, Error> {
        match event {
            Event::Stop(stage) => self.stage = stage,
            Event::Landed(landed) => self.land(landed),
            Event::Loaded(loaded) => {
                self.loading = None;
                let (hash, plan) = loaded?;
                self.plans.keep(hash, plan);
            }
            Event::Taken(taken) => {
                taken?;
                self.taken.drain(..).for_each(|work| self.window.add(work));
            }
            Event::Due => {}
        }
        Ok(match self.stage {
            Stage::Running => ControlFlow::Continue(()),
            Stage::Finishing if !self.flights.is_empty() => ControlFlow::Continue(()),
            Stage::Finishing | Stage::Abandoning => ControlFlow::Break(()),
        })
    }

    fn now(&self) -> Now {
        Now {
            wall: self.clock.now(),
            steady: Instant::now(),
        }
    }
}

/// Waiting.
impl Lane {
    fn poll_store(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(loading) = &mut self.loading
            && let Poll::Ready(loaded) = loading.as_mut().poll(cx)
        {
            return Poll::Ready(Event::Loaded(loaded));
        }
        let Some(room) = self.window.room() else {
            return Poll::Pending;
        };
        let Now { wall, steady } = self.now();
        let store_time = self.horizon.store_time(self.reader.due(), wall, steady);
        self.reader
            .poll_take(cx, store_time, room, &mut self.taken)
            .map(Event::Taken)
    }

    fn poll_timer(&mut self, wakers: &mut Wakers, cx: &mut Context<'_>) -> Poll<()> {
        let Some(moment) = self.next_moment() else {
            return Poll::Pending;
        };
        if wakers.set_to != Some(moment) {
            wakers.sleep.as_mut().reset(moment);
            wakers.set_to = Some(moment);
        }
        let woken = wakers.sleep.as_mut().poll(cx);
        if woken.is_ready() {
            wakers.set_to = None;
        }
        woken
    }

    /// When there is something to do though nothing else has happened.
    fn next_moment(&mut self) -> Option<Instant> {
        let Now { wall, steady } = self.now();
        let gate = self.gate.opens_at(steady).filter(|at| *at > steady);
        let gate = gate.filter(|_| self.window.next_ready().is_some());
        let store = self.window.room().and_then(|_| self.reader.due());
        let store = store.map(|due| {
            let moment = self.horizon.moment(due, wall, steady);
            if moment > steady {
                moment
            } else {
                steady + ASK_AGAIN
            }
        });
        [self.window.next_due(), gate, store]
            .into_iter()
            .flatten()
            .min()
    }

    fn publish(&self) {
        let Now { wall, steady } = self.now();
        let held_by = self.held_by(steady);
        let held_until = self.gate.opens_at(steady).filter(|_| held_by.is_some());
        let snapshot = Snapshot {
            held_by,
            held_until: held_until.map(|at| wall.saturating_add(at - steady)),
            breaker: match self.gate.breaker() {
                State::Closed => Breaker::Closed,
                State::Open { .. } => Breaker::Open,
                State::HalfOpen { .. } => Breaker::HalfOpen,
            },
            in_flight: self.flights.len(),
            waiting: self.window.waiting(),
            bytes: self.window.bytes(),
        };
        let before = self.handle.snapshot();
        if let Some(change) = Change::between(before.breaker, snapshot.breaker) {
            self.log(change, snapshot.breaker);
        }
        self.metrics.show(&snapshot);
        self.handle.publish(snapshot);
    }

    /// An outage is told when it begins and when it ends; the probes between are for those who ask.
    fn log(&self, change: Change, to: Breaker) {
        let target_name = &self.name;
        match change {
            Change::Opened => {
                let cause = match self.gate.cause() {
                    Some(Cause::Credentials) => "the target refuses the credentials",
                    Some(Cause::Failures) | None => "the target has failed too often",
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

    fn held_by(&self, now: Instant) -> Option<HeldBy> {
        if !self.is_open {
            return Some(HeldBy::Store);
        }
        let is_full = self.flights.len() >= self.concurrency && self.window.next_ready().is_some();
        self.gate
            .held_by(now)
            .or_else(|| is_full.then_some(HeldBy::Limit))
    }
}
