//! The limit against simulated targets, in virtual time: each answers so many attempts at once, and
//! lets the others wait.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Auto, Params};

const MS: Duration = Duration::from_millis(1);

/// A target, and a lane that always has more for it than may be in flight.
struct Sim {
    auto: Auto,
    rng: StdRng,
    now: Instant,
    /// When each of the target's workers is free.
    workers: BinaryHeap<Reverse<Instant>>,
    /// When attempts in flight are answered, and when they began.
    flights: BinaryHeap<Reverse<(Instant, Instant)>>,
    /// How long a worker takes for one.
    service: Duration,
    /// By which share that varies, either way.
    jitter: f64,
    /// The share of answers that take ten times as long.
    stray: f64,
    /// The share of failures.
    failing: f64,
    lowest: usize,
    highest: usize,
}

impl Sim {
    fn new(params: Params, workers: usize) -> Self {
        let now = Instant::now();
        Self {
            auto: Auto::new(params),
            rng: StdRng::seed_from_u64(11),
            now,
            workers: vec![Reverse(now); workers].into(),
            flights: BinaryHeap::new(),
            service: 10 * MS,
            jitter: 0.1,
            stray: 0.0,
            failing: 0.0,
            lowest: usize::MAX,
            highest: 0,
        }
    }

    /// Forgets which limits were seen, and goes on for so many answers; returns the limit in the mean.
    fn run(&mut self, answers: usize) -> usize {
        (self.lowest, self.highest) = (usize::MAX, 0);
        let mut sum = 0;
        for _ in 0..answers {
            while self.flights.len() < self.auto.limit() {
                self.start();
            }
            self.land();
            let limit = self.auto.limit();
            self.lowest = self.lowest.min(limit);
            self.highest = self.highest.max(limit);
            sum += limit;
        }
        sum / answers
    }

    fn start(&mut self) {
        let Reverse(free) = self.workers.pop().expect("a worker");
        let mut takes = self
            .service
            .mul_f64(1.0 + self.jitter * self.rng.random_range(-1.0..1.0));
        if self.rng.random_bool(self.stray) {
            takes *= 10;
        }
        let done = free.max(self.now) + takes;
        self.workers.push(Reverse(done));
        self.flights.push(Reverse((done, self.now)));
    }

    fn land(&mut self) {
        let in_flight = self.flights.len();
        let Reverse((done, began)) = self.flights.pop().expect("one is in flight");
        self.now = done;
        if self.rng.random_bool(self.failing) {
            self.auto.failed();
        } else {
            self.auto.answered(done - began, in_flight, done);
        }
    }
}

const BOUNDS: Params = Params {
    least: 4,
    most: 256,
};

/// Where the limit settles for a target that answers `knee` at once.
#[track_caller]
fn check_settles(knee: usize) {
    let mut sim = Sim::new(BOUNDS, knee);
    sim.run(50_000);
    let mean = sim.run(50_000);
    assert!(
        (knee..=2 * knee + 8).contains(&mean),
        "{mean} for a knee at {knee}"
    );
}

#[test]
fn it_settles_near_the_knee() {
    for knee in [8, 16, 32, 64, 100] {
        check_settles(knee);
    }
}

#[test]
fn it_stays_there_for_good() {
    let mut sim = Sim::new(BOUNDS, 32);
    sim.run(2_000_000);
    assert!((20..=80).contains(&sim.run(100_000)));
}

#[test]
fn a_target_that_slows_down_is_eased_off() {
    let mut sim = Sim::new(BOUNDS, 64);
    let before = sim.run(50_000);
    // Seven of eight of its workers are gone: who goes on as before waits eight times as long.
    for _ in 0..56 {
        sim.workers.pop();
    }
    sim.run(3_000);
    let after = sim.run(20_000);
    assert!(after * 3 < before, "{after} after {before}");
    assert!((8..=30).contains(&after), "{after}");
}

#[test]
fn a_target_that_recovers_is_given_more_again() {
    let mut sim = Sim::new(BOUNDS, 8);
    let before = sim.run(20_000);
    let now = sim.now;
    sim.workers.extend(vec![Reverse(now); 56]);
    sim.run(30_000);
    let after = sim.run(30_000);
    assert!(after > 2 * before, "{after} after {before}");
}

#[test]
fn a_target_that_answers_more_slowly_whatever_is_asked_gets_back_what_it_bears() {
    let mut sim = Sim::new(BOUNDS, 64);
    let before = sim.run(50_000);
    sim.service = 30 * MS;
    sim.run(30_000);
    let after = sim.run(30_000);
    assert!(after * 10 > before * 8, "{after} after {before}");
}

#[test]
fn jitter_does_not_bring_it_down() {
    let mut steady = Sim::new(BOUNDS, 64);
    steady.run(50_000);
    let steady = steady.run(50_000);
    for (jitter, stray) in [(0.5, 0.0), (0.9, 0.0), (0.1, 0.02)] {
        let mut sim = Sim::new(BOUNDS, 64);
        (sim.jitter, sim.stray) = (jitter, stray);
        sim.run(50_000);
        let mean = sim.run(50_000);
        assert!(
            mean * 10 > steady * 6,
            "{mean} with {jitter} and {stray}, {steady} without"
        );
        assert!(sim.lowest > 20, "{}", sim.lowest);
    }
}

#[test]
fn it_never_leaves_its_bounds() {
    let tight = Params { least: 8, most: 24 };
    for (workers, failing) in [(1, 0.0), (1000, 0.0), (16, 0.9)] {
        let mut sim = Sim::new(tight, workers);
        sim.failing = failing;
        sim.run(30_000);
        assert!(
            sim.lowest >= 8 && sim.highest <= 24,
            "{} {}",
            sim.lowest,
            sim.highest
        );
    }
    let mut auto = Auto::new(Params {
        least: 64,
        most: 64,
    });
    assert_eq!(auto.limit(), 64);
    auto.change(Params { least: 1, most: 2 });
    assert_eq!(auto.limit(), 2);
}

#[test]
fn a_few_failures_say_nothing_and_many_lower_it() {
    let mut few = Sim::new(BOUNDS, 64);
    few.failing = 0.05;
    few.run(50_000);
    assert!(few.run(50_000) > 50);
    let mut many = Sim::new(BOUNDS, 64);
    many.failing = 0.5;
    many.run(50_000);
    assert!(many.run(50_000) < 10);
}

#[test]
fn what_is_not_used_does_not_grow() {
    let mut auto = Auto::new(BOUNDS);
    let mut now = Instant::now();
    for _ in 0..10_000 {
        now += 10 * MS;
        auto.answered(10 * MS, 2, now);
    }
    assert_eq!(auto.limit(), 20);
    assert_eq!(auto.unloaded(), Some(10 * MS));
}
