//! Jobs above the store in memory, in virtual time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use fanway_dispatch::Clock;
use fanway_dispatch::handle::Snapshot;
use fanway_store::Store;
use fanway_store::change::Control;
use fanway_store::event::{Events, Seen, What};
use fanway_store::job::{Filter, Include, Job, State};
use fanway_store::lane::{Hold, Room, Work};
use fanway_testkit::{MemoryStore, VirtualClock, build};
use fanway_types::{
    ByteCount, DeadReason, DeliveryId, End, JobId, Outcome, Plan, RouteName, TargetName, Timestamp,
    Verdict,
};
use futures_util::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Change, Error, Handle, MOST, Order, Params, Runner};
use crate::actor::Actor;
use crate::current::{LaneView, Lanes, Plans};

/// An hour after the messages of `build` are accepted.
const START: Timestamp = Timestamp::from_millis(1_700_003_600_000);

/// What the config in use says.
#[derive(Clone, Default)]
struct Current(Arc<Mutex<Config>>);

#[derive(Clone, Default)]
struct Config {
    targets: Vec<TargetName>,
    /// Its one route's.
    plan: Option<Arc<Plan>>,
}

impl Current {
    fn set(&self, targets: &[&str], plan: Option<Arc<Plan>>) {
        let targets = targets.iter().map(|name| name.parse().expect("a name"));
        let targets = targets.collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Config { targets, plan };
    }

    fn get(&self) -> Config {
        let config = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        config.clone()
    }
}

struct Idle;

impl LaneView for Idle {
    fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }

    fn control(&self, _: Control) {}
}

impl Lanes for Current {
    fn all(&self) -> Vec<(TargetName, Arc<dyn LaneView>)> {
        let idle = |target| -> (TargetName, Arc<dyn LaneView>) { (target, Arc::new(Idle)) };
        self.get().targets.into_iter().map(idle).collect()
    }
}

impl Plans for Current {
    fn of(&self, route: &RouteName) -> Option<Arc<Plan>> {
        self.get().plan.filter(|plan| plan.route == *route)
    }
}

/// A store with dead letters, and a runner that can be let die.
struct Rig {
    store: MemoryStore,
    plan: Arc<Plan>,
    current: Current,
    clock: VirtualClock,
    runner: Option<JoinHandle<()>>,
}

impl Rig {
    /// So many messages to `inventory` and `shipping`; those to `inventory` are dead.
    async fn with_dead(count: u64) -> Self {
        let plan = build::plan([build::step("inventory"), build::step("shipping")]);
        let store = MemoryStore::default();
        store.keep_plan(Arc::clone(&plan)).await.expect("open");
        let messages = (0..count).map(|number| build::message(&plan, number));
        store.accept(messages.collect()).await.expect("accepted");
        let current = Current::default();
        current.set(&["inventory", "shipping"], Some(Arc::clone(&plan)));
        let rig = Self {
            store,
            plan,
            current,
            clock: VirtualClock::starting_at(START),
            runner: None,
        };
        rig.end("inventory", End::Dead(DeadReason::Exhausted));
        // What ends in the same millisecond as a job is made isn't part of it.
        sleep(Duration::from_millis(1)).await;
        rig
    }

    /// All that waits for a target, and the lane that holds it.
    fn lane(&self, target: &str) -> (Box<dyn fanway_store::Lane>, Vec<Work>) {
        let target: TargetName = target.parse().expect("a name");
        let mut lane = self.store.lane(&target).expect("free");
        let room = Room {
            deliveries: usize::MAX,
            bytes: ByteCount::mib(1),
        };
        let mut work = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        let _some_or_none = lane.poll_take(&mut cx, self.clock.now(), room, &mut work);
        (lane, work)
    }

    /// All that waits for a target.
    fn take(&self, target: &str) -> Vec<Work> {
        self.lane(target).1
    }

