//! The breaker as a script of attempts and what they say.

use std::time::{Duration, Instant};

use super::{Breaker, Cause, Params, Permit, Sign, State};

/// A breaker with its default bounds and a clock of its own.
struct Bench {
    breaker: Breaker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            breaker: Breaker::new(Params::default(), now),
            now,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    #[track_caller]
    fn admitted(&mut self) -> Permit {
        self.breaker.admit(self.now).expect("an attempt is allowed")
    }

    #[track_caller]
    fn attempt(&mut self, sign: Sign) {
        let permit = self.admitted();
        self.breaker.observe(permit, sign, Duration::ZERO, self.now);
    }

    #[track_caller]
    fn attempt_for(&mut self, seconds: u64, sign: Sign) {
        let permit = self.admitted();
        let took = Duration::from_secs(seconds);
        self.breaker.observe(permit, sign, took, self.now);
    }

    #[track_caller]
    fn attempts(&mut self, count: u32, sign: Sign) {
        for _ in 0..count {
            self.attempt(sign);
        }
    }

    fn refuses(&mut self) -> bool {
        self.breaker.admit(self.now).is_none()
    }

    fn is_closed(&self) -> bool {
        self.breaker.state() == State::Closed
    }
}

#[test]
fn breaker_opens_after_ten_failures_in_a_row_and_not_before() {
    let mut bench = Bench::new();
    bench.attempts(9, Sign::Ill);
    bench.attempt(Sign::Well);
    bench.attempts(9, Sign::Ill);
    assert!(bench.is_closed());
    bench.attempt(Sign::Ill);
    assert_eq!(bench.breaker.cause(), Some(Cause::Failures));
    assert!(bench.refuses());
}

#[test]
fn breaker_opens_when_half_of_enough_attempts_fail() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        bench.attempt(Sign::Well);
        bench.attempt(Sign::Ill);
    }
    bench.attempt(Sign::Well);
    assert!(bench.is_closed(), "19 attempts say nothing yet");
    bench.attempt(Sign::Ill);
    assert!(!bench.is_closed());
}

#[test]
fn failures_that_are_longer_ago_than_the_window_say_nothing() {
    let mut bench = Bench::new();
    bench.attempts(9, Sign::Ill);
    bench.attempt(Sign::Well);
    bench.wait(11);
    for _ in 0..4 {
        bench.attempt(Sign::Ill);
        bench.attempt(Sign::Well);
    }
    bench.attempts(2, Sign::Ill);
    assert!(bench.is_closed());
}

#[test]
fn what_says_nothing_neither_opens_nor_interrupts_a_run() {
    let mut bench = Bench::new();
    bench.attempts(9, Sign::Ill);
    bench.attempts(50, Sign::Nothing);
    assert!(bench.is_closed());
    bench.attempt(Sign::Ill);
    assert!(!bench.is_closed());
}

#[test]
fn breaker_lets_one_probe_through_when_its_time_is_over() {
    let mut bench = Bench::new();
    bench.attempts(10, Sign::Ill);
    bench.wait(29);
    assert!(bench.refuses());
    bench.wait(1);
    let probe = bench.admitted();
    assert!(probe.is_probe());
    assert!(bench.refuses(), "one at a time");
    bench
        .breaker
        .observe(probe, Sign::Well, Duration::ZERO, bench.now);
    assert!(bench.admitted().is_probe());
}

#[test]
fn breaker_closes_after_three_good_probes() {
    let mut bench = Bench::new();
    bench.attempts(10, Sign::Ill);
    bench.wait(30);
    bench.attempts(2, Sign::Well);
    assert!(!bench.is_closed());
    bench.attempt(Sign::Well);
    assert!(bench.is_closed());
    assert!(!bench.admitted().is_probe());
    bench.attempts(9, Sign::Ill);
    assert!(bench.is_closed(), "it starts afresh");
}

#[test]
fn breaker_reopens_after_one_bad_probe() {
    let mut bench = Bench::new();
    bench.attempts(10, Sign::Ill);
    bench.wait(30);
    bench.attempts(2, Sign::Well);
    bench.attempt(Sign::Ill);
    bench.wait(29);
    assert!(bench.refuses());
    bench.wait(1);
    bench.attempts(3, Sign::Well);
    assert!(bench.is_closed(), "three in a row are needed anew");
}

#[test]
fn a_probe_that_says_nothing_is_made_again() {
    let mut bench = Bench::new();
    bench.attempts(10, Sign::Ill);
    bench.wait(30);
    bench.attempt(Sign::Well);
    bench.attempt(Sign::Nothing);
    bench.attempts(2, Sign::Well);
    assert!(bench.is_closed());
}

