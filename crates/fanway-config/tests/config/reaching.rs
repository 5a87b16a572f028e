//! More than one address: `endpoints` and what goes with them.

use std::time::Duration;

use fanway_config::Reach;
use fanway_policy::endpoints::{Balance, eject};

use crate::scene::{config, error, errors, with_target};

/// A config whose target has these lines.
fn text(lines: &str) -> String {
    with_target(lines).replacen("    url: http://127.0.0.1:9101/stock\n", "", 1)
}

#[track_caller]
fn reach(lines: &str) -> Option<Reach> {
    let config = config(&text(lines));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let target = config.targets.into_values().next().expect("there is one");
    target.reach
}

#[track_caller]
fn check(lines: &str, expected: &str) {
    assert_eq!(error(&text(lines)), format!("fanway.yaml:{expected}"));
}

#[test]
fn a_target_with_one_address_is_reached_as_ever() {
    assert_eq!(reach("url: http://a/"), None);
    assert_eq!(reach("url: http://a/\nidempotent: true"), None);
}

#[test]
fn endpoints_are_addresses_or_mappings_with_a_weight() {
    let reach = reach("endpoints: ['http://a/', { url: 'http://b/', weight: 3 }]");
    let reach = reach.expect("there are two");
    let endpoints = reach.endpoints.iter();
    let endpoints = endpoints.map(|endpoint| (endpoint.url.as_str(), endpoint.weight.get()));
    let expected = [("http://a/", 1), ("http://b/", 3)];
    assert_eq!(endpoints.collect::<Vec<_>>(), expected);
    assert_eq!(reach.balance, Balance::TwoChoices);
    assert_eq!(reach.eject, eject::Params::default());
    assert_eq!((reach.health, reach.hedge_after), (None, None));
}

#[test]
fn all_that_goes_with_them_is_read() {
    let reach = reach(
        "endpoints: ['http://a/']\n\
         balance: least_in_flight\n\
         eject: { consecutive: 2, for: 1m }\n\
         health: { path: /health, interval: 5s, unhealthy: 1 }\n\
         idempotent: true\n\
         hedge_after: 300ms",
    );
    let reach = reach.expect("there are endpoints");
    assert_eq!(reach.balance, Balance::LeastInFlight);
    assert_eq!(reach.eject.consecutive.get(), 2);
    assert_eq!(reach.eject.duration, Duration::from_secs(60));
    assert_eq!(reach.hedge_after, Some(Duration::from_millis(300)));
    let health = reach.health.expect("it is checked");
    assert_eq!(
        (health.path.as_str(), health.interval, health.timeout),
        ("/health", Duration::from_secs(5), Duration::from_secs(2))
    );
    let counts = (health.params.healthy.get(), health.params.unhealthy.get());
    assert_eq!(counts, (2, 1));
}

#[test]
fn one_address_can_be_hedged() {
    let reach = reach("url: http://a/\nidempotent: true\nhedge_after: 1s");
    assert_eq!(reach.expect("it is hedged").endpoints.len(), 1);
}

#[test]
fn addresses_are_one_or_a_list_without_doubles() {
    check("timeout: 1s", "3:5: missing key \"url\" [FW0104]");
    check(
        "url: http://a/\nendpoints: ['http://b/']",
        "4:5: `url` and `endpoints` are both given [FW0108]",
    );
    check(
        "endpoints: []",
        "3:16: expected at least one address, found an empty list [FW0105]",
    );
    check(
        "endpoints: ['http://a/', { url: 'http://a/', weight: 2 }]",
        "3:30: this address is there already [FW0108]",
    );
    check(
        "endpoints: [{ url: 'http://a/', weight: 0 }]",
        "3:45: expected a whole number from 1 to 1000, found \"0\" [FW0105]",
    );
    check(
        "endpoints: ['ftp://a/']",
        "3:17: expected a URL such as https://api.example/v1, found \"ftp://a/\": its scheme is neither http nor https [FW0105]",
    );
}

