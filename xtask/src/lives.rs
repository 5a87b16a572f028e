//! Lives: the times between two kills, and what each kill has repeated.
//!
//! An attempt that comes a second time with the same key and number was repeated by the kill that
//! ended the life in which it came before. A retry has a number of its own, and is none.
//!
//! A kill may repeat what was in flight, and what had been answered but wasn't durable yet: the
//! outcomes of the last two ticks, or, whatever the machine's pace, those since the begin of the
//! last request that was accepted, since all that came before is durable with it. The clock is the
//! sharper measure, and holds only while the disk writes as quickly as it should.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use clap::ValueEnum;

/// Two ticks of the journal.
const TICKS: Duration = Duration::from_millis(10);
/// What is added to them: an outcome is known to the gateway later than to the sink, the batch
/// that holds it has to be written and synced, and all have two cores between them.
const SLACK: Duration = Duration::from_millis(5);

/// What the number of repeated attempts is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bound {
    /// Outcomes of the last two ticks before the kill
    Clock,
    /// Outcomes since the begin of the last request that got a 202: whatever the machine's pace,
    /// those before are durable with it
    Order,
}

/// All lives so far, and the one that goes on.
#[derive(Debug)]
pub(crate) struct Lives {
    life: usize,
    lanes: Vec<Lane>,
    /// How much had come to each lane when the last request began that was accepted in this life.
    witness: Option<Vec<u64>>,
    /// Requests that were accepted in this life.
    accepted: u64,
    kills: Vec<Kill>,
}

/// What has come through a lane.
#[derive(Debug)]
struct Lane {
    /// Attempts that may be in flight.
    concurrency: u64,
    /// The life in which each attempt came last, by key and number.
    last: HashMap<(String, u32), usize>,
    /// Attempts in all lives.
    attempts: u64,
    /// Attempts in this life.
    arrived: u64,
    /// When answers were given in this life.
    answered: Vec<Instant>,
}

/// How an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    First,
    /// A kill has repeated it.
    Again,
    /// A second time, and there was no kill in between.
    Unexplained,
}

/// When a request began: the life, and what had come to each lane.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    life: usize,
    arrived: Vec<u64>,
}

/// A kill, what it may have repeated, and what it has.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    moment: &'static str,
    accepted: u64,
    arrived: u64,
    by_clock: u64,
    by_order: u64,
    repeats: u64,
}

impl Kill {
    /// How many attempts it may repeat.
    fn limit(&self, bound: Bound) -> u64 {
        match bound {
            Bound::Clock => self.by_clock,
            Bound::Order => self.by_order,
        }
    }
}

impl Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            arrived,
            by_clock,
            by_order,
            ..
        } = self;
        write!(
            f,
            "{accepted} accepted, {arrived} attempts, may repeat {by_clock} by the clock, {by_order} by order"
        )
    }
}

impl Lives {
    /// The first life, with lanes in which so many attempts may be in flight.
    pub(crate) fn new(concurrency: &[u64]) -> Self {
        let lane = |concurrency: &u64| Lane {
            concurrency: *concurrency,
            last: HashMap::new(),
            attempts: 0,
            arrived: 0,
            answered: Vec::new(),
        };
        Self {
            life: 0,
            lanes: concurrency.iter().map(lane).collect(),
            witness: None,
            accepted: 0,
            kills: Vec::new(),
        }
    }

    /// The life that goes on, counted from 0.
    pub(crate) fn now(&self) -> usize {
        self.life
    }

    /// A request begins.
    pub(crate) fn begin(&self) -> Begin {
        Begin {
            life: self.life,
            arrived: self.lanes.iter().map(|lane| lane.arrived).collect(),
        }
    }

    /// A request was accepted that began then.
    pub(crate) fn accepted(&mut self, begin: &Begin) {
        if begin.life != self.life {
            return;
        }
        self.accepted += 1;
        let before = self.witness.take();
        let before = before.unwrap_or_else(|| vec![0; self.lanes.len()]);
        let latest = before.iter().zip(&begin.arrived);
        self.witness = Some(latest.map(|(one, other)| *one.max(other)).collect());
    }

    /// An attempt has come to a sink.
    pub(crate) fn arrived(&mut self, lane: usize, key: &str, attempt: u32) -> Came {
        let lane = &mut self.lanes[lane];
        lane.attempts += 1;
        lane.arrived += 1;
        let Some(before) = lane.last.insert((key.to_owned(), attempt), self.life) else {
            return Came::First;
        };
        match self.kills.get_mut(before) {
            Some(kill) => {
                kill.repeats += 1;
                Came::Again
            }
            None => Came::Unexplained,
        }
    }

    /// A sink answers an attempt.
    pub(crate) fn answering(&mut self, lane: usize) {
        self.lanes[lane].answered.push(Instant::now());
    }

    /// The gateway was killed, and all that it had sent has arrived: a life ends.
    pub(crate) fn killed(&mut self, at: Instant, moment: &'static str) -> Kill {
        let since = at.checked_sub(TICKS + SLACK).unwrap_or(at);
        let witness = self.witness.take();
        let witness = witness.unwrap_or_else(|| vec![0; self.lanes.len()]);
        let mut kill = Kill {
            moment,
            accepted: std::mem::take(&mut self.accepted),
            arrived: 0,
            by_clock: 0,
            by_order: 0,
            repeats: 0,
        };
        for (lane, witnessed) in self.lanes.iter_mut().zip(witness) {
            let recent = lane.answered.iter().filter(|answer| **answer >= since);
            kill.by_clock += lane.concurrency + recent.count() as u64;
            kill.by_order += lane.concurrency + lane.arrived - witnessed;
            kill.arrived += lane.arrived;
            lane.arrived = 0;
            lane.answered.clear();
        }
        self.life += 1;
        self.kills.push(kill.clone());
        kill
    }

