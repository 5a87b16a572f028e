//! `rate` and `concurrency`, and slow attempts of the `breaker`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use fanway_policy::concurrency::Concurrency;
use fanway_policy::{auto, rate};

use crate::scene::{config, error, with_target};

#[track_caller]
fn check(text: &str, expected: &str) {
    let text = with_target(text);
    assert_eq!(error(&text), format!("fanway.yaml:{expected}"), "{text}");
}

#[track_caller]
fn check_rate(text: &str, limit: u32, seconds: u64, burst: u32) {
    let count = |count| NonZeroU32::new(count).expect("not 0");
    let expected = rate::Params {
        limit: count(limit),
        per: Duration::from_secs(seconds),
        burst: count(burst),
    };
    let config = config(&with_target(text));
    assert_eq!(config.targets["stock"].rate, Some(expected), "{text}");
}

#[track_caller]
fn check_concurrency(text: &str, expected: Concurrency) {
    let config = config(&with_target(text));
    assert_eq!(config.targets["stock"].concurrency, expected, "{text}");
}

#[test]
fn a_rate_is_in_a_second_a_minute_or_an_hour() {
    check_rate("rate: 100/s", 100, 1, 100);
    check_rate("rate: 600/m", 600, 60, 10);
    check_rate("rate: 5000/h", 5000, 3600, 1);
    check_rate("rate: { limit: 100/s, burst: 20 }", 100, 1, 20);
    check_rate("rate: { limit: 30/m }", 30, 60, 1);
    assert_eq!(config(&with_target("")).targets["stock"].rate, None);
}

#[test]
fn what_is_no_rate_is_refused() {
    let expected = "expected a rate such as 100/s, 600/m or 5000/h";
    for text in ["100", "0/s", "100/d", "1.5/s", "-1/s", "2000000/s"] {
        check(
            &format!("rate: {text}"),
            &format!("4:11: {expected}; or a mapping, found \"{text}\" [FW0105]"),
        );
    }
    check(
        "rate: { limit: much }",
        &format!("4:20: {expected}, found \"much\" [FW0105]"),
    );
    check("rate: { burst: 3 }", "4:11: missing key \"limit\" [FW0104]");
}

#[test]
fn concurrency_is_a_number_or_read_off_the_latency() {
    let fixed = NonZeroUsize::new(7).expect("not 0");
    check_concurrency("concurrency: 7", Concurrency::Fixed(fixed));
    let auto = auto::Params::default();
    check_concurrency("concurrency: auto", Concurrency::Auto(auto));
    check_concurrency("concurrency: { auto: {} }", Concurrency::Auto(auto));
    let bounded = auto::Params { least: 2, most: 9 };
    let text = "concurrency: { auto: { least: 2, most: 9 } }";
    check_concurrency(text, Concurrency::Auto(bounded));
}

#[test]
fn bounds_that_dont_fit_are_refused() {
    check(
        "concurrency: { auto: { least: 9, most: 2 } }",
        "4:35: \"least\" is 9, which is more than \"most\", 2 [FW0108]",
    );
    check(
        "concurrency: { auto: { most: 2 } }",
        "4:34: \"least\" is 4, which is more than \"most\", 2 [FW0108]",
    );
    check("concurrency: {}", "4:18: missing key \"auto\" [FW0104]");
}

#[test]
fn slow_attempts_count_for_the_breaker_where_it_says_what_is_slow() {
    let config = config(&with_target("breaker: { slow: 5s, slow_ratio: 0.3 }"));
    let breaker = &config.targets["stock"].breaker;
    assert_eq!(breaker.slow, Some(Duration::from_secs(5)));
    assert!((breaker.slow_ratio - 0.3).abs() < f64::EPSILON);
}
