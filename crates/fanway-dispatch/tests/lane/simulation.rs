//! Hours of trouble in virtual time, by seeds: a target that is well, slow, failing, hanging, busy or gone, and changes
//! its mind; a route that floods it, one that has few deliveries, and one whose are kept in order; and a process that
//! dies now and then. What was sent is then held against what must never be.
//!
//! What must never be is reckoned from what the target has seen and the store has kept, and not by the policy's own code.

mod checks;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanway_dispatch::{Addresses, Plans};
use fanway_policy::breaker;
use fanway_store::Store as _;
use fanway_target::{Answer, AttemptRequest, Exchange, FailureKind, Target};
use fanway_testkit::scripted_target::Reply;
use fanway_testkit::{ScriptedTarget, build};
use fanway_transform::plan::CompiledPlan;
use fanway_types::{Message, OrderKey, Plan, StepOrder, Terms, Verdict, WhenDead};
use futures_util::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use checks::{check_breaker, check_ends, check_order, check_rate, check_turns};

use crate::bench::{Bench, Running, fixed, millis, pass, rate, secs};

/// How long trouble is made.
const TROUBLE: Duration = Duration::from_secs(6 * 3600);
/// How many attempts may be under way.
const CONCURRENCY: usize = 12;
/// How many attempts may start in a second, and how many at once.
const RATE: (u32, u32) = (20, 5);
/// Failures in a row that open the breaker.
const CONSECUTIVE: u32 = 5;
/// How long it stays open.
const OPEN_FOR: Duration = Duration::from_secs(30);
/// Probes that close it.
const PROBES: u32 = 2;
/// How long a busy target asks for, in seconds.
const ASKED: u64 = 40;
/// Keys by which deliveries are kept in order.
const KEYS: u8 = 5;
/// More than may wait, nothing is accepted: all of it has room in the lane.
const WAITING: usize = 3_000;

/// How a target answers for a while.
fn mood(rng: &mut StdRng) -> Reply {
    match rng.random_range(0..8) {
        0..=2 => Reply::status(200).after(millis(rng.random_range(1..50))),
        3 => Reply::status(200).after(millis(rng.random_range(500..4_000))),
        4 => Reply::status(503).after(millis(rng.random_range(1..100))),
        5 => Reply::failed(FailureKind::WholeTimeout, "it hangs").after(secs(10)),
        6 => Reply::retry_after(429, &ASKED.to_string()).after(millis(1)),
        _ => Reply::broken().after(millis(1)),
    }
}

/// The routes that share the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// Floods it.
    Many,
    /// Has a delivery now and then.
    Few,
    /// Its deliveries are kept in order by key.
    Ordered,
}

impl Route {
    const ALL: [Self; 3] = [Self::Many, Self::Few, Self::Ordered];

    fn plan(self) -> Arc<Plan> {
        let mut step = build::step("inventory");
        step.order = (self == Self::Ordered).then(|| StepOrder {
            by: ".key".to_owned(),
            when_dead: WhenDead::Skip,
        });
        let route = match self {
            Self::Many => "many",
            Self::Few => "few",
            Self::Ordered => "ordered",
        };
        Arc::new(Plan {
            route: route.parse().expect("a name"),
            ..Plan::clone(&build::plan([step]))
        })
    }
}

async fn start(world: &World) -> Running {
    let mut params = world
        .bench
        .params_after_restart(&world.watched.target)
        .await;
    let plans = world.plans.iter().map(|plan| CompiledPlan::compile(plan));
    params.plans = Plans::new(plans.map(|plan| Arc::new(plan.expect("it compiles"))));
    params.target = Addresses::One(Arc::new(world.watched.clone()));
    params.concurrency = fixed(CONCURRENCY);
    params.rate = Some(rate(RATE.0, RATE.1));
    params.breaker = breaker::Params {
        consecutive: NonZeroU32::new(CONSECUTIVE).expect("it isn't 0"),
        // Only failures in a row open it.
        minimum: u32::MAX,
        open_for: OPEN_FOR,
        probes: NonZeroU32::new(PROBES).expect("it isn't 0"),
        ..breaker::Params::default()
    };
    Running::start(params)
}

/// A target whose attempts are written down as they begin and end.
#[derive(Clone)]
struct Watched {
    target: ScriptedTarget,
    log: Arc<Mutex<Vec<Entry>>>,
}

/// What has happened at one time.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Instant,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The message with this number was accepted.
    Accepted(u64),
    /// An attempt for it began; whether it says that it is the first.
    Began {
        attempt: usize,
        number: u64,
        is_first: bool,
    },
    /// It ended.
    Ended {
        attempt: usize,
        number: u64,
        came: Came,
    },
    /// The process died, and began anew.
    Restarted,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Well,
    Ill,
    Busy,
}

impl Watched {
    fn note(&self, what: impl FnOnce(usize) -> What) -> usize {
        let mut log = self.log.lock().expect("no panic");
        let place = log.len();
        log.push(Entry {
            at: Instant::now(),
            what: what(place),
        });
        place
    }
}

