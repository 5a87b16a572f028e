//! What a target's answers count as: `success`, `retry.on`, `retry.never`.

use fanway_config::Counts;
use fanway_policy::exchange::{Otherwise, Params};

use crate::scene::{config, error, with_target, with_top};

#[track_caller]
fn counts(lines: &str) -> Counts {
    config(&with_target(lines)).targets["stock"].counts.clone()
}

/// What stands under `success.status`, `retry.on` and `retry.never`.
#[track_caller]
fn check(lines: &str, expected: [&str; 3]) {
    let answers = counts(lines).answers;
    let words = |words: Vec<String>| words.join(" ");
    let success = answers.success.iter().map(ToString::to_string);
    let on = answers.on.iter().map(ToString::to_string);
    let never = answers.never.iter().map(ToString::to_string);
    let read = [success.collect(), on.collect(), never.collect()].map(words);
    assert_eq!(read, expected, "{lines}");
}

#[test]
fn what_is_left_out_counts_as_it_always_has() {
    assert_eq!(counts(""), Counts::default());
    check("", ["2xx", "transient", ""]);
    check("retry: { on: knative }", ["2xx", "knative", ""]);
    check("success: {}", ["2xx", "transient", ""]);
}

#[test]
fn statuses_stand_alone_or_in_lists() {
    check("success: { status: 200 }", ["200", "transient", ""]);
    check(
        "success: { status: [2xx, 409] }\nretry: { never: [501, 520-529] }",
        ["2xx 409", "transient", "501 520-529"],
    );
    check(
        "retry: { on: [transient, 409, 5xx, unanswered], never: 410 }",
        ["2xx", "transient 409 5xx unanswered", "410"],
    );
    check("retry: { on: \"${LIMIT}xx\" }", ["2xx", "7xx", ""]);
}

#[test]
fn a_predicate_is_a_text_or_has_what_else_is_said_beside_it() {
    let short = counts("success: '.ok == true'");
    assert_eq!(short.body.as_deref(), Some(".ok == true"));
    assert_eq!(short.answers, Params::default());
    let long = counts("success: { body: .ok, status: [2xx], otherwise: fail }");
    assert_eq!(long.body.as_deref(), Some(".ok"));
    assert_eq!(long.answers.otherwise, Otherwise::Fail);
}

#[test]
fn callbacks_have_lists_too() {
    let callbacks = config(&with_top(
        "callbacks: { retry: { on: [5xx], never: [501] } }",
    ))
    .callbacks;
    assert_eq!(callbacks.counts.answers.never[0].to_string(), "501");
}

#[track_caller]
fn check_wrong(lines: &str, expected: &str) {
    let found = error(&with_target(lines));
    assert_eq!(found, format!("fanway.yaml:{expected}"), "{lines}");
}

#[test]
fn what_is_no_status_is_said_to_be_none() {
    let statuses = "a status such as 409, a class such as 5xx, or a range such as 520-529";
    check_wrong(
        "success: { status: [2xx, 2x] }",
        &format!("4:30: expected {statuses}, found \"2x\" [FW0105]"),
    );
    check_wrong(
        "retry: { never: [] }",
        &format!("4:21: expected {statuses}; or a list of that, found an empty list [FW0105]"),
    );
    check_wrong(
        "retry: { on: [transient, 99] }",
        &format!(
            "4:30: expected transient, knative, standard-webhooks, unanswered, or {statuses}, \
             found \"99\" [FW0105]"
        ),
    );
    check_wrong(
        "success: { body: .ok, otherwise: ignore }",
        "4:38: expected retry or fail, found \"ignore\" [FW0105]",
    );
}

#[test]
fn a_predicate_that_cannot_run_is_said_to_be_wrong_where_it_is() {
    check_wrong(
        "success: '.ok =='",
        "4:21: expected term, found the end [FW0107]",
    );
    check_wrong(
        "success: { body: '.ok == $steps' }",
        "4:30: `$steps` isn't there: it sees the answer's body alone [FW0107]",
    );
    check_wrong(
        "success: '.ok == \"${TOKEN}\"'",
        "4:23: ${TOKEN} is not replaced inside expressions [FW0106]",
    );
}

#[test]
fn what_would_do_nothing_is_refused() {
    check_wrong(
        "retry: { never: [501, 204] }",
        "4:12: `never` has 204, which is a success [FW0108]",
    );
    check_wrong(
        "success: { otherwise: fail }",
        "4:16: `otherwise` is about what `body` refuses, and there is none [FW0108]",
    );
    check(
        "success: { status: 200 }\nretry: { never: 204 }",
        ["200", "transient", "204"],
    );
}
