//! What is sent for a message.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use fanway_types::{ByteCount, Headers, Message, MessageId, Plan, Request, Terms};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Limits, ShapeError, Shaped, Shaping, shape};
use crate::json;
use crate::plan::{CompiledPlan, Field};

fn message(body: impl Into<Bytes>) -> Message {
    let headers: Headers = [
        ("content-type", &b"text/json"[..]),
        ("authorization", b"Bearer x"),
        ("x-a", b"1"),
        ("x-a", b"2"),
        ("x-b", b"3"),
    ]
    .into_iter()
    .collect();
    Message {
        id: MessageId::from_bytes([1; 16]),
        route: "orders".parse().expect("a name"),
        plan: plan("").hash(),
        request: Request {
            method: "POST".into(),
            path: "/orders/7".into(),
            query: Some("a=1&b=x%20y+z&a=2&c".into()),
            params: vec![("id".into(), "7".into())],
            headers,
            body: body.into(),
        },
        terms: Terms::default(),
        reservation: None,
    }
}

fn plan(step: &str) -> Plan {
    let json = format!(
        r#"{{"route":"r","steps":[{{"name":"b","target":"t","method":"PUT","critical":true{step}}}]}}"#
    );
    Plan::from_json(&json).expect("a plan")
}

fn shaped_within(step: &str, message: &Message, limits: &Limits) -> Result<Shaping, ShapeError> {
    let plan = CompiledPlan::compile(&plan(step)).expect("nothing is wrong with the plan");
    shape(plan.step(0), message, limits)
}

#[track_caller]
fn shaped(step: &str, body: &str) -> Shaped {
    let message = message(Bytes::copy_from_slice(body.as_bytes()));
    match shaped_within(step, &message, &Limits::default()) {
        Ok(Shaping::Send(shaped)) => shaped,
        other => panic!("{step} gave {other:?}"),
    }
}

fn error_of(step: &str, body: &str) -> ShapeError {
    let message = message(Bytes::copy_from_slice(body.as_bytes()));
    shaped_within(step, &message, &Limits::default()).expect_err("an error")
}