#[test]
fn attempts_from_before_a_change_say_nothing_after_it() {
    let mut bench = Bench::new();
    let early: Vec<Permit> = (0..40).map(|_| bench.admitted()).collect();
    bench.attempts(10, Sign::Ill);
    bench.wait(30);
    let mut early = early.into_iter();
    for permit in early.by_ref().take(20) {
        bench
            .breaker
            .observe(permit, Sign::Well, Duration::ZERO, bench.now);
    }
    assert!(!bench.is_closed());
    bench.attempts(3, Sign::Well);
    for permit in early {
        bench
            .breaker
            .observe(permit, Sign::Ill, Duration::ZERO, bench.now);
    }
    assert!(bench.is_closed());
}

#[test]
fn refused_credentials_open_it_at_once_and_one_success_closes_it() {
    let mut bench = Bench::new();
    bench.attempt(Sign::CredentialsRefused);
    assert_eq!(bench.breaker.cause(), Some(Cause::Credentials));
    assert!(bench.refuses());
    bench.wait(30);
    bench.attempt(Sign::CredentialsRefused);
    bench.wait(30);
    bench.attempt(Sign::Ill);
    assert_eq!(bench.breaker.cause(), Some(Cause::Credentials));
    bench.wait(30);
    bench.attempt(Sign::Well);
    assert!(bench.is_closed());
}

#[test]
fn a_probe_whose_credentials_are_refused_changes_why_it_is_open() {
    let mut bench = Bench::new();
    bench.attempts(10, Sign::Ill);
    bench.wait(30);
    bench.attempt(Sign::CredentialsRefused);
    assert_eq!(bench.breaker.cause(), Some(Cause::Credentials));
}

#[test]
fn an_endless_open_time_doesnt_overflow() {
    let params = Params {
        open_for: Duration::MAX,
        window: Duration::MAX,
        ..Params::default()
    };
    let mut bench = Bench::new();
    bench.breaker = Breaker::new(params, bench.now);
    bench.attempts(10, Sign::Ill);
    assert!(bench.refuses());
}

/// A breaker for which five seconds are slow.
fn patient() -> Bench {
    let mut bench = Bench::new();
    let params = Params {
        slow: Some(Duration::from_secs(5)),
        ..Params::default()
    };
    bench.breaker = Breaker::new(params, bench.now);
    bench
}

#[test]
fn breaker_opens_when_four_of_five_of_enough_attempts_are_slow() {
    let mut bench = patient();
    bench.attempts(4, Sign::Well);
    for _ in 0..15 {
        bench.attempt_for(5, Sign::Well);
    }
    assert!(bench.is_closed(), "19 attempts say nothing yet");
    bench.attempt_for(4, Sign::Well);
    assert!(bench.is_closed(), "15 of 20");
    for _ in 0..5 {
        bench.attempt_for(5, Sign::Well);
    }
    assert_eq!(bench.breaker.cause(), Some(Cause::Slow));
    assert!(bench.refuses());
}

#[test]
fn slow_attempts_say_nothing_where_none_are_asked_for() {
    let mut bench = Bench::new();
    for _ in 0..1000 {
        bench.attempt_for(3600, Sign::Well);
    }
    assert!(bench.is_closed());
}

#[test]
fn slow_failures_count_as_both() {
    let mut bench = patient();
    for _ in 0..10 {
        bench.attempt_for(6, Sign::Ill);
    }
    assert_eq!(bench.breaker.cause(), Some(Cause::Failures));
}

#[test]
fn a_slow_probe_opens_it_again_and_quick_ones_close_it() {
    let mut bench = patient();
    for _ in 0..20 {
        bench.attempt_for(5, Sign::Well);
    }
    bench.wait(30);
    bench.attempts(2, Sign::Well);
    bench.attempt_for(5, Sign::Well);
    assert!(bench.refuses());
    assert_eq!(bench.breaker.cause(), Some(Cause::Slow));
    bench.wait(30);
    bench.attempts(3, Sign::Well);
    assert!(bench.is_closed());
}

#[test]
fn a_breaker_begins_open_where_it_was_when_the_process_ended() {
    let mut bench = Bench::new();
    let until = bench.now + Duration::from_secs(12);
    bench.breaker = Breaker::opened(Params::default(), Cause::Credentials, until, bench.now);
    bench.wait(11);
    assert!(bench.refuses());
    bench.wait(1);
    let probe = bench.admitted();
    assert!(probe.is_probe());
    bench
        .breaker
        .observe(probe, Sign::Well, Duration::ZERO, bench.now);
    assert!(bench.is_closed());
}
