//! How a paced target is attempted: against a scripted one that counts.

use std::time::{Duration, Instant};

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Opening, Pace};
use crate::quota::Quota;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn quota(remaining: u64, reset: Duration) -> Option<Quota> {
    Some(Quota { remaining, reset })
}

/// A pace whose target has said this at `now`.
fn told(remaining: u64, reset: Duration, now: Instant) -> Pace {
    let mut pace = Pace::default();
    pace.begin(now);
    pace.end(quota(remaining, reset), HOUR, now);
    pace
}

/// When attempts begin, as early as they may, from `now` on until `end`, where each is answered at
/// once by a target that counts within one window.
fn attempts(mut remaining: u64, reset: Duration, now: Instant) -> Vec<Duration> {
    let mut pace = told(remaining, reset, now);
    let end = now + reset;
    let mut at = now;
    let mut began = Vec::new();
    loop {
        match pace.opening(at) {
            Opening::At(later) => at = later,
            Opening::Now if at >= end => return began,
            Opening::Now => {
                pace.begin(at);
                began.push(at - now);
                remaining = remaining.checked_sub(1).expect("it has run dry");
                pace.end(quota(remaining, end - at), HOUR, at);
            }
            Opening::AfterAnswer => panic!("nothing is under way"),
        }
    }
}

#[test]
fn a_target_that_says_nothing_is_not_held() {
    let now = Instant::now();
    let mut pace = Pace::default();
    for _ in 0..1000 {
        assert_eq!(pace.opening(now), Opening::Now);
        pace.begin(now);
    }
    pace.end(None, HOUR, now);
    assert_eq!(pace.opening(now), Opening::Now);
}

#[test]
fn where_nothing_remains_it_is_held_until_the_time_is_over_and_then_asked_once() {
    let now = Instant::now();
    let mut pace = told(0, 30 * SECOND, now);
    let over = now + 30 * SECOND;
    assert_eq!(pace.opening(now), Opening::At(over));
    assert_eq!(pace.opening(over - SECOND / 2), Opening::At(over));
    assert_eq!(pace.opening(over), Opening::Now);
    pace.begin(over);
    assert_eq!(pace.opening(over), Opening::AfterAnswer);
    pace.end(quota(100, 60 * SECOND), HOUR, over);
    assert_eq!(pace.opening(over), Opening::Now);
}

#[test]
fn a_target_that_tells_no_more_when_its_time_is_over_is_free() {
    let now = Instant::now();
    let mut pace = told(0, SECOND, now);
    pace.begin(now + SECOND);
    pace.end(None, HOUR, now + SECOND);
    assert_eq!(pace.opening(now + SECOND), Opening::Now);
    pace.begin(now + SECOND);
    assert_eq!(pace.opening(now + SECOND), Opening::Now);
}

#[test]
fn the_one_that_asks_and_is_not_made_leaves_it_to_another() {
    let now = Instant::now();
    let mut pace = told(0, SECOND, now);
    pace.begin(now + SECOND);
    pace.unmade();
    assert_eq!(pace.opening(now + SECOND), Opening::Now);
}

#[test]
fn what_little_remains_is_spread_evenly() {
    let began = attempts(5, 60 * SECOND, Instant::now());
    assert_eq!(began.len(), 5);
    for pair in began.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(gap >= 12 * SECOND && gap <= 16 * SECOND, "{began:?}");
    }
}

#[test]
fn a_tenth_of_what_remains_may_go_out_at_once_and_the_rest_lasts() {
    let began = attempts(1000, 100 * SECOND, Instant::now());
    let at_once = began.iter().filter(|at| at.is_zero()).count();
    assert!((50..=100).contains(&at_once), "{at_once}");
    assert!((900..=1000).contains(&began.len()), "{}", began.len());
    let half = began.iter().filter(|at| **at < 50 * SECOND).count();
    assert!((450..=600).contains(&half), "{half}");
    let last = began.last().expect("many");
    assert!(*last > 95 * SECOND, "{last:?}");
}

#[test]
fn what_is_in_flight_counts_as_taken() {
    let now = Instant::now();
    let mut pace = Pace::default();
    (0..64).for_each(|_| pace.begin(now));
    pace.end(quota(63, 60 * SECOND), HOUR, now);
    assert_eq!(pace.opening(now), Opening::At(now + 60 * SECOND));
    // The target had counted them all.
    (0..63).for_each(|_| pace.end(quota(63, 60 * SECOND), HOUR, now));
    assert_eq!(pace.opening(now), Opening::Now);
}

#[test]
fn answers_that_overtake_each_other_give_nothing_back() {
    let now = Instant::now();
    let mut pace = Pace::default();
    (0..3).for_each(|_| pace.begin(now));
    for remaining in [0, 2, 1] {
        pace.end(quota(remaining, 60 * SECOND), HOUR, now);
    }
    assert_eq!(pace.opening(now), Opening::At(now + 60 * SECOND));
}

#[test]
fn an_attempt_without_a_word_is_taken_for_one_that_counts() {
    let now = Instant::now();
    let mut pace = told(2, 60 * SECOND, now);
    for at in [now, now + 30 * SECOND] {
        assert_eq!(pace.opening(at), Opening::Now);
        pace.begin(at);
        pace.end(None, HOUR, at);
    }
    let half = now + 30 * SECOND;
    assert_eq!(pace.opening(half), Opening::At(now + 60 * SECOND));
}

#[test]
fn a_time_that_begins_anew_is_believed() {
    let now = Instant::now();
    let mut pace = told(0, 3 * SECOND, now);
    pace.begin(now + SECOND);
    pace.end(quota(50, 60 * SECOND), HOUR, now + SECOND);
    assert_eq!(pace.opening(now + SECOND), Opening::Now);
}

#[test]
fn no_hold_is_longer_than_the_longest() {
    let now = Instant::now();
    let pace = told(0, Duration::MAX, now);
    assert_eq!(pace.opening(now), Opening::At(now + HOUR));
    let mut ignored = Pace::default();
    ignored.begin(now);
    ignored.end(quota(0, HOUR), Duration::ZERO, now);
    assert_eq!(ignored.opening(now), Opening::Now);
}

proptest! {
    /// Whatever a target says: what holds is a time, and it is over.
    #[test]
    fn nothing_said_holds_for_ever(said in any::<Vec<(u64, Duration, u8)>>(), longest in any::<Duration>()) {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        for (remaining, reset, wait) in said {
            if pace.opening(now) == Opening::Now {
                pace.begin(now);
            }
            now += u32::from(wait) * SECOND;
            pace.end(quota(remaining, reset), longest, now);
            if let Opening::At(at) = pace.opening(now) {
                prop_assert!(at > now && at - now <= longest.min(super::YEAR));
                prop_assert_eq!(pace.opening(now + longest.min(super::YEAR)), Opening::Now);
            }
        }
    }
}
