use http::Method;

use super::{Head, HeadError, read};
use fanway_http1::Body;

fn head(text: &str, method: &Method) -> Result<Option<(Head, usize)>, HeadError> {
    read(text.as_bytes(), method)
}

/// The body that follows on a head to a request by `method`, and whether the connection can be
/// used again behind it.
#[track_caller]
fn check(method: &Method, text: &str, expected: (Body, bool)) {
    let (head, length) = head(text, method).expect("a head").expect("a whole one");
    assert_eq!((head.body, head.is_persistent), expected, "{text:?}");
    assert_eq!(length, text.len(), "{text:?}");
}

#[track_caller]
fn check_get(headers: &str, expected: (Body, bool)) {
    check(
        &Method::GET,
        &format!("HTTP/1.1 200 OK\r\n{headers}\r\n"),
        expected,
    );
}

#[test]
fn a_length_is_believed_where_it_is_clear() {
    check_get("content-length: 12\r\n", (Body::Length(12), true));
    check_get(
        "Content-Length: 7\r\nCONTENT-LENGTH: 7, 7\r\n",
        (Body::Length(7), true),
    );
    check_get("content-length: 0\r\n", (Body::OVER, true));
}

#[test]
fn without_a_length_the_connection_ends_the_body() {
    check_get("", (Body::UntilClose, false));
    check_get("transfer-encoding: gzip\r\n", (Body::UntilClose, false));
    check_get(
        "transfer-encoding: chunked, gzip\r\n",
        (Body::UntilClose, false),
    );
    check_get(
        "transfer-encoding: gzip\r\ncontent-length: 3\r\n",
        (Body::UntilClose, false),
    );
}

#[test]
fn chunks_win_over_a_length_and_cost_the_connection() {
    check_get(
        "transfer-encoding: gzip, Chunked\r\n",
        (Body::chunked(), true),
    );
    check_get(
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        (Body::chunked(), false),
    );
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n";
    check(&Method::GET, old, (Body::chunked(), false));
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    for head in ["HTTP/1.1 204 X", "HTTP/1.1 304 X", "HTTP/1.1 103 X"] {
        let text = format!("{head}\r\ncontent-length: 3\r\n\r\n");
        check(&Method::GET, &text, (Body::OVER, true));
    }
    let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    check(&Method::HEAD, text, (Body::OVER, true));
    check(&Method::CONNECT, text, (Body::OVER, false));
    check(&Method::GET, "HTTP/1.1 101 X\r\n\r\n", (Body::OVER, false));
}

#[test]
fn a_connection_lasts_as_its_peer_says() {
    check_get(
        "content-length: 0\r\nconnection: x, Close\r\n",
        (Body::OVER, false),
    );
    let old = |headers: &str| format!("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n{headers}\r\n");
    check(&Method::GET, &old(""), (Body::OVER, false));
    check(
        &Method::GET,
        &old("connection: Keep-Alive\r\n"),
        (Body::OVER, true),
    );
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = head(text, &Method::GET).expect_err("no head");
    assert_eq!(error.to_string(), expected, "{text:?}");
}

#[test]
fn an_unclear_head_is_refused() {
    let unclear = "the answer's length is unclear";
    for length in [
        "1, 2",
        "1\r\ncontent-length: 2",
        "+1",
        "-1",
        "1 1",
        "",
        "0x1",
        "1,",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        check_refused(&text, unclear);
    }
    let huge = "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n";
    check_refused(huge, unclear);
    check_refused("HTTP/1.1 099 X\r\n\r\n", "the answer's status is none");
    check_refused(
        "SSH-2.0-x\r\n\r\n",
        "the answer's head is no HTTP/1: invalid HTTP version",
    );
    let many = "x: y\r\n".repeat(101);
    check_refused(
        &format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        "the answer's head is no HTTP/1: too many headers",
    );
}

#[test]
fn a_head_is_read_once_it_is_whole() {
    for end in ["\r\n", "\n"] {
        let text = format!("HTTP/1.1 200 OK{end}content-length: 2{end}{end}");
        for cut in 0..text.len() {
            assert_eq!(
                head(&text[..cut], &Method::GET),
                Ok(None),
                "{cut} of {text:?}"
            );
        }
        check(&Method::GET, &text, (Body::Length(2), true));
    }
}

#[test]
fn what_matters_of_its_fields_is_noted() {
    let text = "HTTP/1.1 503 X\r\nRetry-After: 5\r\nratelimit: \"a\";r=0;t=9\r\n\r\n";
    let (head, _) = head(text, &Method::GET)
        .expect("a head")
        .expect("a whole one");
    assert_eq!(head.noted.retry_after.as_deref(), Some("5"));
    let limits = head.noted.limits.expect("there is one");
    assert_eq!(limits.limit.as_deref(), Some("\"a\";r=0;t=9"));
}
