//! The limit on the rate, counted over every stretch of time.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::{prop_assert, proptest};

use super::{Params, Rate, Token};

const SECOND: Duration = Duration::from_secs(1);

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not 0")
}

fn params(limit: u32, burst: u32) -> Params {
    Params {
        burst: count(burst),
        ..Params::new(count(limit), SECOND)
    }
}

/// Attempts that start when asked for at each of these milliseconds.
#[track_caller]
fn check(params: Params, asked: &[u64], expected: &[u64]) {
    let start = Instant::now();
    let mut rate = Rate::new(params, start);
    let starts = |at: &&u64| rate.take(start + Duration::from_millis(**at)).is_some();
    let started: Vec<u64> = asked.iter().filter(starts).copied().collect();
    assert_eq!(started, expected);
}

fn drain(rate: &mut Rate, now: Instant) -> Vec<Token> {
    std::iter::from_fn(|| rate.take(now)).collect()
}

#[test]
fn a_burst_starts_at_once_and_then_each_waits_for_its_turn() {
    check(
        params(10, 3),
        &[0, 0, 0, 0, 99, 100, 100, 200],
        &[0, 0, 0, 100, 200],
    );
    check(params(10, 1), &[0, 50, 100, 350, 350], &[0, 100, 350]);
}

#[test]
fn a_pause_saves_up_no_more_than_a_burst() {
    check(
        params(10, 2),
        &[0, 0, 60_000, 60_000, 60_000],
        &[0, 0, 60_000, 60_000],
    );
}

#[test]
fn without_a_burst_asked_for_it_is_what_a_second_allows() {
    let burst = |limit, per| Params::new(count(limit), per).burst.get();
    assert_eq!(burst(100, SECOND), 100);
    assert_eq!(burst(90, 60 * SECOND), 1);
    assert_eq!(burst(6000, 60 * SECOND), 100);
    assert_eq!(burst(1, 3600 * SECOND), 1);
}

#[test]
fn it_says_when_the_next_may_start() {
    let start = Instant::now();
    let mut rate = Rate::new(params(10, 2), start);
    let _first = rate.take(start);
    assert_eq!(rate.held_until(start), None);
    let _second = rate.take(start);
    let next = start + SECOND / 10;
    assert_eq!(rate.held_until(start), Some(next));
    assert_eq!(rate.take(next - Duration::from_nanos(1)), None);
    assert!(rate.take(next).is_some());
}

#[test]
fn it_says_how_many_may_start() {
    let now = Instant::now();
    let mut rate = Rate::new(params(10, 3), now);
    for left in (0..3).rev() {
        assert_eq!(rate.left(now), left + 1);
        let _token = rate.take(now).expect("one is left");
        assert_eq!(rate.left(now), left);
    }
    assert_eq!(rate.left(now + Duration::from_millis(250)), 2);
    assert_eq!(rate.left(now + Duration::from_secs(9)), 3);
}

#[test]
fn an_attempt_that_is_not_made_gives_its_token_back() {
    let start = Instant::now();
    let mut rate = Rate::new(params(1, 5), start);
    for token in drain(&mut rate, start) {
        rate.give_back(token);
    }
    assert_eq!(drain(&mut rate, start).len(), 5);
}

#[test]
fn a_token_that_comes_back_when_there_was_no_room_for_it_is_lost() {
    let start = Instant::now();
    let mut rate = Rate::new(params(1, 1), start);
    let first = rate.take(start).expect("a token");
    let _second = rate.take(start + SECOND).expect("a token");
    rate.give_back(first);
    assert_eq!(rate.take(start + SECOND), None);
}

#[test]
fn another_limit_leaves_as_many_tokens_as_there_were() {
    let start = Instant::now();
    let mut rate = Rate::new(params(10, 10), start);
    for _ in 0..8 {
        let _taken = rate.take(start);
    }
    rate.change(params(100, 100), start);
    assert_eq!(drain(&mut rate, start).len(), 2);
    let later = start + SECOND / 10;
    assert_eq!(drain(&mut rate, later).len(), 10);
    rate.change(params(1000, 3), start + 60 * SECOND);
    assert_eq!(drain(&mut rate, start + 60 * SECOND).len(), 3);
}

#[test]
fn the_same_limit_again_changes_nothing() {
    let start = Instant::now();
    let mut rate = Rate::new(params(10, 10), start);
    let taken = drain(&mut rate, start);
    rate.change(params(10, 10), start);
    assert!(rate.take(start).is_none());
    for token in taken {
        rate.give_back(token);
    }
    assert_eq!(drain(&mut rate, start).len(), 10);
}

#[test]
fn a_token_from_long_ago_comes_back_where_the_bucket_was_never_full() {
    let start = Instant::now();
    let mut rate = Rate::new(params(10, 2), start);
    let first = rate.take(start).expect("a token");
    let mut now = start;
    let _second = rate.take(now);
    for _ in 0..100 {
        now += SECOND / 10;
        let _next = rate.take(now).expect("a token");
    }
    assert_eq!(rate.take(now), None);
    rate.give_back(first);
    assert!(rate.take(now).is_some());
}

#[test]
fn a_limit_that_comes_late_begins_without_a_burst() {
    let start = Instant::now();
    let mut rate = Rate::begun_late(params(10, 50), start);
    assert_eq!(drain(&mut rate, start).len(), 1);
    assert_eq!(drain(&mut rate, start + SECOND).len(), 10);
}

/// Whether no stretch of time has more starts than it may.
fn holds(starts: &[Duration], params: &Params) -> bool {
    let allowed = |time: Duration| {
        let paced = time.as_nanos() * u128::from(params.limit.get()) / params.per.as_nanos();
        u128::from(params.burst.get()) + paced
    };
    starts.iter().enumerate().all(|(first, from)| {
        let mut within = starts[first..].iter().enumerate();
        within.all(|(count, to)| (count + 1) as u128 <= allowed(*to - *from))
    })
}

proptest! {
    /// However attempts are asked for, and whichever of them are not made after all.
    #[test]
    fn no_stretch_of_time_has_more_starts_than_burst_and_pace(
        limit in 1u32..50,
        burst in 1u32..12,
        asked in vec((0u64..120, 0u8..4, 0usize..8), 1..300),
    ) {
        let params = params(limit, burst);
        let start = Instant::now();
        let mut rate = Rate::new(params, start);
        let mut at = Duration::ZERO;
        let mut open: Vec<(Duration, Token)> = Vec::new();
        let mut made = Vec::new();
        for (wait, what, which) in asked {
            at += Duration::from_millis(wait);
            // Most go on at once; some come back later, without an attempt or with one.
            match (rate.take(start + at), what) {
                (Some(token), 0 | 1) => open.push((at, token)),
                (Some(_), _) => made.push(at),
                (None, _) if !open.is_empty() => {
                    let (began, token) = open.swap_remove(which % open.len());
                    if what % 2 == 0 {
                        rate.give_back(token);
                    } else {
                        made.push(began);
                    }
                }
                (None, _) => {}
            }
        }
        made.extend(open.into_iter().map(|(began, _)| began));
        made.sort_unstable();
        prop_assert!(holds(&made, &params), "{made:?}");
    }
}