    /// Ends all that waits for a target; says how much that was.
    fn end(&self, target: &str, end: End) -> usize {
        let (mut lane, all) = self.lane(target);
        for work in &all {
            let outcome = Outcome {
                delivery: work.delivery,
                at: self.clock.now(),
                verdict: Verdict::Ended(end),
                attempts: 1,
                used: 1,
                spent: Duration::from_millis(5),
                status: None,
                detail: None,
                fallback: None,
            };
            lane.record(work, outcome, Hold::LetGo);
        }
        all.len()
    }

    /// Has a runner run, in place of an earlier one, which is let die.
    fn run(&mut self) -> Handle {
        let clock = self.clock.clone();
        let (runner, handle) = Runner::new(Params {
            store: Arc::new(self.store.clone()),
            plans: Arc::new(self.current.clone()),
            lanes: Arc::new(self.current.clone()),
            clock: Clock::new(move || clock.now()),
            rng: StdRng::seed_from_u64(7),
        });
        self.kill();
        self.runner = Some(tokio::spawn(runner.run(std::future::pending())));
        handle
    }

    fn kill(&mut self) {
        if let Some(runner) = self.runner.take() {
            runner.abort();
        }
    }

    /// A job for all dead letters.
    fn order(&self) -> Order {
        Order {
            filter: Filter {
                until: Some(self.clock.now()),
                ..Filter::default()
            },
            to: None,
            new_key: false,
            pace: None,
            found: 0,
        }
    }

    async fn job(&self, id: JobId) -> Job {
        let jobs = self.store.jobs().await.expect("open");
        jobs.into_iter()
            .find(|job| job.id == id)
            .expect("it is kept")
    }

    /// The job when it has ended.
    async fn ended(&self, id: JobId) -> Job {
        loop {
            let changed = self.store.changed(build::message(&self.plan, 0).id);
            let job = self.job(id).await;
            if job.state.has_ended() {
                return job;
            }
            changed.await;
        }
    }

    /// What a job has done that goes through all dead letters.
    async fn done(&mut self, order: Order) -> Job {
        let job = self.run().start(order, alice()).await.expect("started");
        self.ended(job.id).await
    }

    /// All new deliveries of `inventory` are there, once each, and first ones.
    #[track_caller]
    fn check_each_once(&self, count: usize) {
        let work = self.take("inventory");
        let messages: BTreeSet<_> = work.iter().map(|work| work.delivery.message).collect();
        assert_eq!((work.len(), messages.len()), (count, count));
        assert!(work.iter().all(|work| work.delivery.run == 1));
    }
}

fn alice() -> Actor {
    Actor::named("alice")
}