#[test]
fn what_is_about_several_addresses_needs_them() {
    for (line, name) in [
        ("balance: round_robin", "balance"),
        ("eject: { consecutive: 3 }", "eject"),
        ("health: { path: /health }", "health"),
    ] {
        check(
            &format!("url: http://a/\n{line}"),
            &format!("4:5: `{name}` is for a target with `endpoints` [FW0108]"),
        );
    }
}

#[test]
fn a_target_that_isnt_said_to_be_idempotent_is_not_hedged() {
    let said = "`hedge_after` makes a request a second time while the first may still be carried out, and the target isn't said to bear that [FW0108]";
    check("url: http://a/\nhedge_after: 1s", &format!("4:5: {said}"));
    check(
        "url: http://a/\nidempotent: false\nhedge_after: 1s",
        &format!("5:5: {said}"),
    );
}

#[test]
fn a_hedge_that_would_come_too_late_is_warned_of() {
    let lines = "url: http://a/\ntimeout: 2s\nidempotent: true\nhedge_after: 2s";
    let warnings = config(&text(lines)).warnings;
    assert_eq!(
        warnings[0].message,
        "no attempt waits so long for an answer, so none is hedged"
    );
}

#[test]
fn a_check_needs_a_path_that_is_one() {
    let lines = |health: &str| format!("endpoints: ['http://a/']\nhealth: {{ {health} }}");
    check(
        &lines("interval: 1s"),
        "4:13: missing key \"path\" [FW0104]",
    );
    for path in ["health", "'/a b'", "'/a?b'", "'/a#b'"] {
        let found = path.trim_matches('\'');
        check(
            &lines(&format!("path: {path}")),
            &format!("4:21: expected a path such as /health, found \"{found}\" [FW0105]"),
        );
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let lines = "url: ftp://a/\nendpoints: ['http://b/', 'x']\nbalance: fair\neject: { for: 0s }\nhedge_after: 1s";
    let told = errors(&text(lines));
    for (line, what) in [
        (3, "scheme"),
        (4, "`url` and `endpoints`"),
        (4, "absolute URL"),
        (5, "two_choices"),
        (6, "duration above 0"),
        (7, "`hedge_after`"),
    ] {
        let is_told = told
            .lines()
            .any(|told| told.starts_with(&format!("fanway.yaml:{line}:")) && told.contains(what));
        assert!(is_told, "{line} {what}: not in\n{told}");
    }
}

/// A config of three targets, of which each has these keys.
fn three(one: &str, two: &str, three: &str) -> String {
    format!(
        "targets:\n  one: {{ url: 'http://a/', {one} }}\n  two: {{ url: 'http://b/', {two} }}\n  three: {{ url: 'http://c/', {three} }}\nroutes:\n  orders: {{ match: POST /, send: [one] }}\n"
    )
}

#[test]
fn a_fallback_is_another_target_and_used_by_that() {
    let config = config(&three("fallback: two", "", "fallback: two"));
    let fallbacks = config.targets.values();
    let fallbacks = fallbacks.filter_map(|target| target.fallback.as_ref());
    assert!(fallbacks.into_iter().all(|name| name.as_str() == "two"));
    let warnings: Vec<_> = config.warnings.iter().map(|it| &it.message).collect();
    assert_eq!(warnings, ["no route sends to the target `three`"]);
}

#[test]
fn a_fallback_has_no_fallback() {
    let check = |text: &str, expected: &str| {
        assert_eq!(error(text), format!("fanway.yaml:{expected}"), "{text}");
    };
    check(
        &three("fallback: one", "", ""),
        "2:38: a target can't be its own fallback [FW0108]",
    );
    check(
        &three("fallback: two", "fallback: three", ""),
        "2:38: `two` has a fallback itself, and can't be one [FW0108]",
    );
    check(
        &three("fallback: four", "", ""),
        "2:38: no target is named \"four\" [FW0108]",
    );
    check(
        &three("fallback: two", "", "").replace("send: [one", "send: [{ to: one, order_by: .id }"),
        "6:56: `one` has a fallback, so it can't keep an order [FW0108]",
    );
    let round = errors(&three("fallback: two", "fallback: one", ""));
    assert!(round.contains("2 errors"), "{round}");
}
