//! What must never be, held against what has happened.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fanway_types::{End, Verdict};
use tokio::time::Instant;

use super::{ASKED, CONSECUTIVE, Came, Entry, OPEN_FOR, PROBES, RATE, Route, What, World};

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
pub(super) fn check_breaker(log: &[Entry], seed: u64) {
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
            What::Began { attempt, .. } => {
                let begun = oracle.begin(*at, attempt);
                assert_eq!(begun, Ok(()), "seed {seed}, at {nth}");
            }
            What::Ended { attempt, came, .. } => oracle.end(*at, nth, attempt, came),
            What::Accepted(_) => {}
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
pub(super) fn check_rate(log: &[Entry], seed: u64) {
    let (limit, burst) = (f64::from(RATE.0), f64::from(RATE.1));
    let mut tokens = burst;
    let mut last = log[0].at;
    for Entry { at, what } in log {
        match what {
            What::Began { .. } => {
                tokens = ((*at - last).as_secs_f64().mul_add(limit, tokens)).min(burst) - 1.0;
                last = *at;
                assert!(tokens > -0.001, "seed {seed}: {tokens}");
            }
            What::Accepted(_) | What::Ended { .. } => {}
            What::Restarted => tokens = burst,
        }
    }
}

/// Each delivery ends once, and well.
#[track_caller]
pub(super) fn check_ends(world: &World, seed: u64) {
    let mut ended = HashSet::new();
    for outcome in world.bench.store.outcomes() {
        let delivery = outcome.delivery;
        match outcome.verdict {
            Verdict::Again { .. } => {}
            Verdict::Ended(End::Delivered) => {
                assert!(
                    ended.insert(delivery),
                    "seed {seed}: {delivery} ended twice"
                );
            }
            Verdict::Ended(end) => panic!("seed {seed}: {delivery} ended as {end:?}"),
        }
    }
    assert_eq!(ended.len(), world.sent.len(), "seed {seed}");
}

/// What is known of one order key.
#[derive(Default)]
struct Line {
    /// All that was accepted with it, in that order.
    accepted: Vec<u64>,
    /// How many of these have been delivered.
    delivered: usize,
    /// The one that is under way.
    under_way: Option<u64>,
    /// Whether a process has died since one was delivered: then it may not have got to know.
    may_repeat: bool,
}

impl Line {
    fn begin(&mut self, number: u64) -> Result<(), String> {
        if let Some(other) = self.under_way.replace(number) {
            return Err(format!("{other} was under way"));
        }
        let next = self.accepted.get(self.delivered);
        let last = self
            .delivered
            .checked_sub(1)
            .map(|last| &self.accepted[last]);
        if next == Some(&number) {
            // Whoever goes on has got to know of all before.
            self.may_repeat = false;
            return Ok(());
        }
        if self.may_repeat && last == Some(&number) {
            return Ok(());
        }
        Err(format!("the next was {next:?}"))
    }

    fn end(&mut self, number: u64, came: Came) {
        self.under_way = None;
        if came == Came::Well && self.accepted.get(self.delivered) == Some(&number) {
            self.delivered += 1;
        }
    }
}

/// Of each order key one is under way at a time, and each comes when all before have been delivered.
#[track_caller]
pub(super) fn check_order(world: &World, log: &[Entry], seed: u64) {
    let mut lines: HashMap<u8, Line> = HashMap::new();
    let key = |number: u64| world.key(number);
    for (nth, Entry { what, .. }) in log.iter().enumerate() {
        match *what {
            What::Accepted(number) => {
                if let Some(key) = key(number) {
                    lines.entry(key).or_default().accepted.push(number);
                }
            }
            What::Began { number, .. } => {
                if let Some(key) = key(number) {
                    let begun = lines.entry(key).or_default().begin(number);
                    assert_eq!(begun, Ok(()), "seed {seed}, at {nth}: {number} of {key}");
                }
            }
            What::Ended { number, came, .. } => {
                if let Some(key) = key(number) {
                    lines.entry(key).or_default().end(number, came);
                }
            }
            What::Restarted => {
                for line in lines.values_mut() {
                    line.under_way = None;
                    line.may_repeat = true;
                }
            }
        }
    }
    assert!(lines.values().all(|line| line.delivered > 1), "seed {seed}");
}

/// From when a delivery of the route that has few is accepted until its first try starts, no more first tries of the
/// route that floods the target start than of its own; and one for each new process.
#[track_caller]
pub(super) fn check_turns(world: &World, log: &[Entry], seed: u64) {
    let mut accepted = HashMap::new();
    let (mut few, mut many, mut restarts) = (0, 0, 0);
    let mut checked = 0;
    for (nth, Entry { what, .. }) in log.iter().enumerate() {
        match *what {
            What::Accepted(number) if world.route(number) == Route::Few => {
                accepted.insert(number, (few, many, restarts));
            }
            What::Began {
                number,
                is_first: true,
                ..
            } => match world.route(number) {
                Route::Few => {
                    few += 1;
                    let Some((own, other, lives)) = accepted.remove(&number) else {
                        continue;
                    };
                    let (own, other, lives) = (few - own, many - other, restarts - lives);
                    assert!(
                        other <= own + lives,
                        "seed {seed}, at {nth}: {other} others before the {own}th"
                    );
                    checked += 1;
                }
                Route::Many => many += 1,
                Route::Ordered => {}
            },
            What::Restarted => restarts += 1,
            What::Accepted(_) | What::Began { .. } | What::Ended { .. } => {}
        }
    }
    assert!(checked > 50, "seed {seed}: {checked}");
}
