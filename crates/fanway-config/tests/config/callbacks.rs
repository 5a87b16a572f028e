//! Who is told: `callbacks`, and a route's `callback` and `on_dead`.

use std::time::Duration;

use fanway_policy::{breaker, retry};
use fanway_types::{Origin, TargetName};
use insta::assert_snapshot;

use crate::scene::{config, error, errors, with_top};

const SIGNED: &str = "callbacks: { sign: { standard_webhooks: '${SIGNING}' } }";

/// A config with two targets more than its steps name.
fn text(route: &str, top: &str) -> String {
    let route: String = route.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "{top}\ntargets:\n  stock: {{ url: 'http://h/' }}\n  alerts: {{ url: 'http://h/' }}\n  accounting: {{ url: 'http://h/' }}\nroutes:\n  orders:\n    match: POST /\n    send: [stock]\n{route}"
    )
}

#[track_caller]
fn check(route: &str, expected: &str) {
    assert_eq!(
        error(&text(route, SIGNED)),
        format!("fanway.yaml:{expected}"),
        "{route}"
    );
}

#[track_caller]
fn check_told(route: &str, callback: Option<&str>, on_dead: Option<&str>) {
    let config = config(&text(route, SIGNED));
    let plan = &config.routes[0].plan;
    let told = [&plan.callback, &plan.on_dead];
    let told = told.map(|name| name.as_ref().map(TargetName::as_str));
    assert_eq!(told, [callback, on_dead], "{route}");
}

#[test]
fn a_route_tells_targets() {
    check_told("", None, None);
    check_told("callback: accounting", Some("accounting"), None);
    check_told(
        "callback: { to: accounting }\non_dead: alerts",
        Some("accounting"),
        Some("alerts"),
    );
    check_told("callback: { allow: 'https://*.example.com' }", None, None);
}

#[test]
fn a_target_that_is_only_told_is_used() {
    let warnings = config(&text("callback: accounting\non_dead: alerts", "")).warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
    let warnings = config(&text("on_dead: alerts", "")).warnings;
    assert_eq!(
        warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect::<Vec<_>>(),
        ["no route sends to the target `accounting`"]
    );
}

#[test]
fn who_is_told_is_a_target_that_there_is() {
    check(
        "callback: acounting",
        "10:15: no target is named \"acounting\", did you mean \"accounting\"? [FW0108]",
    );
    check(
        "callback: { to: nobody }",
        "10:21: no target is named \"nobody\" [FW0108]",
    );
    check(
        "on_dead: alert",
        "10:14: no target is named \"alert\", did you mean \"alerts\"? [FW0108]",
    );
    check(
        "on_dead: [alerts]",
        "10:14: expected a name: a lower-case letter, then lower-case letters, digits and `_`, found a list [FW0105]",
    );
    check(
        "callback: {}",
        "10:15: expected at least one of to and allow, found none [FW0108]",
    );
}

#[test]
fn senders_may_name_what_is_allowed() {
    let route = "callback: { allow: ['https://*.example.com', 'http://127.0.0.1:9000'] }";
    let config = config(&text(
        route,
        &format!("{SIGNED}\negress: {{ allow: 127.0.0.0/8 }}"),
    ));
    let allowed = |origin: &str| {
        let origin: Origin = origin.parse().expect("an origin");
        let mut origins = config.routes[0].callback_origins.iter();
        origins.any(|it| it.allows(&origin))
    };
    assert!(allowed("https://a.example.com") && allowed("http://127.0.0.1:9000"));
    assert!(!allowed("https://example.com") && !allowed("http://127.0.0.1"));
}

#[test]
fn other_origins_are_refused_for_their_reason() {
    let expected = "expected an origin such as https://*.example.com or http://127.0.0.1:9000";
    check(
        "callback: { allow: ['https://a.example/hook'] }",
        &format!(
            "10:25: {expected}, found \"https://a.example/hook\": it has a path or a query, and an origin has none [FW0105]"
        ),
    );
    check(
        "callback: { allow: ftp://a.example }",
        &format!(
            "10:24: {expected}; or a list of that, found \"ftp://a.example\": it doesn't begin with http:// or https:// [FW0105]"
        ),
    );
    check(
        "callback: { allow: ['https://me:hunter2@a.example'] }",
        &format!(
            "10:25: {expected}, found a text that is not shown: it has a user or password in it [FW0105]"
        ),
    );
    check(
        "callback: { allow: [] }",
        &format!("10:24: {expected}; or a list of that, found an empty list [FW0105]"),
    );
}

#[test]
fn callbacks_to_senders_are_signed() {
    assert_snapshot!(errors(&text("callback: { allow: ['https://a.example'] }", "")), @r#"
    fanway.yaml:10:24: senders may name URLs here, and callbacks to those are not signed [FW0108]
       10 |     callback: { allow: ['https://a.example'] }
          |                        ^^^^^^^^^^^^^^^^^^^^^^
          = hint: callbacks:
              sign: { standard_webhooks: "${SECRET}" }

    1 error; the codes are explained in docs/errors/config.md
    "#);
    let wrong = "callbacks: { sign: { standard_webhooks: whsec_ } }";
    let shown = error(&text("callback: { allow: ['https://a.example'] }", wrong));
    assert!(shown.starts_with("fanway.yaml:1:41: "), "{shown}");
}

#[test]
fn callbacks_have_their_defaults() {
    let callbacks = config(&with_top("")).callbacks;
    assert_eq!(callbacks.sign, None);
    assert_eq!(callbacks.timeouts.whole, Duration::from_secs(10));
    assert_eq!(callbacks.retry, retry::Params::default());
    assert_eq!(callbacks.breaker, breaker::Params::default());
    assert_eq!(
        (callbacks.concurrency.get(), callbacks.origins.get()),
        (8, 64)
    );
}

#[test]
fn callbacks_are_read_whole() {
    let text = "callbacks:
  sign: { standard_webhooks: ['${SIGNING}', '${SIGNING}'] }
  timeout: { connect: 1s, whole: 20s }
  retry: { attempts: 7 }
  breaker: { probes: 1 }
  concurrency: 2
  origins: 3";
    let callbacks = config(&with_top(text)).callbacks;
    assert_eq!(
        callbacks.sign.map(|sign| sign.standard_webhooks.len()),
        Some(2)
    );
    assert_eq!(
        (callbacks.timeouts.connect, callbacks.timeouts.whole),
        (Duration::from_secs(1), Duration::from_secs(20))
    );
    assert_eq!(
        (
            callbacks.retry.attempts.get(),
            callbacks.breaker.probes.get()
        ),
        (7, 1)
    );
    assert_eq!(
        (callbacks.concurrency.get(), callbacks.origins.get()),
        (2, 3)
    );
}

#[test]
fn callbacks_carry_no_credentials() {
    assert_eq!(
        error(&with_top("callbacks: { credentials: { bearer: a } }")),
        "fanway.yaml:1:14: unknown key \"credentials\" [FW0103]"
    );
    assert_eq!(
        error(&with_top("callbacks: { origins: 0 }")),
        "fanway.yaml:1:23: expected a whole number from 1 to 65535, found \"0\" [FW0105]"
    );
}
