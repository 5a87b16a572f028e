use fanway_http1::Body;
use http::Version;

use super::read;
use crate::problem::{Kind, Problem};

const HOST: &str = "host: a\r\n";

/// Reads a head of which nothing is missing.
#[track_caller]
fn whole(text: &str) -> Result<super::Head, Problem> {
    let read = read(text.as_bytes(), 100)?;
    let (head, length) = read.expect("nothing is missing");
    assert_eq!(length, text.len());
    Ok(head)
}

#[track_caller]
fn check_body(headers: &str, expected: Option<Body>) {
    let head = whole(&format!("POST /a HTTP/1.1\r\n{HOST}{headers}\r\n"));
    let body = head.map(|head| head.body).map_err(|problem| problem.kind);
    assert_eq!(body, expected.ok_or(Kind::RequestMalformed), "{headers:?}");
}

#[track_caller]
fn check_persistence(version: &str, headers: &str, expected: bool) {
    let head = whole(&format!("GET / {version}\r\n{HOST}{headers}\r\n")).expect("a head");
    assert_eq!(head.is_persistent, expected, "{version} {headers:?}");
}

#[track_caller]
fn check_refused(text: &str, kind: Kind) {
    assert_eq!(
        read(text.as_bytes(), 4)
            .map(|_| ())
            .map_err(|problem| problem.kind),
        Err(kind),
        "{text:?}"
    );
}

#[test]
fn a_head_says_what_is_asked_for() {
    let text = "PUT /a/b?c=%20 HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nx-two: \r\nX-One: 2\r\n\r\n";
    let parts = whole(text).expect("a head").parts;
    assert_eq!(parts.method, "PUT");
    assert_eq!(parts.uri, "/a/b?c=%20");
    assert_eq!(parts.version, Version::HTTP_11);
    let headers: Vec<_> = parts.headers.iter().collect();
    let text: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().expect("text")))
        .collect();
    assert_eq!(text, ["host=a", "x-one=1", "x-one=2", "x-two="]);
}

#[test]
fn a_head_is_read_once_all_of_it_is_there() {
    let text = format!("GET / HTTP/1.1\r\n{HOST}\r\n");
    for end in 0..text.len() {
        let read = read(&text.as_bytes()[..end], 100).expect("it is well-formed");
        assert!(read.is_none(), "{end}");
    }
    let behind = format!("{text}GET");
    let (_, length) = read(behind.as_bytes(), 100)
        .expect("a head")
        .expect("it is whole");
    assert_eq!(length, text.len());
}

#[test]
fn a_body_is_framed_in_one_way_or_the_request_refused() {
    check_body("", Some(Body::Length(0)));
    check_body("content-length: 12\r\n", Some(Body::Length(12)));
    check_body(
        "content-length: 12\r\ncontent-length: 12\r\n",
        Some(Body::Length(12)),
    );
    check_body("transfer-encoding: chunked\r\n", Some(Body::chunked()));
    check_body("Transfer-Encoding: CHUNKED\r\n", Some(Body::chunked()));
    for unclear in [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: 1, 2\r\n",
        "content-length: +1\r\n",
        "content-length: \r\n",
        "content-length: 1 1\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: \r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: \u{b}chunked\r\n",
    ] {
        check_body(unclear, None);
    }
}

#[test]
fn the_connection_goes_on_as_the_version_has_it() {
    check_persistence("HTTP/1.1", "", true);
    check_persistence("HTTP/1.1", "connection: te, Close\r\n", false);
    check_persistence("HTTP/1.0", "", false);
    check_persistence("HTTP/1.0", "connection: Keep-Alive\r\n", true);
    check_persistence("HTTP/1.0", "connection: keep-alive, close\r\n", false);
}

#[test]
fn what_is_no_head_is_refused() {
    for text in [
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx\0: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: b\rc\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http:// HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n",
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        check_refused(text, Kind::RequestMalformed);
    }
    let five = "x: 1\r\n".repeat(4);
    check_refused(
        &format!("GET / HTTP/1.1\r\n{HOST}{five}\r\n"),
        Kind::HeadersTooLarge,
    );
}