impl Target for Watched {
    fn attempt(&self, request: AttemptRequest) -> BoxFuture<'static, Answer> {
        let body = std::str::from_utf8(&request.body).expect("a number");
        let number = body.parse().expect("a number");
        let is_first = request.headers.get_str("fanway-attempt") == Some("1");
        let attempt = self.note(|attempt| What::Began {
            attempt,
            number,
            is_first,
        });
        let answer = self.target.attempt(request);
        let watched = self.clone();
        Box::pin(async move {
            let answer = answer.await;
            let came = match &answer.exchange {
                Exchange::Answered { status: 200, .. } => Came::Well,
                Exchange::Answered { status: 429, .. } => Came::Busy,
                Exchange::Answered { .. } | Exchange::Failed { .. } => Came::Ill,
            };
            watched.note(|_| What::Ended {
                attempt,
                number,
                came,
            });
            answer
        })
    }
}

/// A store, a target, and what was sent.
struct World {
    bench: Bench,
    watched: Watched,
    plans: [Arc<Plan>; 3],
    /// What was accepted, by its number.
    sent: Vec<(Route, u8, Arc<Message>)>,
}

impl World {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let plans = Route::ALL.map(Route::plan);
        for plan in &plans {
            let kept = bench.store.keep_plan(Arc::clone(plan)).await;
            kept.expect("it's open");
        }
        let target = ScriptedTarget::always(Reply::status(200).after(millis(1)));
        let log = Arc::default();
        Self {
            bench,
            watched: Watched { target, log },
            plans,
            sent: Vec::new(),
        }
    }

    async fn accept(&mut self, route: Route, count: u64, rng: &mut StdRng) {
        for _ in 0..count {
            let key: u8 = rng.random_range(0..KEYS);
            let mut terms = Terms::default();
            if route == Route::Ordered {
                terms.order = [(0, OrderKey::of(&key.to_string()))].into();
            }
            let number = self.sent.len() as u64;
            let plan = &self.plans[route as usize];
            let message = build::message_with_terms(plan, number, terms);
            self.sent.push((route, key, Arc::clone(&message)));
            // Noted first: it may be attempted before this comes back.
            self.watched.note(|_| What::Accepted(number));
            let accepted = self.bench.store.accept(vec![message]).await;
            accepted.expect("it's open");
        }
    }

    /// How many have not ended.
    fn waiting(&self) -> usize {
        let outcomes = self.bench.store.outcomes();
        let ended = outcomes
            .iter()
            .filter(|outcome| matches!(outcome.verdict, Verdict::Ended(_)));
        self.sent.len() - ended.count()
    }

    /// The route of a message.
    fn route(&self, number: u64) -> Route {
        self.message(number).0
    }

    /// The order key of a message, where it is kept in order.
    fn key(&self, number: u64) -> Option<u8> {
        let (route, key, _) = self.message(number);
        (*route == Route::Ordered).then_some(*key)
    }

    fn message(&self, number: u64) -> &(Route, u8, Arc<Message>) {
        let place = usize::try_from(number).expect("it was counted");
        &self.sent[place]
    }
}

/// Makes trouble, then lets everything end. Returns what has happened, in its order.
async fn simulate(seed: u64) -> (World, Vec<Entry>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new().await;
    let target = world.watched.target.clone();
    let begun = Instant::now();
    let mut lane = start(&world).await;
    while begun.elapsed() < TROUBLE {
        match rng.random_range(0..20) {
            0 => {
                lane.kill().await;
                world.watched.note(|_| What::Restarted);
                lane = start(&world).await;
            }
            1..=8 if world.waiting() < WAITING => {
                for (route, most) in Route::ALL.into_iter().zip([60, 3, 6]) {
                    let count = rng.random_range(0..=most);
                    world.accept(route, count, &mut rng).await;
                }
            }
            _ => target.reply_from_now_on(mood(&mut rng)),
        }
        pass(millis(rng.random_range(0..120_000))).await;
    }
    target.reply_from_now_on(Reply::status(200).after(millis(5)));
    let messages: Vec<_> = world
        .sent
        .iter()
        .map(|(.., message)| Arc::clone(message))
        .collect();
    world.bench.all_ended(&messages).await;
    lane.kill().await;
    assert!(target.peak() <= CONCURRENCY, "{} at a time", target.peak());
    let log = world.watched.log.lock().expect("no panic").clone();
    (world, log)
}

#[tokio::test(start_paused = true)]
async fn through_hours_of_trouble_no_limit_is_passed_and_everything_ends() {
    for seed in 0..12 {
        let (world, log) = simulate(seed).await;
        check_breaker(&log, seed);
        check_rate(&log, seed);
        check_ends(&world, seed);
        check_order(&world, &log, seed);
        check_turns(&world, &log, seed);
    }
}
