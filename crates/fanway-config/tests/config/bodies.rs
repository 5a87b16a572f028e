//! What a step sends: `method`, `body`, `format`, `compress`.

use fanway_types::{BodyFormat, ContentCoding, Step};

use crate::scene::{config, error, with_route};

fn step(keys: &str) -> Step {
    let text = format!("match: POST /\nsend: [{{ to: stock{keys} }}]");
    config(&with_route(&text)).routes[0].plan.steps[0].clone()
}

#[track_caller]
fn check_refused(keys: &str, expected: &str) {
    let text = format!("match: POST /\nsend: [{{ to: stock{keys} }}]");
    let error = error(&with_route(&text));
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn a_step_that_says_nothing_passes_what_came() {
    let step = step("");
    assert_eq!((step.body, step.format), (None, BodyFormat::Json));
    assert_eq!((step.bodiless, step.compress), (false, None));
}

#[test]
fn each_form_has_its_word() {
    for format in BodyFormat::ALL {
        let step = step(&format!(", body: ., format: {}", format.as_str()));
        assert_eq!(step.format, format);
    }
    assert_eq!(step(", compress: gzip").compress, Some(ContentCoding::Gzip));
    check_refused(
        ", body: ., format: yaml",
        "expected json, form, multipart, xml, text or binary, found \"yaml\" [FW0105]",
    );
}

#[test]
fn a_method_whose_requests_have_no_body_gets_one_only_where_a_program_makes_it() {
    let check = |keys, expected| assert_eq!(step(keys).bodiless, expected, "{keys}");
    check(", method: GET", true);
    check(", method: HEAD", true);
    check(", method: DELETE", true);
    check(", method: TRACE", true);
    check(", method: DELETE, body: .", false);
    check(", method: PATCH", false);
    check(", method: M-SEARCH", false);
    check(", method: X_1", false);
}

#[test]
fn what_says_nothing_or_two_things_is_refused() {
    check_refused(
        ", format: xml",
        "`format` says nothing without `body` [FW0108]",
    );
    check_refused(
        ", body: ., format: multipart, headers: { Content-Type: a/b }",
        "names its boundary, so `headers` can't set it [FW0108]",
    );
    check_refused(
        ", compress: gzip, headers: { content-encoding: br }",
        "`compress` sets `content-encoding`, and so do `headers` [FW0108]",
    );
    check_refused(
        ", method: GET, compress: gzip",
        "a request of this method has one only where `body` makes it [FW0108]",
    );
    check_refused(
        ", method: CONNECT",
        "CONNECT asks a proxy for a tunnel, and is no request to an API [FW0105]",
    );
    check_refused(
        ", method: get",
        "expected a method such as POST, in capitals, found \"get\" [FW0105]",
    );
}
