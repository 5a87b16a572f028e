//! A target's lane: one task, which owns all of its state.
//!
//! It waits for the first of many things to happen (an attempt has ended, the store hands out
//! deliveries or calls some off, a time has come, somebody steers or stops it), which is an `Event`,
//! handles it, and starts what attempts it may. Attempts are driven inside the task. There is one
//! timer, for the earliest thing that is waited for, however many deliveries wait.

mod change;
mod check;
mod detail;
mod fallback;
mod flight;
mod gate;
mod horizon;
mod land;
mod request;
mod show;
mod start;
mod wait;
mod way;
mod window;

use std::collections::HashSet;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fanway_policy::concurrency::Concurrency;
use fanway_policy::{breaker, rate, retry};
use fanway_store::change::Control;
use fanway_store::lane::{Room, Work};
use fanway_store::trouble::Trouble;
use fanway_store::{Error, Store};
use fanway_transform::evaluator::Evaluator;
use fanway_types::{ByteCount, DeliveryId, PlanHash, TargetName, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::coop::unconstrained;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::Clock;
use crate::counts::Counts;
use crate::handle::Handle;
use crate::metrics::LaneMetrics;
use crate::plans::{Known, Plans};
use crate::shutdown::{Shutdown, Stage};
use crate::steering::{Addresses, Settings, Told};
use flight::{Flight, Landed};
use gate::{Gate, Now, Policies};
use horizon::Horizon;
use way::Way;
use window::Window;

pub(crate) use check::{Attempted, Look};
pub(crate) use request::OWN_USER_AGENT;
pub use request::{Stamp, outgoing};

/// What a lane holds at most, unless configured: 4,096 deliveries, 16 MiB.
pub const DEFAULT_WINDOW: Room = Room {
    deliveries: 4096,
    bytes: ByteCount::mib(16),
};

/// So many events a lane handles before others on its core have a turn: some two milliseconds' work.
const TURN: usize = 256;

/// No wait is longer, whatever is configured.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a lane is made of.
pub struct Params {
    /// The target's name.
    pub name: TargetName,
    /// Where the target is.
    pub target: Addresses,
    /// What its answers count as.
    pub counts: Counts,
    /// The bounds of its retries.
    pub retry: retry::Params,
    /// When its breaker opens.
    pub breaker: breaker::Params,
    /// How many deliveries may be in flight.
    pub concurrency: Concurrency,
    /// How many attempts may start in a while, where that is limited.
    pub rate: Option<rate::Params>,
    /// The target that has deliveries in its place while its breaker isn't closed, and those that
    /// it has given up. It has a lane of its own.
    pub fallback: Option<TargetName>,
    /// What an operator has set for the target.
    pub control: Control,
    /// What isn't well with the target, as an earlier lane has kept it.
    pub trouble: Trouble,
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
    way: Way,
    look: Look,
    fallback: Option<TargetName>,
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
    /// What isn't well with the target, while the store is told.
    keeping: Option<BoxFuture<'static, Result<(), Error>>>,
    /// When the lane was opened, until it has been seen whether there was a backlog then.
    opened: Option<Timestamp>,
    /// What the store has handed out; empty between events.
    taken: Vec<Work>,
    /// Deliveries that were called off; empty between events.
    called_off: Vec<DeliveryId>,
    /// The time at which something in the window expires that is waited for, and until when.
    awaited_expiry: Option<(Timestamp, Instant)>,
    /// Whether the store could keep outcomes when it was last asked.
    is_open: bool,
    stage: Stage,
}

/// What a lane waits for.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the one that comes with each delivery, and is handled at once"
)]
enum Event {
    /// A stop has come further.
    Stop(Stage),
    /// Somebody steers.
    Told(Told),
    /// Deliveries that the lane holds were called off.
    CalledOff,
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
        let now = Now {
            wall: params.clock.now(),
            steady: Instant::now(),
        };
        let mut rng = params.rng;
        let retry = bounded(&params.retry);
        let horizon = Horizon::new(longest_wait(&retry, &params.breaker));
        let gate_rng = StdRng::seed_from_u64(rng.next_u64());
        let handle = Handle::new(params.name.clone());
        let counts = params.target.judged(params.counts);
        let way = Way::new(
            &params.name,
            params.target,
            &counts.rules,
            &params.metrics,
            &mut rng,
        );
        handle.set_endpoints(way.endpoints());
        let policies = Policies {
            answers: counts.rules.clone(),
            retry,
            breaker: params.breaker,
            concurrency: params.concurrency,
            rate: params.rate,
        };
        let lane = Self {
            reader: params.store.lane(&params.name)?,
            name: params.name,
            way,
            look: Look::new(&counts, &params.evaluator),
            fallback: params.fallback,
            store: params.store,
            plans: params.plans,
            evaluator: params.evaluator,
            crashed: params.crashed,
            metrics: params.metrics,
            clock: params.clock,
            rng,
            handle: handle.clone(),
            gate: Gate::new(policies, &params.control, &params.trouble, gate_rng, now),
            window: Window::new(params.window),
            horizon,
            flights: FuturesUnordered::new(),
            loading: None,
            keeping: None,
            opened: Some(now.wall),
            taken: Vec::new(),
            called_off: Vec::new(),
            awaited_expiry: None,
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
            for _ in 0..TURN {
                // Not by the runtime's own measure: by that a connection's turn is as long as a lane's,
                // though a lane does what hundreds of connections have brought.
                let event = unconstrained(poll_fn(|cx| self.poll_event(&mut wakers, cx))).await;
                if self.handle(event)?.is_break() {
                    return Ok(());
                }
            }
            // A store that always has more must not keep the task from yielding.
            yield_now().await;
        }
    }

    fn poll_event(&mut self, wakers: &mut Wakers, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready((stage, shutdown)) = wakers.stop.as_mut().poll(cx) {
            wakers.stop = Box::pin(shutdown.next());
            return Poll::Ready(Event::Stop(stage));
        }
        if let Poll::Ready(told) = self.handle.poll_told(cx) {
            return Poll::Ready(Event::Told(told));
        }
        let called_off = self.reader.poll_cancelled(cx, &mut self.called_off);
        if called_off.is_ready() {
            return Poll::Ready(Event::CalledOff);
        }
        self.way.poll_checks(cx);
        let is_running = self.stage == Stage::Running;
        let now = self.now();
        self.keep_trouble(cx, now);
        if is_running {
            self.start_attempts(cx, now);
        }
        if let Poll::Ready(Some(landed)) = self.flights.poll_next_unpin(cx) {
            return Poll::Ready(Event::Landed(landed));
        }
        if is_running && let Poll::Ready(event) = self.poll_store(cx, now) {
            return Poll::Ready(event);
        }
        if is_running && let Poll::Ready(()) = self.poll_timer(wakers, cx, now) {
            return Poll::Ready(Event::Due);
        }
        self.publish(now);
        Poll::Pending
    }

    fn handle(&mut self, event: Event) -> Result<ControlFlow<()>, Error> {
        match event {
            Event::Stop(stage) => self.stage = stage,
            Event::Told(told) => self.take_over(told),
            Event::CalledOff => self.end_called_off(),
            Event::Landed(landed) => self.land(landed),
            Event::Loaded(loaded) => {
                self.loading = None;
                let (hash, plan) = loaded?;
                self.plans.keep(hash, plan);
            }
            Event::Taken(taken) => {
                taken?;
                self.look_for_backlog();
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

    /// Takes over what it was told. Nothing that is in flight changes by it.
    fn take_over(&mut self, told: Told) {
        let Told { control, settings } = told;
        if let Some(control) = control {
            self.gate.control(&control, Instant::now());
        }
        if let Some(settings) = settings {
            self.reconfigure(*settings);
        }
        if self.gate.is_closed() {
            self.window.release_probes();
        }
    }

    fn reconfigure(&mut self, settings: Settings) {
        let Settings {
            target,
            counts,
            retry,
            breaker,
            concurrency,
            rate,
            fallback,
        } = settings;
        let retry = bounded(&retry);
        let counts = target.judged(counts);
        let rules = &counts.rules;
        self.way = self
            .way
            .changed(&self.name, target, rules, &self.metrics, &mut self.rng);
        self.handle.set_endpoints(self.way.endpoints());
        self.look = Look::new(&counts, &self.evaluator);
        self.fallback = fallback;
        self.horizon.set_longest(longest_wait(&retry, &breaker));
        let policies = Policies {
            answers: counts.rules,
            retry,
            breaker,
            concurrency,
            rate,
        };
        self.gate.reconfigure(policies, Instant::now());
    }

    /// What was accepted before the lane was opened may be much: it is taken up with few attempts at
    /// a time. The first delivery tells, since the oldest come first.
    fn look_for_backlog(&mut self) {
        let Some(opened) = self.opened.take() else {
            return;
        };
        let is_older = |work: &Work| work.message.received_at() < opened;
        if self.taken.first().is_some_and(is_older) {
            self.gate.ramp_up(Instant::now());
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: self.clock.now(),
            steady: Instant::now(),
        }
    }
}

/// Bounds by which moments can be reckoned with.
fn bounded(retry: &retry::Params) -> retry::Params {
    retry::Params {
        max: retry.max.min(YEAR),
        max_pause: retry.max_pause.min(YEAR),
        ..retry.clone()
    }
}

/// The longest that a delivery is made to wait at one time.
fn longest_wait(retry: &retry::Params, breaker: &breaker::Params) -> Duration {
    retry.horizon().max(breaker.open_for.min(YEAR))
}
