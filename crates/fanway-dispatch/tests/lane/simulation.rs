//! Hours of trouble in virtual time, by seeds: a target that is well, slow, failing, hanging, busy or gone, and changes
//! its mind; and a process that dies now and then. What was sent is then held against what must never be.
//!
//! What must never be is reckoned from what the target has seen and the store has kept, and not by the policy's own code.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanway_dispatch::Addresses;
use fanway_policy::breaker;
use fanway_target::{Answer, AttemptRequest, Exchange, FailureKind, Target};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::Verdict;
use futures_util::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

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

async fn start(bench: &Bench, target: &Watched) -> Running {
    let mut params = bench.params_after_restart(&target.target).await;
    params.target = Addresses::One(Arc::new(target.clone()));
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
    /// An attempt began: its number.
    Began(usize),
    /// It ended.
    Ended(usize, Came),
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
    fn note(&self, what: impl FnOnce(usize) -> What) {
        let mut log = self.log.lock().expect("no panic");
        let what = what(log.len());
        let at = Instant::now();
        log.push(Entry { at, what });
    }
}

impl Target for Watched {
    fn attempt(&self, request: AttemptRequest) -> BoxFuture<'static, Answer> {
        let mut number = 0;
        self.note(|next| {
            number = next;
            What::Began(next)
        });
        let attempt = self.target.attempt(request);
        let watched = self.clone();
        Box::pin(async move {
            let answer = attempt.await;
            let came = match &answer.exchange {
                Exchange::Answered { status: 200, .. } => Came::Well,
                Exchange::Answered { status: 429, .. } => Came::Busy,
                Exchange::Answered { .. } | Exchange::Failed { .. } => Came::Ill,
            };
            watched.note(|_| What::Ended(number, came));
            answer
        })
    }
}

/// Makes trouble, then lets everything end. Returns what has happened, in its order.
async fn simulate(seed: u64) -> (Bench, Vec<Entry>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200).after(millis(1)));
    let watched = Watched {
        target: target.clone(),
        log: Arc::default(),
    };
    let begun = Instant::now();
    let mut lane = start(&bench, &watched).await;
    let mut messages = Vec::new();
    while begun.elapsed() < TROUBLE {
        match rng.random_range(0..20) {
            0 => {
                lane.kill().await;
                watched.note(|_| What::Restarted);
                lane = start(&bench, &watched).await;
            }
            1..=8 => messages.extend(bench.accept(rng.random_range(1..60)).await),
            _ => target.reply_from_now_on(mood(&mut rng)),
        }
        pass(millis(rng.random_range(0..120_000))).await;
    }
    target.reply_from_now_on(Reply::status(200).after(millis(5)));
    bench.all_ended(&messages).await;
    lane.kill().await;
    assert!(target.peak() <= CONCURRENCY, "{} at a time", target.peak());
    let log = watched.log.lock().expect("no panic").clone();
    (bench, log)
}

/// The breaker as its documents have it, where only failures in a row open it.
struct Oracle {
    /// Failures in a row, while it is closed.
    in_a_row: u32,
    /// Until when it is open; `None` while it is closed.
    until: Option<Instant>,
    /// Probes that have succeeded since.
    succeeded: u32,
    /// The attempt that probes, while one does.
    probing: Option<usize>,
    /// What began before this says nothing of the target since.
    era: usize,
    /// Until when the target has asked to be left alone.
    asked: Option<Instant>,
    openings: u32,
}

impl Oracle {
    /// Whether an attempt may begin.
    fn begin(&mut self, at: Instant, number: usize) -> Result<(), &'static str> {
        if self.asked.is_some_and(|until| at < until) {
            return Err("the target had asked to be left alone");
        }
        if let Some(until) = self.until {
            if at < until {
                return Err("the breaker was open");
            }
            if self.probing.replace(number).is_some() {
                return Err("it was probed already");
            }
        }
        Ok(())
    }

    /// An attempt has ended; `nth` is that in the log.
    fn end(&mut self, at: Instant, nth: usize, number: usize, came: Came) {
        let was_probe = self.probing == Some(number);
        if was_probe {
            self.probing = None;
        }
        match came {
            Came::Busy => {
                let until = at + Duration::from_secs(ASKED);
                self.asked = self.asked.max(Some(until));
            }
            _ if number < self.era => {}
            Came::Ill if self.until.is_some() => self.open(at, nth),
            Came::Ill => {
                self.in_a_row += 1;
                if self.in_a_row == CONSECUTIVE {
                    self.open(at, nth);
                }
            }
            Came::Well if self.until.is_some() => {
                self.succeeded += 1;
                if self.succeeded == PROBES {
                    (self.until, self.in_a_row, self.era) = (None, 0, nth);
                }
            }
            Came::Well => self.in_a_row = 0,
        }
    }

    fn open(&mut self, at: Instant, nth: usize) {
        (self.until, self.succeeded, self.era) = (Some(at + OPEN_FOR), 0, nth);
        self.openings += 1;
    }
}

/// Holds what has happened against the breaker and what the target has asked for.
#[track_caller]
fn check_breaker(log: &[Entry], seed: u64) {
    let mut oracle = Oracle {
        in_a_row: 0,
        until: None,
        succeeded: 0,
        probing: None,
        era: 0,
        asked: None,
        openings: 0,
    };
    for (nth, Entry { at, what }) in log.iter().enumerate() {
        match *what {
            What::Began(number) => {
                let begun = oracle.begin(*at, number);
                assert_eq!(begun, Ok(()), "seed {seed}, at {nth}");
            }
            What::Ended(number, came) => oracle.end(*at, nth, number, came),
            What::Restarted => {
                // What was in flight is broken off, and failures in a row aren't kept.
                oracle.probing = None;
                oracle.succeeded = 0;
                oracle.in_a_row = 0;
            }
        }
    }
    assert!(oracle.openings > 3, "seed {seed}: no trouble");
}

/// However the starts lie, there are never more of them than the burst and what the rate allows for the time between.
/// A process that begins anew knows of none before.
#[track_caller]
fn check_rate(log: &[Entry], seed: u64) {
    let (limit, burst) = (f64::from(RATE.0), f64::from(RATE.1));
    let mut tokens = burst;
    let mut last = log[0].at;
    for Entry { at, what } in log {
        match what {
            What::Began(_) => {
                tokens = ((*at - last).as_secs_f64().mul_add(limit, tokens)).min(burst) - 1.0;
                last = *at;
                assert!(tokens > -0.001, "seed {seed}: {tokens}");
            }
            What::Ended(..) => {}
            What::Restarted => tokens = burst,
        }
    }
}

/// Each delivery ends once.
#[track_caller]
fn check_ends(bench: &Bench, seed: u64) {
    let mut ends = HashMap::new();
    for outcome in bench.store.outcomes() {
        if matches!(outcome.verdict, Verdict::Ended(_)) {
            *ends.entry(outcome.delivery).or_insert(0) += 1;
        }
    }
    let twice = ends.iter().find(|(_, count)| **count > 1);
    assert_eq!(twice, None, "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn through_hours_of_trouble_no_limit_is_passed_and_everything_ends() {
    for seed in 0..12 {
        let (bench, log) = simulate(seed).await;
        check_breaker(&log, seed);
        check_rate(&log, seed);
        check_ends(&bench, seed);
    }
}
