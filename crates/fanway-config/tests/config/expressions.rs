//! Expressions: kept as written, and what is wrong in one is shown where it stands in the file.

use crate::scene::{config, error, parse, with_step};

/// The line and column of the only error, and its code.
#[track_caller]
fn check_place(lines: &str, line: usize, column: usize) {
    let text = with_step(lines);
    let errors = parse(&text).expect_err("an expression that is wrong");
    assert_eq!(errors.problems().len(), 1, "{errors}");
    let place = errors.problems()[0].place.expect("a place");
    assert_eq!((place.line, place.column), (line, column), "{errors}");
    assert_eq!(errors.problems()[0].code.as_str(), "FW0107", "{errors}");
}

#[test]
fn an_error_in_a_program_is_shown_at_its_own_place() {
    check_place("body: '.a | nope'", 8, 21);
    check_place("body: .a | nope", 8, 20);
    check_place("body: '\"it''s\" | nope'", 8, 26);
    check_place("body: \"\\\"x\\\" | nope\"", 8, 24);
    check_place("body: |\n  .a\n\n  | nope", 11, 13);
    check_place("body: >-\n  .a\n  | nope", 10, 13);
    check_place("when: '.a | nope'", 8, 21);
}

#[test]
fn an_error_in_a_template_is_shown_at_its_own_place() {
    check_place("path: '/orders/\\(nope)'", 8, 26);
    check_place("query: { a: '\\(nope)' }", 8, 24);
    check_place("headers: { x-a: 'b\\(nope)' }", 8, 29);
}

#[test]
fn expressions_are_kept_as_they_are_written() {
    let text = with_step(
        "path: /orders/\\(.id)\nquery: { to: '\\(.to)' }\nheaders: { X-A: \\(.a), x-b: b }\nbody: '{id, m: $message.id}'\nwhen: .items | length > 0",
    );
    let step = config(&text).routes[0].plan.steps[0].clone();
    assert_eq!(step.path.as_deref(), Some(r"/orders/\(.id)"));
    assert_eq!(step.query, [("to".to_owned(), r"\(.to)".to_owned())]);
    assert_eq!(
        step.headers,
        [
            ("x-a".to_owned(), r"\(.a)".to_owned()),
            ("x-b".to_owned(), "b".to_owned())
        ]
    );
    assert_eq!(step.body.as_deref(), Some("{id, m: $message.id}"));
    assert_eq!(step.when.as_deref(), Some(".items | length > 0"));
}

#[test]
fn references_are_no_part_of_expressions() {
    let expected = |place: &str| {
        format!("fanway.yaml:{place}: ${{TOKEN}} is not replaced inside expressions [FW0106]")
    };
    assert_eq!(
        error(&with_step("headers: { x-key: 'Key ${TOKEN}' }")),
        expected("8:32")
    );
    assert_eq!(
        error(&with_step("body: '{key: \"${TOKEN}\"}'")),
        expected("8:23")
    );
}

#[test]
fn an_expression_is_a_text() {
    let expected = "fanway.yaml:8:15: expected a jq program, found a mapping [FW0105]";
    assert_eq!(error(&with_step("body: { a: .b }")), expected);
}