#[track_caller]
fn check_body(program: &str, body: &str, expected: &str) {
    let shaped = shaped(
        &format!(r#","body":{}"#, serde_json::Value::from(program)),
        body,
    );
    assert_eq!(shaped.body, expected, "{program}");
}

#[track_caller]
fn check_address(step: &str, expected: &str) {
    assert_eq!(
        &*shaped(step, r#"{"id":"a/b"}"#).path_and_query,
        expected,
        "{step}"
    );
}

#[track_caller]
fn check_headers(step: &str, expected: &[(&str, &str)]) {
    let shaped = shaped(step, r#"{"id":"ü"}"#);
    let headers: Vec<_> = shaped
        .headers
        .iter()
        .map(|(name, value)| (name, str::from_utf8(value).expect("text")))
        .collect();
    assert_eq!(headers, expected, "{step}");
}

#[test]
fn without_expressions_the_body_passes_byte_for_byte() {
    let message = message(&b"\xff\x00 no json"[..]);
    let shaping = shaped_within("", &message, &Limits::default());
    let Ok(Shaping::Send(shaped)) = shaping else {
        panic!("{shaping:?}")
    };
    assert_eq!(
        shaped.body.as_ptr(),
        message.request.body.as_ptr(),
        "not even copied"
    );
    assert_eq!((&*shaped.method, &*shaped.path_and_query), ("PUT", ""));
}

#[test]
fn a_step_with_an_origin_sends_to_the_requests_own_address() {
    let step = r#","origin":"https://a.example","path":"/other","forward_query":true"#;
    check_address(step, "/orders/7?a=1&b=x%20y+z&a=2&c");
    let mut message = message("");
    for (query, expected) in [(Some(""), "/orders/7?"), (None, "/orders/7")] {
        message.request.query = query.map(Into::into);
        let shaping = shaped_within(step, &message, &Limits::default());
        let Ok(Shaping::Send(shaped)) = shaping else {
            panic!("{shaping:?}")
        };
        assert_eq!(&*shaped.path_and_query, expected);
    }
}

#[test]
fn a_body_program_gives_compact_json() {
    check_body(
        "{order: .id, lines: [.items[] | {sku}]}",
        r#"{"id": 7, "items": [{"sku": "a", "n": 1}]}"#,
        r#"{"order":7,"lines":[{"sku":"a"}]}"#,
    );
    check_body(".id", r#"{"id":"a\u0001\"é"}"#, r#""a\u0001\"é""#);
    check_body("$request.params.id", "no json", "\"7\"");
}

#[test]
fn expressions_see_the_request_and_the_message() {
    check_body(
        "$request | [.method, .path, .params]",
        "",
        r#"["POST","/orders/7",{"id":"7"}]"#,
    );
    check_body(
        "$request.query | [.a, .b, .c, .d]",
        "",
        r#"[["1","2"],"x y z","",null]"#,
    );
    check_body(
        r#"$request.headers | [.["content-type"], .["x-a"], .["x-b"]]"#,
        "",
        r#"["text/json","1, 2","3"]"#,
    );
    check_body(
        "[$message, $steps]",
        "",
        r#"[{"id":"msg_01040g2081040g2081040g2081","received_at":"2004-12-23T17:37:18.081Z"},{}]"#,
    );
}

#[test]
fn path_and_query_are_put_together() {
    check_address(r#","path":"/x/y""#, "/x/y");
    check_address(r#","path":"/x/\\(.id)""#, "/x/a%2Fb");
    check_address(r#","query":[["a","1"],["b","\\(.id)"]]"#, "?a=1&b=a%2Fb");
    check_address(
        r#","path":"/x","query":[["a","1"],["b","2"]]"#,
        "/x?a=1&b=2",
    );
    check_address(
        r#","path":"/x","query":[["z","\\(.id)"]],"forward_query":true"#,
        "/x?a=1&b=x%20y+z&a=2&c&z=a%2Fb",
    );
    check_address(r#","forward_query":true"#, "?a=1&b=x%20y+z&a=2&c");
}

#[test]
fn headers_are_those_of_the_body_the_forwarded_and_the_set() {
    check_headers("", &[("content-type", "text/json")]);
    check_headers(
        r#","forward":["x-a","content-type","x-none"]"#,
        &[("content-type", "text/json"), ("x-a", "1"), ("x-a", "2")],
    );
    check_headers(
        r#","forward":["x-a","x-b"],"headers":[["x-a","\\(.id)!"]]"#,
        &[("content-type", "text/json"), ("x-b", "3"), ("x-a", "ü!")],
    );
    check_headers(r#","body":"1""#, &[("content-type", "application/json")]);
    check_headers(
        r#","body":"1","forward":["content-type","content-encoding"]"#,
        &[("content-type", "application/json")],
    );
    check_headers(
        r#","body":"1","forward":["content-type"],"headers":[["content-type","a/b"]]"#,
        &[("content-type", "a/b")],
    );
}

#[test]
fn only_false_and_null_skip() {
    let skips = |when: &str| {
        let step = format!(
            r#","when":{},"body":"error(\"not reached\")?,1""#,
            serde_json::Value::from(when)
        );
        matches!(
            shaped_within(&step, &message("{}"), &Limits::default()),
            Ok(Shaping::Skip)
        )
    };
    assert!(skips("false") && skips("null") && skips(".a"));
    assert!(
        !skips("true")
            && !skips("0")
            && !skips("\"\"")
            && !skips("[]")
            && !skips("$request.params.id == \"7\"")
    );
    assert!(!skips("empty"), "no value is an error, not a skip");
}

#[test]
fn what_fails_is_named_with_its_reason() {
    let failed = |field, message: &str| ShapeError::Expression {
        field,
        message: message.to_owned(),
    };
    assert_eq!(
        error_of(r#","body":"1,2""#, ""),
        failed(
            Field::Body,
            "the program gave more than one value, expected one"
        )
    );
    assert_eq!(
        error_of(r#","when":"empty""#, "1"),
        failed(Field::When, "the program gave no value, expected one")
    );
    assert_eq!(
        error_of(r#","path":"/\\(.id)""#, "{}"),
        failed(Field::Path, r"\(.id) is null")
    );
    assert_eq!(
        error_of(r#","headers":[["x","\\(.id)"]]"#, r#"{"id":"a\nb"}"#),
        failed(
            Field::Header("x".into()),
            r"\(.id) has a control character in it"
        )
    );
    assert_eq!(
        error_of(r#","body":"nan""#, "1"),
        failed(Field::Body, "the result holds a number that isn't finite")
    );
    assert_eq!(
        error_of(r#","body":"{(1|tojson|tonumber): 2}""#, "1"),
        failed(Field::Body, "the result holds a key that isn't a string")
    );
    let error = error_of(r#","query":[["q","\\(.id)"]]"#, "[]");
    assert_eq!(
        error.to_string(),
        "`query.q` failed: \\(.id): cannot index [] with \"id\""
    );
}

#[test]
fn a_body_that_must_be_read_and_cannot_be_is_an_error() {
    let ShapeError::Input(error) = error_of(r#","body":".a""#, "{]") else {
        panic!("the body is no JSON")
    };
    assert_eq!(
        (error.kind, error.line, error.column),
        (json::ErrorKind::Malformed, 1, 2)
    );
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

#[test]
fn compressed_bodies_are_read_and_sent_plain() {
    let mut message = message(gzip(br#"{"id":7}"#));
    message.request.headers = [("content-encoding", &b"gzip"[..])].into_iter().collect();
    let shaping = shaped_within(r#","body":".id""#, &message, &Limits::default());
    let Ok(Shaping::Send(shaped)) = shaping else {
        panic!("{shaping:?}")
    };
    assert_eq!(shaped.body, "7");
    assert_eq!(shaped.headers.get("content-encoding"), None);
    let shaping = shaped_within(r#","path":"/\\(.id)""#, &message, &Limits::default());
    let Ok(Shaping::Send(shaped)) = shaping else {
        panic!("{shaping:?}")
    };
    assert_eq!(
        shaped.body, message.request.body,
        "without a program it passes as it is"
    );
    assert_eq!(shaped.headers.get_str("content-encoding"), Some("gzip"));
}

#[test]
fn outputs_are_bounded() {
    let limits = Limits {
        output: ByteCount::kib(1),
        ..Limits::default()
    };
    let error =
        shaped_within(r#","body":"\"x\" * 2000""#, &message("1"), &limits).expect_err("too large");
    assert_eq!(error, ShapeError::Output { field: Field::Body });
    let error = shaped_within(r#","path":"/\\(\"x\" * 2000)""#, &message("1"), &limits)
        .expect_err("too large");
    assert_eq!(error, ShapeError::Output { field: Field::Path });
    let header = r#","headers":[["x","\\(\"x\" * 65536)"]]"#;
    let error = shaped_within(header, &message("1"), &Limits::default()).expect_err("too large");
    let field = Field::Header("x".into());
    assert_eq!(error, ShapeError::Output { field });
    let error = shaped_within(r#","body":"\"x\" * 1000000000000""#, &message("1"), &limits);
    assert_eq!(error, Err(ShapeError::Value("too large")));
}

#[test]
fn time_and_stack_are_bounded() {
    let limits = Limits {
        deadline: Duration::from_millis(50),
        ..Limits::default()
    };
    let stopped =
        |program: &str| shaped_within(&format!(r#","body":"{program}""#), &message("1"), &limits);
    assert_eq!(stopped("def f: f; f"), Err(ShapeError::Deadline));
    assert_eq!(
        stopped("last(range(1000000000000))"),
        Err(ShapeError::Deadline)
    );
    assert_eq!(stopped("def f: 1 + f; f"), Err(ShapeError::Recursion));
    assert_eq!(
        stopped("def f: [.] | f; f"),
        Err(ShapeError::Value("nested too deep"))
    );
}

#[test]
fn each_attempt_is_shaped_alike() {
    let step = r#","path":"/\\(.id)","body":"to_entries | group_by(.key) | {a: ., b: $request, c: $message}""#;
    let body = r#"{"id":"x","z":1,"y":{"b":1,"a":2}}"#;
    assert_eq!(shaped(step, body), shaped(step, body));
}
