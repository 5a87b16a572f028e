//! What each test needs: a store, a plan, and lanes with their targets.

use std::collections::HashSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use fanway_dispatch::endpoints::Standing;
use fanway_dispatch::handle::Snapshot;
use fanway_dispatch::lane::{DEFAULT_WINDOW, Params};
use fanway_dispatch::metrics::LaneMetrics;
use fanway_dispatch::{
    Addresses, Clock, Counts, Handle, Lane, Metrics, Plans, Settings, Stopper, shutdown,
};
use fanway_policy::concurrency::Concurrency;
use fanway_policy::{breaker, rate, retry};
use fanway_store::change::{Control, Force, Key, Pause, PauseCause, Redrive};
use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_store::trouble::Trouble;
use fanway_store::{Error, Store};
use fanway_testkit::scripted_target::Reply;
use fanway_testkit::{MemoryStore, ScriptedTarget, VirtualClock, build};
use fanway_transform::evaluator::Evaluator;
use fanway_transform::plan::CompiledPlan;
use fanway_types::{DeliveryId, Message, Outcome, Plan, Step, TargetName, Terms, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;

/// When each bench begins: the messages of `build` are accepted from then on.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many attempts at a time.
pub(crate) fn fixed(count: usize) -> Concurrency {
    Concurrency::Fixed(NonZeroUsize::new(count).expect("not 0"))
}

/// So many attempts in a second, and so many at once.
pub(crate) fn rate(limit: u32, burst: u32) -> rate::Params {
    let not_0 = |count| NonZeroU32::new(count).expect("not 0");
    rate::Params {
        limit: not_0(limit),
        per: secs(1),
        burst: not_0(burst),
    }
}

/// A store, a plan, and the time.
pub(crate) struct Bench {
    pub(crate) store: MemoryStore,
    pub(crate) plan: Arc<Plan>,
    pub(crate) clock: VirtualClock,
    pub(crate) registry: Registry,
    metrics: Metrics,
    next: u64,
}

impl Bench {
    /// A bench with one target, `inventory`, which gets the body as it is.
    pub(crate) async fn new() -> Self {
        Self::with_steps([build::step("inventory")]).await
    }

    pub(crate) async fn with_steps(steps: impl IntoIterator<Item = Step>) -> Self {
        let store = MemoryStore::default();
        let plan = build::plan(steps);
        store.keep_plan(Arc::clone(&plan)).await.expect("it's open");
        let mut registry = Registry::default();
        Self {
            store,
            plan,
            clock: VirtualClock::starting_at(START),
            metrics: Metrics::register(&mut registry),
            registry,
            next: 0,
        }
    }

    /// Accepts so many messages of the plan, whose bodies are their numbers from 0.
    pub(crate) async fn accept(&mut self, count: u64) -> Vec<Arc<Message>> {
        self.accept_with(count, &Terms::default()).await
    }

    /// The same with terms.
    pub(crate) async fn accept_with(&mut self, count: u64, terms: &Terms) -> Vec<Arc<Message>> {
        let numbers = self.next..self.next + count;
        self.next += count;
        let messages: Vec<_> = numbers
            .map(|number| build::message_with_terms(&self.plan, number, terms.clone()))
            .collect();
        self.store
            .accept(messages.clone())
            .await
            .expect("it's open");
        messages
    }

    pub(crate) async fn accept_one(&mut self) -> Arc<Message> {
        self.accept(1).await.remove(0)
    }

    /// Accepts a message that expires so long after the start.
    pub(crate) async fn accept_expiring(&mut self, after: Duration) -> Arc<Message> {
        let terms = Terms {
            expires: Some(START.saturating_add(after)),
            ..Terms::default()
        };
        self.accept_with(1, &terms).await.remove(0)
    }

    /// Calls a message off.
    pub(crate) async fn cancel(&self, message: &Message) {
        let cancelled = self.store.cancel(message.id, None, self.clock.now());
        cancelled.await.expect("it has not ended");
    }

    /// Makes a message's first delivery anew, with this key.
    pub(crate) async fn redrive(&self, message: &Message, key: Key) -> DeliveryId {
        let redrive = Redrive {
            old: DeliveryId::first(message.id, 0),
            plan: self.plan.hash(),
            step: 0,
            key,
            body: None,
        };
        let now = self.clock.now();
        let redriven = self.store.redrive(vec![redrive], None, None, now).await;
        let made = redriven.expect("it's open").remove(0);
        made.expect("it is on the list")
    }

    /// What a lane of `inventory` is made of.
    pub(crate) fn params(&self, target: &ScriptedTarget) -> Params {
        self.params_of("inventory", target)
    }

    pub(crate) fn params_of(&self, name: &str, target: &ScriptedTarget) -> Params {
        let clock = self.clock.clone();
        let compiled = CompiledPlan::compile(&self.plan).expect("the plan compiles");
        Params {
            name: name.parse().expect("a name"),
            target: Addresses::One(Arc::new(target.clone())),
            counts: Counts::default(),
            retry: retry::Params::default(),
            breaker: breaker::Params::default(),
            concurrency: fixed(64),
            rate: None,
            fallback: None,
            control: Control::default(),
            trouble: Trouble::default(),
            window: DEFAULT_WINDOW,
            store: Arc::new(self.store.clone()),
            plans: Plans::new([Arc::new(compiled)]),
            evaluator: Evaluator::start(
                fanway_transform::evaluator::Params::default(),
                Arc::new(()),
            )
            .expect("threads"),
            crashed: HashSet::new(),
            metrics: self.lane_metrics(name),
            clock: Clock::new(move || clock.now()),
            rng: StdRng::seed_from_u64(7),
        }
    }

    /// The same after a restart, with what an earlier lane has kept.
    pub(crate) async fn params_after_restart(&self, target: &ScriptedTarget) -> Params {
        let params = self.params(target);
        let troubles = self.store.troubles().await.expect("it's open");
        let kept = troubles.iter().find(|(named, _)| *named == params.name);
        Params {
            trouble: kept.map(|(_, trouble)| *trouble).unwrap_or_default(),
            ..params
        }
    }

    fn lane_metrics(&self, name: &str) -> LaneMetrics {
        self.metrics.lane(&name.parse().expect("a name"))
    }

    /// Runs a lane of `inventory` with the defaults.
    pub(crate) fn start(&self, target: &ScriptedTarget) -> Running {
        Running::start(self.params(target))
    }

    /// What is counted, as Prometheus reads it.
    pub(crate) fn counted(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all");
        text
    }

    /// The outcomes of a delivery.
    pub(crate) fn outcomes_of(&self, delivery: DeliveryId) -> Vec<Outcome> {
        let mut outcomes = self.store.outcomes();
        outcomes.retain(|outcome| outcome.delivery == delivery);
        outcomes
    }

    /// The last outcome of a message's first step.
    #[track_caller]
    pub(crate) fn last_outcome(&self, message: &Message) -> Outcome {
        let outcomes = self.outcomes_of(DeliveryId::first(message.id, 0));
        outcomes.last().expect("an outcome").clone()
    }

    /// How a message stands.
    pub(crate) async fn view(&self, message: &Message) -> MessageView {
        match self.store.message(message.id).await {
            Ok(Found::Message(view)) => view,
            other => panic!("{} is not known: {other:?}", message.id),
        }
    }

    /// How a message's first step stands.
    pub(crate) async fn first_step(&self, message: &Message) -> DeliveryView {
        self.view(message).await.deliveries.remove(0)
    }

    /// Waits until a message has ended.
    pub(crate) async fn ended(&self, message: &Message) -> MessageView {
        loop {
            let changed = self.store.changed(message.id);
            let view = self.view(message).await;
            if view.state.has_ended() {
                return view;
            }
            changed.await;
        }
    }

    /// Waits until all of these have ended.
    pub(crate) async fn all_ended(&self, messages: &[Arc<Message>]) {
        for message in messages {
            self.ended(message).await;
        }
    }

    pub(crate) fn most_held(&self) -> usize {
        let target: TargetName = "inventory".parse().expect("a name");
        self.store.most_held(&target)
    }
}

/// A lane that runs. It is abandoned when this is dropped.
pub(crate) struct Running {
    handle: Handle,
    pub(crate) stopper: Stopper,
    pub(crate) task: JoinHandle<Result<(), Error>>,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(params: Params) -> Self {
        let (lane, handle) = Lane::open(params).expect("the store gives the lane");
        let (stopper, told) = shutdown();
        Self {
            handle,
            stopper,
            task: tokio::spawn(lane.run(told)),
        }
    }

    /// Where the target's endpoints stand.
    pub(crate) fn endpoints(&self) -> Vec<Standing> {
        let endpoints = self.handle.endpoints();
        endpoints.iter().map(|endpoint| endpoint.state).collect()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.handle.snapshot()
    }

    pub(crate) fn control(&self, control: Control) {
        self.handle.control(control);
    }

    pub(crate) fn force(&self, breaker: Force) {
        let pause = None;
        self.control(Control { pause, breaker });
    }

    /// Gives it another config: this target, and what `change` makes of the defaults.
    pub(crate) fn reconfigure(&self, target: &ScriptedTarget, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings {
            target: Addresses::One(Arc::new(target.clone())),
            counts: Counts::default(),
            retry: retry::Params::default(),
            breaker: breaker::Params::default(),
            concurrency: fixed(64),
            rate: None,
            fallback: None,
        };
        change(&mut settings);
        self.handle.reconfigure(settings);
    }

    /// Abandons what is in flight, as a process that dies does.
    pub(crate) async fn kill(self) {
        self.stopper.abandon();
        self.task.await.expect("no panic").expect("no failure");
    }
}

/// What pauses a target.
pub(crate) fn paused() -> Control {
    let pause = Pause {
        since: START,
        reason: String::new(),
        cause: PauseCause::Operator,
        address: None,
    };
    Control {
        pause: Some(pause),
        ..Control::default()
    }
}

/// Lets so much virtual time pass.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A target that answers 200 after a millisecond.
pub(crate) fn healthy() -> ScriptedTarget {
    ScriptedTarget::always(Reply::status(200).after(millis(1)))
}