    /// Attempts in all lives.
    pub(crate) fn attempts(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.attempts).sum()
    }

    /// Attempts that have come to one lane.
    pub(crate) fn attempts_of(&self, lane: usize) -> u64 {
        self.lanes[lane].attempts
    }

    /// The kills that have repeated more than they may, in words.
    pub(crate) fn beyond(&self, bound: Bound) -> Vec<String> {
        let kills = self.kills.iter().enumerate();
        let beyond = kills.filter(|(_, kill)| kill.repeats > kill.limit(bound));
        let words = |(index, kill): (usize, &Kill)| {
            let Kill {
                moment, repeats, ..
            } = kill;
            let (
                number,
                Kill {
                    by_clock, by_order, ..
                },
            ) = (index + 1, kill);
            format!(
                "kill {number} ({moment}) repeated {repeats} attempts, \
                 {by_clock} at most by the clock, {by_order} by order"
            )
        };
        beyond.map(words).collect()
    }

    /// What the kills have repeated, in words.
    pub(crate) fn summary(&self, bound: Bound) -> String {
        let of = |figure: fn(&Kill, Bound) -> u64| {
            spread(self.kills.iter().map(|kill| figure(kill, bound)))
        };
        let all: u64 = self.kills.iter().map(|kill| kill.repeats).sum();
        let repeats = of(|kill, _| kill.repeats);
        let limits = of(Kill::limit);
        let share = of(|kill, bound| (kill.repeats * 100).div_ceil(kill.limit(bound)));
        let beyond_clock = self.beyond(Bound::Clock).len();
        let slack = SLACK.as_millis();
        format!(
            "repeated attempts: {all}; for each kill {repeats}; allowed {limits}; used of it in percent {share}
kills beyond two ticks and {slack} ms: {beyond_clock}"
        )
    }
}

/// Median and greatest of some numbers.
fn spread(numbers: impl Iterator<Item = u64>) -> String {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let median = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
    let most = numbers.last().copied().unwrap_or_default();
    format!("{median} (median), {most} (most)")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Bound, Came, Lives};

    /// One lane with one attempt in flight at most.
    fn lives() -> Lives {
        Lives::new(&[1])
    }

    fn deliver(lives: &mut Lives, attempt: u32) -> Came {
        let came = lives.arrived(0, "a", attempt);
        lives.answering(0);
        came
    }

    fn kill(lives: &mut Lives) {
        lives.killed(Instant::now(), "running");
    }

    #[test]
    fn an_attempt_that_comes_again_after_a_kill_is_counted_for_it() {
        let mut lives = lives();
        assert_eq!(deliver(&mut lives, 1), Came::First);
        kill(&mut lives);
        kill(&mut lives);
        assert_eq!(deliver(&mut lives, 1), Came::Again);
        let repeats: Vec<u64> = lives.kills.iter().map(|kill| kill.repeats).collect();
        assert_eq!(repeats, [1, 0]);
        // It came in this life, which nobody has ended.
        assert_eq!(deliver(&mut lives, 1), Came::Unexplained);
    }

    #[test]
    fn another_number_or_key_is_another_attempt() {
        let mut lives = lives();
        assert_eq!(deliver(&mut lives, 1), Came::First);
        assert_eq!(deliver(&mut lives, 2), Came::First);
        assert_eq!(lives.arrived(0, "b", 1), Came::First);
        assert_eq!(lives.attempts(), 3);
    }

    #[test]
    fn a_kill_may_repeat_what_came_since_the_last_accepted_request_began() {
        let mut lives = lives();
        deliver(&mut lives, 1);
        let begin = lives.begin();
        deliver(&mut lives, 2);
        lives.accepted(&begin);
        deliver(&mut lives, 3);
        let kill = lives.killed(Instant::now(), "running");
        assert_eq!(kill.limit(Bound::Order), 1 + 2);
        assert_eq!(kill.limit(Bound::Clock), 1 + 3);
    }

    #[test]
    fn what_is_accepted_in_another_life_witnesses_nothing() {
        let mut lives = lives();
        deliver(&mut lives, 1);
        let begin = lives.begin();
        kill(&mut lives);
        lives.accepted(&begin);
        deliver(&mut lives, 2);
        let kill = lives.killed(Instant::now(), "running");
        assert_eq!((kill.accepted, kill.limit(Bound::Order)), (0, 2));
    }

    #[test]
    fn a_kill_that_repeats_more_than_it_may_is_named() {
        let mut lives = lives();
        for key in ["a", "b"] {
            lives.arrived(0, key, 1);
            lives.answering(0);
        }
        let begin = lives.begin();
        lives.accepted(&begin);
        kill(&mut lives);
        for key in ["a", "b"] {
            assert!(lives.beyond(Bound::Order).is_empty());
            lives.arrived(0, key, 1);
        }
        let expected = ["kill 1 (running) repeated 2 attempts, 3 at most by the clock, 1 by order"];
        assert_eq!(lives.beyond(Bound::Order), expected);
    }
}
