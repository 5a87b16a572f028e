//! What bodies are sent, in which form and coding, and what their headers say of them.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use fanway_types::{Message, MessageId, Plan, Request, Terms};
use flate2::read::GzDecoder;

use super::{Limits, ShapeError, Shaped, Shaping, shape};
use crate::plan::CompiledPlan;

fn shaped_within(
    step: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    limits: &Limits,
) -> Result<Shaped, ShapeError> {
    let json = format!(
        r#"{{"route":"r","steps":[{{"name":"b","target":"t","method":"PUT","critical":true{step}}}]}}"#
    );
    let plan = Plan::from_json(&json).expect("a plan");
    let headers = headers.iter();
    let message = Message {
        id: MessageId::from_bytes([1; 16]),
        route: "r".parse().expect("a name"),
        plan: plan.hash(),
        request: Request {
            headers: headers
                .map(|(name, value)| (*name, value.as_bytes()))
                .collect(),
            body: Bytes::copy_from_slice(body),
            ..Request::default()
        },
        terms: Terms::default(),
        reservation: None,
    };
    let plan = CompiledPlan::compile(&plan).expect("nothing is wrong with the plan");
    match shape(plan.step(0), &message, limits)? {
        Shaping::Send(shaped) => Ok(shaped),
        Shaping::Skip => panic!("{step} is skipped"),
    }
}

fn shaped(step: &str, headers: &[(&str, &str)], body: &[u8]) -> Shaped {
    shaped_within(step, headers, body, &Limits::default()).expect("nothing fails")
}

#[track_caller]
fn check(shaped: &Shaped, body: &[u8], headers: &[(&str, &str)]) {
    assert_eq!(shaped.body, body);
    let said: Vec<_> = shaped.headers.iter().collect();
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    assert_eq!(said, headers.collect::<Vec<_>>());
}

fn unzipped(shaped: &Shaped) -> Vec<u8> {
    let mut text = Vec::new();
    let read = GzDecoder::new(&shaped.body[..]).read_to_end(&mut text);
    read.expect("it is gzip");
    text
}

const PLAIN: (&str, &str) = ("content-type", "text/plain");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

#[test]
fn a_form_says_what_it_is_unless_the_step_says_otherwise() {
    let step = r#","body":"{a: .id}","format":"form""#;
    let form = ("content-type", "application/x-www-form-urlencoded");
    check(
        &shaped(step, &[PLAIN], br#"{"id":"x y"}"#),
        b"a=x+y",
        &[form],
    );
    let set = r#","body":"{a: .id}","format":"xml","headers":[["content-type","text/xml"]]"#;
    check(
        &shaped(set, &[], br#"{"id":"<"}"#),
        br#"<?xml version="1.0" encoding="UTF-8"?><a>&lt;</a>"#,
        &[("content-type", "text/xml")],
    );
}

#[test]
fn bytes_are_sent_as_they_were_encoded() {
    let step = r#","body":".photo | @base64d","format":"binary""#;
    let sent = shaped(step, &[], br#"{"photo":"/wD+"}"#);
    check(
        &sent,
        b"\xff\x00\xfe",
        &[("content-type", "application/octet-stream")],
    );
    let step = r#","body":"{p: {content: (.photo | @base64d)}}","format":"multipart""#;
    let sent = shaped(step, &[], br#"{"photo":"/wD+"}"#);
    let holds = |part: &[u8]| sent.body.windows(part.len()).any(|bytes| bytes == part);
    assert!(
        holds(b"name=\"p\"\r\n\r\n\xff\x00\xfe\r\n--"),
        "{:?}",
        sent.body
    );
}

#[test]
fn what_a_form_has_no_place_for_is_said_of_the_body() {
    let step = r#","body":".","format":"form""#;
    let error = shaped_within(step, &[], b"[1]", &Limits::default()).expect_err("an array");
    assert_eq!(
        error.to_string(),
        "`body` failed: the result is an array, expected an object of fields"
    );
}

#[test]
fn a_bodiless_step_sends_nothing_and_says_nothing_of_it() {
    let came = [PLAIN, ("content-encoding", "br"), ("x-a", "1")];
    let step = r#","bodiless":true,"forward":["x-a"]"#;
    check(&shaped(step, &came, b"abc"), b"", &[("x-a", "1")]);
    let step = r#","bodiless":true,"body":"1""#;
    check(
        &shaped(step, &came, b"{}"),
        b"1",
        &[("content-type", "application/json")],
    );
}

#[test]
fn what_is_compressed_says_so_and_is_the_same_each_time() {
    let step = r#","compress":"gzip""#;
    let body = b"a body that passes ".repeat(100);
    let sent = shaped(step, &[PLAIN], &body);
    assert_eq!(unzipped(&sent), body);
    check(&sent, &sent.body, &[PLAIN, GZIP]);
    assert_eq!(sent, shaped(step, &[PLAIN], &body));
    let made = shaped(
        r#","compress":"gzip","body":".a""#,
        &[("content-encoding", "identity")],
        br#"{"a":7}"#,
    );
    assert_eq!(unzipped(&made), b"7");
    check(
        &made,
        &made.body,
        &[("content-type", "application/json"), GZIP],
    );
}

#[test]
fn what_is_encoded_or_empty_is_not_compressed() {
    let step = r#","compress":"gzip""#;
    let came = [PLAIN, ("content-encoding", "br")];
    check(&shaped(step, &came, b"abc"), b"abc", &came);
    check(&shaped(step, &[PLAIN], b""), b"", &[PLAIN]);
}

#[test]
fn compressing_has_the_deadline_of_expressions() {
    let limits = Limits {
        deadline: Duration::ZERO,
        ..Limits::default()
    };
    let late = shaped_within(r#","compress":"gzip""#, &[], b"abc", &limits);
    assert_eq!(late, Err(ShapeError::Deadline));
}