/// The deliveries that a batch made anew, the old ones.
async fn batch(events: &mut Events) -> Vec<DeliveryId> {
    loop {
        let Some(Seen::Events(events)) = events.next().await else {
            panic!("the store is open, and is watched closely");
        };
        let redriven = events.iter().filter_map(|event| match event.what {
            What::Redriven { old, .. } => Some(old),
            _ => None,
        });
        let redriven: Vec<_> = redriven.collect();
        if !redriven.is_empty() {
            return redriven;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_makes_each_dead_letter_anew_once_and_is_done() {
    let mut rig = Rig::with_dead(1200).await;
    let order = rig.order();
    let job = rig.done(order).await;
    assert_eq!(
        (job.state, job.redriven, job.passed_over),
        (State::Done, 1200, 0)
    );
    assert_eq!(job.ended_at, Some(rig.clock.now()));
    rig.check_each_once(1200);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_finds_nothing_is_done() {
    let mut rig = Rig::with_dead(0).await;
    let order = rig.order();
    let job = rig.done(order).await;
    assert_eq!((job.state, job.redriven), (State::Done, 0));
}

/// When batches are made, in milliseconds from the first, and how large they are.
async fn check_pace(pace: u32, count: u64, expected: &[(u128, usize)]) {
    let mut rig = Rig::with_dead(count).await;
    let mut events = rig.store.watch();
    let order = Order {
        pace: Some(pace),
        ..rig.order()
    };
    rig.run().start(order, alice()).await.expect("started");
    let mut batches = Vec::new();
    let began = Instant::now();
    for _ in expected {
        let size = batch(&mut events).await.len();
        batches.push((began.elapsed().as_millis(), size));
    }
    assert_eq!(batches, expected, "{pace} a second");
}

#[tokio::test(start_paused = true)]
async fn a_job_keeps_its_pace() {
    check_pace(2, 4, &[(0, 1), (500, 1), (1000, 1), (1500, 1)]).await;
    check_pace(100, 35, &[(0, 10), (100, 10), (200, 10), (300, 5)]).await;
    check_pace(5_000, 1_200, &[(0, 500), (100, 500), (200, 200)]).await;
    check_pace(10_000, 1_200, &[(0, 500), (50, 500), (100, 200)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_dies_leaves_nothing_undone_and_nothing_done_twice() {
    for millis in [0, 1, 50, 100, 101, 450, 899, 900, 901] {
        let mut rig = Rig::with_dead(1000).await;
        let order = Order {
            pace: Some(1000),
            ..rig.order()
        };
        let job = rig.run().start(order, alice()).await.expect("started");
        sleep(Duration::from_millis(millis)).await;
        rig.run();
        let job = rig.ended(job.id).await;
        assert_eq!((job.redriven, job.passed_over), (1000, 0), "{millis}");
        rig.check_each_once(1000);
    }
}

#[tokio::test(start_paused = true)]
async fn what_dies_again_is_not_taken_again() {
    let mut rig = Rig::with_dead(100).await;
    let order = Order {
        pace: Some(100),
        ..rig.order()
    };
    let job = rig.run().start(order, alice()).await.expect("started");
    let mut deaths = 0;
    while !rig.job(job.id).await.state.has_ended() {
        deaths += rig.end("inventory", End::Dead(DeadReason::Exhausted));
        sleep(Duration::from_millis(10)).await;
    }
    deaths += rig.end("inventory", End::Dead(DeadReason::Exhausted));
    assert_eq!(deaths, 100);
    assert_eq!(rig.job(job.id).await.redriven, 100);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_a_job_over_a_restart_until_it_is_resumed() {
    let mut rig = Rig::with_dead(10).await;
    let order = Order {
        pace: Some(10),
        ..rig.order()
    };
    let handle = rig.run();
    let id = handle.start(order, alice()).await.expect("started").id;
    sleep(Duration::from_millis(250)).await;
    let job = handle
        .change(id, Change::Pause, alice())
        .await
        .expect("paused");
    assert_eq!((job.state, job.redriven), (State::Paused, 3));
    assert_eq!(rig.job(id).await, job);

    let handle = rig.run();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.job(id).await, job);
    let again = handle.change(id, Change::Pause, alice()).await;
    assert_eq!(again.expect("it is paused already"), job);

    handle
        .change(id, Change::Resume, alice())
        .await
        .expect("resumed");
    assert_eq!(rig.ended(id).await.redriven, 10);
    rig.check_each_once(10);
    let records = rig.store.audit(None, 10).await.expect("open").records;
    let actions: Vec<_> = records.iter().map(|(_, audit)| &*audit.action).collect();
    assert_eq!(
        actions,
        ["redrive.resume", "redrive.pause", "redrive.start"]
    );
    assert!(
        records
            .iter()
            .all(|(_, audit)| &*audit.actor == "alice" && *audit.subject == *id.to_string())
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_ends_between_two_batches() {
    let mut rig = Rig::with_dead(10).await;
    let order = Order {
        pace: Some(10),
        ..rig.order()
    };
    let handle = rig.run();
    let id = handle.start(order, alice()).await.expect("started").id;
    sleep(Duration::from_millis(250)).await;
    let job = handle
        .change(id, Change::Cancel, alice())
        .await
        .expect("cancelled");
    assert_eq!((job.state, job.redriven), (State::Cancelled, 3));
    assert_eq!(job.ended_at, Some(rig.clock.now()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.job(id).await, job);
    let again = handle.change(id, Change::Cancel, alice()).await;
    assert_eq!(again.expect("it is cancelled already"), job);
    let resumed = handle.change(id, Change::Resume, alice()).await;
    assert!(matches!(resumed, Err(Error::Ended(_, State::Cancelled))));
    let nobody = handle
        .change(JobId::from_bytes([7; 16]), Change::Pause, alice())
        .await;
    assert!(matches!(nobody, Err(Error::Unknown(_))));
}

#[tokio::test(start_paused = true)]
async fn jobs_take_turns() {
    let mut rig = Rig::with_dead(2000).await;
    rig.end("shipping", End::Dead(DeadReason::Exhausted));
    sleep(Duration::from_millis(1)).await;
    for (number, target) in [(1, "inventory"), (2, "shipping")] {
        let mut order = rig.order();
        order.filter.target = Some(target.parse().expect("a name"));
        let job = order.job(JobId::from_bytes([number; 16]));
        rig.store.keep_job(job, None).await.expect("kept");
    }
    let mut events = rig.store.watch();
    rig.run();
    let mut steps = Vec::new();
    for _ in 0..8 {
        steps.push(batch(&mut events).await[0].step);
    }
    assert_eq!(steps, [1, 0, 1, 0, 1, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_is_waited_for() {
    let mut rig = Rig::with_dead(700).await;
    rig.store.refuse_outcomes();
    let order = rig.order();
    let job = rig.run().start(order, alice()).await.expect("started");
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(rig.take("inventory").len(), 0);
    rig.store.keep_outcomes();
    let began = Instant::now();
    let job = rig.ended(job.id).await;
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    assert_eq!((job.redriven, job.passed_over), (700, 0));
    rig.check_each_once(700);
}

/// What becomes of four dead letters: redriven, and passed over.
async fn check_passed_over(change: impl AsyncFnOnce(&Rig) -> Order, expected: (u64, u64)) {
    let mut rig = Rig::with_dead(4).await;
    let order = change(&rig).await;
    let job = rig.done(order).await;
    assert_eq!(job.state, State::Done);
    assert_eq!((job.redriven, job.passed_over), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_passed_over() {
    let change = async |rig: &Rig| {
        rig.store.forget_request(build::message(&rig.plan, 1).id);
        rig.order()
    };
    check_passed_over(change, (3, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_can_be_passed_over_and_no_time_goes_by() {
    let mut rig = Rig::with_dead(130).await;
    for number in 0..120 {
        rig.store
            .forget_request(build::message(&rig.plan, number).id);
    }
    let order = Order {
        pace: Some(10),
        ..rig.order()
    };
    let began = Instant::now();
    let job = rig.done(order).await;
    assert_eq!((job.redriven, job.passed_over), (10, 120));
    assert_eq!(began.elapsed(), Duration::from_millis(900));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_gone_is_passed_over() {
    let change = async |rig: &Rig| {
        let plan = build::plan([build::step("shipping")]);
        rig.current.set(&["inventory", "shipping"], Some(plan));
        rig.order()
    };
    check_passed_over(change, (0, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn without_its_route_a_dead_letter_follows_its_own_plan() {
    let change = async |rig: &Rig| {
        rig.current.set(&["inventory"], None);
        rig.order()
    };
    check_passed_over(change, (4, 0)).await;
    let change = async |rig: &Rig| {
        rig.current.set(&["shipping"], None);
        rig.order()
    };
    check_passed_over(change, (0, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_to_a_target_that_is_gone_passes_all_over() {
    let change = async |rig: &Rig| Order {
        to: Some("mail".parse().expect("a name")),
        ..rig.order()
    };
    check_passed_over(change, (0, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_follows_todays_step_toward_the_target_that_is_asked_for() {
    let mut rig = Rig::with_dead(4).await;
    rig.end("shipping", End::Delivered);
    let mut inventory = build::step("inventory");
    inventory.path = Some("/mended".to_owned());
    let today = build::plan([build::step("shipping"), inventory.clone()]);
    rig.current.set(&["inventory", "shipping"], Some(today));
    let to: TargetName = "shipping".parse().expect("a name");
    let order = Order {
        to: Some(to.clone()),
        ..rig.order()
    };
    rig.done(order).await;
    let work = rig.take("shipping");
    assert_eq!(work.len(), 4);
    let plan = rig
        .store
        .plan(work[0].plan)
        .await
        .expect("open")
        .expect("kept");
    inventory.target = to;
    assert_eq!(plan.steps[usize::from(work[0].step)], inventory);
}

#[tokio::test(start_paused = true)]
async fn a_dead_notice_is_made_anew_by_its_own_plan() {
    let mut rig = Rig::with_dead(0).await;
    let mut plan = Arc::unwrap_or_clone(build::plan([build::step("inventory")]));
    plan.on_dead = Some("shipping".parse().expect("a name"));
    let plan = Arc::new(plan);
    rig.store.keep_plan(Arc::clone(&plan)).await.expect("open");
    rig.current
        .set(&["inventory", "shipping"], Some(Arc::clone(&plan)));
    let message = build::message(&plan, 1);
    rig.store.accept(vec![message]).await.expect("accepted");
    rig.end("inventory", End::Dead(DeadReason::Refused));
    rig.end("shipping", End::Dead(DeadReason::Refused));
    sleep(Duration::from_millis(1)).await;
    let mut order = rig.order();
    order.filter.target = Some("shipping".parse().expect("a name"));
    let job = rig.done(order).await;
    assert_eq!((job.redriven, job.passed_over), (1, 0));
    assert_eq!(rig.take("shipping").len(), 1);
}

/// Whether the new deliveries for dead letters, and for what was delivered, keep the old keys.
async fn check_keys(new_key: bool, expected: (bool, bool)) {
    let mut rig = Rig::with_dead(1).await;
    rig.end("shipping", End::Delivered);
    sleep(Duration::from_millis(1)).await;
    let mut order = Order {
        new_key,
        ..rig.order()
    };
    order.filter.include = Include::All;
    let job = rig.done(order).await;
    assert_eq!(job.redriven, 2);
    let is_kept = |target| {
        let work = &rig.take(target)[0];
        work.key != work.delivery
    };
    assert_eq!((is_kept("inventory"), is_kept("shipping")), expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_gets_a_new_key_and_a_dead_letter_keeps_its_own() {
    check_keys(false, (true, false)).await;
    check_keys(true, (false, false)).await;
}

#[tokio::test(start_paused = true)]
async fn so_many_jobs_can_be_under_way() {
    let mut rig = Rig::with_dead(1).await;
    for number in 0..MOST {
        let id = JobId::from_bytes((number as u128).to_be_bytes());
        let job = Job {
            state: State::Paused,
            ..rig.order().job(id)
        };
        rig.store.keep_job(job, None).await.expect("kept");
    }
    let order = rig.order();
    let refused = rig.run().start(order, alice()).await;
    assert!(matches!(refused, Err(Error::TooMany(MOST))));
}

#[tokio::test(start_paused = true)]
async fn a_runner_ends_when_it_is_told_and_whoever_asks_then_learns_of_it() {
    let rig = Rig::with_dead(1).await;
    let (runner, handle) = Runner::new(Params {
        store: Arc::new(rig.store.clone()),
        plans: Arc::new(rig.current.clone()),
        lanes: Arc::new(rig.current.clone()),
        clock: Clock::new(|| START),
        rng: StdRng::seed_from_u64(7),
    });
    runner.run(std::future::ready(())).await;
    let refused = handle.start(rig.order(), alice()).await;
    assert!(matches!(refused, Err(Error::Stopped)));
}
