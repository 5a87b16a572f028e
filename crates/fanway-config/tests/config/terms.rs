//! What holds for a route's messages: `idempotency`, `not_before`, `expires`.

use std::time::Duration;

use fanway_config::{Idempotency, Route};
use insta::assert_snapshot;

use crate::scene::{config, error, errors, with_route};

const HOUR: Duration = Duration::from_secs(3_600);

/// A config with lines for its route, and others at its top.
fn text(route: &str, top: &str) -> String {
    let route = with_route(&format!("match: POST /\nsend: [stock]\n{route}"));
    format!("{top}\n{route}")
}

fn route(lines: &str, top: &str) -> Route {
    config(&text(lines, top)).routes.remove(0)
}

#[track_caller]
fn check(lines: &str, expected: &str) {
    assert_eq!(
        error(&text(lines, "")),
        format!("fanway.yaml:{expected}"),
        "{lines}"
    );
}

#[track_caller]
fn check_idempotency(lines: &str, top: &str, required: bool, keep: Duration) {
    let expected = Idempotency { required, keep };
    assert_eq!(route(lines, top).idempotency, expected, "{lines} {top}");
}

#[test]
fn a_key_is_known_for_a_day_or_as_long_as_messages_are() {
    let messages = |duration: &str| format!("store: {{ keep: {{ messages: {duration} }} }}");
    check_idempotency("", "", false, 24 * HOUR);
    check_idempotency("idempotency: { required: true }", "", true, 24 * HOUR);
    check_idempotency("idempotency: { keep: 1h }", "", false, HOUR);
    check_idempotency("idempotency: {}", &messages("1h"), false, HOUR);
    check_idempotency("idempotency: {}", &messages("7d"), false, 24 * HOUR);
    check_idempotency("", &messages("0s"), false, Duration::ZERO);
    check_idempotency(
        "idempotency: { keep: 7d }",
        &messages("7d"),
        false,
        7 * 24 * HOUR,
    );
}

#[test]
fn a_key_that_would_outlast_its_message_is_refused() {
    assert_snapshot!(errors(&text("idempotency: { keep: 25h }", "")), @r#"
    fanway.yaml:8:26: a key is kept longer than its message, which is kept for 1d [FW0108]
        8 |     idempotency: { keep: 25h }
          |                          ^^^
          = hint: shorten it to 1d, or lengthen `store.keep.messages`

    1 error; the codes are explained in docs/errors/config.md
    "#);
    assert_snapshot!(errors(&text("idempotency: { keep: 2h }", "store: { keep: { messages: 1h30m } }")), @r#"
    fanway.yaml:8:26: a key is kept longer than its message, which is kept for 1h30m [FW0108]
        8 |     idempotency: { keep: 2h }
          |                          ^^
        1 | store: { keep: { messages: 1h30m } }
          |                            ----- how long messages are kept
          = hint: shorten it to 1h30m, or lengthen `store.keep.messages`

    1 error; the codes are explained in docs/errors/config.md
    "#);
}

#[test]
fn how_long_a_key_is_known_has_bounds() {
    check(
        "idempotency: { keep: 500ms }",
        "8:26: expected a duration from 1s to 3650d, such as 90s or 1h30m, found \"500ms\" [FW0105]",
    );
    check(
        "idempotency: { required: maybe }",
        "8:30: expected true or false, found \"maybe\" [FW0105]",
    );
    check(
        "idempotency: { kept: 1h }",
        "8:20: unknown key \"kept\", did you mean \"keep\"? [FW0103]",
    );
}

#[test]
fn what_is_wrong_with_the_store_is_said_once() {
    let text = text(
        "idempotency: { keep: 25h }",
        "store: { keep: { messages: long } }",
    );
    assert_eq!(
        error(&text),
        "fanway.yaml:1:28: expected a duration such as 250ms, 10s, 1h30m or 30d, found \"long\" [FW0105]"
    );
}

#[test]
fn a_message_waits_and_expires_where_its_route_says() {
    let terms = |lines: &str| {
        let route = route(lines, "");
        (route.not_before, route.expires)
    };
    assert_eq!(terms(""), (None, None));
    assert_eq!(terms("not_before: 30d"), (Some(30 * 24 * HOUR), None));
    assert_eq!(terms("expires: 1h"), (None, Some(HOUR)));
    assert_eq!(
        terms("not_before: 1h\nexpires: 365d"),
        (Some(HOUR), Some(365 * 24 * HOUR))
    );
}

#[test]
fn waiting_and_expiry_have_bounds() {
    check(
        "not_before: 30d1ms",
        "8:17: expected a duration from 1ms to 30d, such as 90s or 1h30m, found \"30d1ms\" [FW0105]",
    );
    check(
        "not_before: 0s",
        "8:17: expected a duration from 1ms to 30d, such as 90s or 1h30m, found \"0s\" [FW0105]",
    );
    check(
        "expires: 366d",
        "8:14: expected a duration from 1ms to 365d, such as 90s or 1h30m, found \"366d\" [FW0105]",
    );
}

#[test]
fn a_message_that_would_expire_before_it_is_sent_on_is_refused() {
    assert_snapshot!(errors(&text("not_before: 1h\nexpires: 1h", "")), @r#"
    fanway.yaml:9:14: a message would expire before it is first sent on [FW0108]
        9 |     expires: 1h
          |              ^^
        8 |     not_before: 1h
          |                 -- when it is first sent on
          = hint: `expires` is more than `not_before`: both count from the message's acceptance

    1 error; the codes are explained in docs/errors/config.md
    "#);
}
