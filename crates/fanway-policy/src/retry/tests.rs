//! The schedule's bounds, by example and for every input.

use std::num::NonZeroU32;
use std::time::Duration;

use fanway_types::Timestamp;
use proptest::prelude::{Strategy, any, prop_assert, proptest};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Decision, Failure, Params, Used};

const NOW: Timestamp = Timestamp::from_millis(1_795_342_027_000);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failure(attempts: u32, time: Duration) -> Failure {
    Failure {
        before: Used { attempts, time },
        took: secs(1),
        asked: None,
    }
}

fn asking(seconds: u64) -> Failure {
    Failure {
        asked: Some(NOW.saturating_add(secs(seconds))),
        ..failure(0, Duration::ZERO)
    }
}

/// The waits that a thousand failed attempts get.
fn waits(params: &Params, failure: &Failure) -> Vec<Duration> {
    let mut rng = StdRng::seed_from_u64(1);
    let wait = |_| match params.next(failure, NOW, &mut rng) {
        Decision::Again { wait, .. } => wait,
        Decision::GiveUp { .. } => panic!("given up"),
    };
    (0..1000).map(wait).collect()
}

#[track_caller]
fn check_longest(failures: u32, expected: Duration) {
    let waits = waits(&Params::default(), &failure(failures - 1, Duration::ZERO));
    let longest = *waits.iter().max().expect("a thousand");
    let shortest = *waits.iter().min().expect("a thousand");
    assert!(longest <= expected, "{longest:?} is over {expected:?}");
    assert!(longest > expected.mul_f64(0.98), "{longest:?} is too short");
    assert!(shortest < expected.mul_f64(0.02), "{shortest:?}: no jitter");
}

#[test]
fn waits_are_drawn_from_zero_to_a_bound_that_doubles_up_to_the_longest() {
    check_longest(1, secs(1));
    check_longest(2, secs(2));
    check_longest(3, secs(4));
    check_longest(10, secs(512));
    check_longest(13, secs(3600));
    check_longest(99, secs(3600));
}

#[test]
fn waits_are_spread_evenly() {
    let waits = waits(&Params::default(), &failure(0, Duration::ZERO));
    for tenth in 0..10 {
        let range = Duration::from_millis(tenth * 100)..Duration::from_millis(tenth * 100 + 100);
        let share = waits.iter().filter(|wait| range.contains(wait)).count();
        assert!((60..=140).contains(&share), "{share} of 1000 in {range:?}");
    }
}

#[test]
fn a_target_that_asks_for_time_gets_it_up_to_the_longest_pause() {
    let params = Params::default();
    let shortest = |failure| *waits(&params, &failure).iter().min().expect("a thousand");
    assert_eq!(shortest(asking(90)), secs(90));
    assert_eq!(shortest(asking(u64::MAX)), params.max_pause);
    assert!(shortest(asking(0)) < secs(1));
}

#[track_caller]
fn check_used(params: &Params, failure: &Failure, gives_up: bool) {
    let decision = params.next(failure, NOW, &mut StdRng::seed_from_u64(1));
    let gave_up = matches!(decision, Decision::GiveUp { .. });
    assert_eq!(gave_up, gives_up, "{failure:?} gave {decision:?}");
}

#[test]
fn attempts_end_after_their_number() {
    let params = Params::default();
    check_used(&params, &failure(98, Duration::ZERO), false);
    check_used(&params, &failure(99, Duration::ZERO), true);
    check_used(&params, &failure(u32::MAX, Duration::ZERO), true);
}

#[test]
fn attempts_end_when_their_time_would_be_over_before_the_next() {
    let params = Params::default();
    let bound = params.give_up_after;
    check_used(&params, &failure(1, bound - secs(4)), false);
    check_used(&params, &failure(1, bound), true);
    check_used(&params, &failure(1, Duration::MAX), true);
    let short = Params {
        give_up_after: secs(60),
        ..Params::default()
    };
    check_used(&short, &asking(50), false);
    check_used(&short, &asking(70), true);
}

#[test]
fn what_is_used_up_is_the_attempt_and_the_wait() {
    let params = Params::default();
    let decision = params.next(&failure(2, secs(10)), NOW, &mut StdRng::seed_from_u64(1));
    let Decision::Again { wait, used } = decision else {
        panic!("given up");
    };
    assert_eq!(used.attempts, 3);
    assert_eq!(used.time, secs(11) + wait);
}

#[track_caller]
fn check_pause(asked: Option<u64>, in_a_row: u32, expected: Duration) {
    let asked = asked.map(|seconds| NOW.saturating_add(secs(seconds)));
    let pause = Params::default().pause(asked, in_a_row, NOW);
    assert_eq!(pause, expected);
}

#[test]
fn a_pause_is_what_was_asked_for_but_grows_where_that_is_too_little() {
    check_pause(Some(30), 1, secs(30));
    check_pause(Some(0), 1, secs(1));
    check_pause(None, 1, secs(1));
    check_pause(None, 4, secs(8));
    check_pause(Some(3), 4, secs(8));
    check_pause(Some(u64::MAX), 1, secs(3600));
    check_pause(None, u32::MAX, secs(3600));
}

fn any_params() -> impl Strategy<Value = Params> {
    let durations = any::<[Duration; 4]>();
    let counts = (any::<f64>(), any::<NonZeroU32>());
    (durations, counts).prop_map(
        |([first, max, give_up_after, max_pause], (factor, attempts))| Params {
            first,
            factor,
            max,
            attempts,
            give_up_after,
            max_pause,
        },
    )
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let numbers = any::<(u32, Duration, Duration, Option<u64>)>();
    numbers.prop_map(|(attempts, time, took, asked)| Failure {
        before: Used { attempts, time },
        took,
        asked: asked.map(Timestamp::from_millis),
    })
}

proptest! {
    #[test]
    fn no_input_breaks_the_bounds(
        params in any_params(),
        failure in any_failure(),
        now in any::<u64>(),
        in_a_row in any::<u32>(),
    ) {
        let now = Timestamp::from_millis(now);
        let decision = params.next(&failure, now, &mut StdRng::seed_from_u64(now.as_millis()));
        if let Decision::Again { wait, used } = decision {
            prop_assert!(wait <= params.horizon());
            prop_assert!(used.attempts > failure.before.attempts);
            prop_assert!(used.attempts < params.attempts.get());
            prop_assert!(used.time <= params.give_up_after);
        }
        prop_assert!(params.pause(failure.asked, in_a_row, now) <= params.max_pause);
    }
}
