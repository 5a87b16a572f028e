//! What is JSON, and where it isn't.

use std::io::Write;

use fanway_types::ByteCount;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{ErrorKind, Limits, check, parse, write};

const LIMITS: Limits = Limits {
    size: ByteCount::kib(64),
    depth: 128,
};

#[track_caller]
fn check_good(text: &str) {
    assert_eq!(check(text.as_bytes(), None, LIMITS), Ok(()), "{text}");
    let value = parse(text.as_bytes(), LIMITS.depth).expect("what passes the check is read");
    let written = write::to_json(&value, ByteCount::mib(1)).expect("what was read can be written");
    let reread: serde_json::Value =
        serde_json::from_slice(&written).expect("what is written is JSON");
    let theirs: serde_json::Value =
        serde_json::from_str(text).expect("another reader takes it too");
    assert_eq!(reread, theirs, "{text}");
}

#[track_caller]
fn check_flaw(text: impl AsRef<[u8]>, offset: usize, what: &str) {
    let text = text.as_ref();
    let error = check(text, None, LIMITS).expect_err("not JSON");
    assert_eq!(
        (error.offset, error.what),
        (offset, what),
        "{}",
        String::from_utf8_lossy(text)
    );
    assert!(
        serde_json::from_slice::<serde_json::Value>(text).is_err(),
        "another reader refuses it too"
    );
}

#[test]
fn json_is_read_with_its_meaning() {
    check_good("null");
    check_good(" [ ] ");
    check_good("{}");
    check_good(r#"{"a": [1, -7, 0.5, 1e3, 1E-2, -1.25e+2], "b": {"c": null}, "": [[], {}]}"#);
    check_good(r#"["\"\\\/\b\f\n\r\t", "\u00e4\ud83d\ude00", "ä😀", "\u0000"]"#);
    check_good("\r\n\t[true,\tfalse]\n");
    check_good(r#"{"a": 1, "a": 2}"#);
    check_good("12345678901234567890");
}

#[test]
fn anything_else_is_refused_at_its_place() {
    check_flaw("", 0, "the text ends where a value is expected");
    check_flaw("[1,]", 3, "expected a value");
    check_flaw("[1 2]", 3, "expected `,` or `]`");
    check_flaw(r#"{"a":1 "b":2}"#, 7, "expected `,` or `}`");
    check_flaw("{a:1}", 1, "expected a key in quotes");
    check_flaw(r#"{"a":1,}"#, 7, "expected a key in quotes");
    check_flaw(r#"{"a" 1}"#, 5, "expected `:`");
    check_flaw("[}", 1, "expected a value");
    check_flaw("01", 1, "text after the value");
    check_flaw("+1", 0, "expected a value");
    check_flaw("1.", 2, "expected a digit");
    check_flaw("-", 1, "expected a digit");
    check_flaw("NaN", 0, "expected a value");
    check_flaw("# no\n1", 0, "expected a value");
    check_flaw("nul", 0, "expected a value");
    check_flaw("\"a", 2, "a string without an end");
    check_flaw("\"a\n\"", 2, "a control character in a string");
    check_flaw(r#""\x41""#, 1, "an unknown escape");
    check_flaw(r#""\ud800""#, 1, "half of a surrogate pair");
    check_flaw(r#""\udc00\ud800""#, 1, "half of a surrogate pair");
    check_flaw(r#""\u12g4""#, 1, "expected four hexadecimal digits");
    check_flaw(b"\"\xff\"", 1, "text that isn't UTF-8");
    check_flaw("\u{feff}1", 0, "expected a value");
}

#[test]
fn a_flaw_is_named_by_line_and_character() {
    let error = check("{\"ä\": 1,\n \"öö\": x}".as_bytes(), None, LIMITS).expect_err("not JSON");
    assert_eq!((error.line, error.column), (2, 8));
    assert_eq!(error.to_string(), "expected a value at line 2, column 8");
}

#[test]
fn nesting_is_counted_without_recursion() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    check(nested(128).as_bytes(), None, LIMITS).expect("128 levels are allowed");
    let error = check(nested(129).as_bytes(), None, LIMITS).expect_err("129 are not");
    assert_eq!((error.kind, error.offset), (ErrorKind::TooDeep, 128));
    let endless = check(&b"[".repeat(60_000), None, LIMITS).expect_err("too deep");
    assert_eq!(endless.kind, ErrorKind::TooDeep);
}

#[test]
fn numbers_keep_their_digits_up_to_a_length() {
    let text = b"[1.10, 123456789012345678901234567890]";
    let value = parse(text, 1).expect("JSON");
    assert_eq!(
        write::to_json(&value, ByteCount::kib(1)).expect("JSON"),
        b"[1.10,123456789012345678901234567890]"
    );
    let error = check(&b"9".repeat(1025), None, LIMITS).expect_err("too long");
    assert_eq!((error.kind, error.offset), (ErrorKind::Malformed, 0));
}

#[test]
fn what_json_has_no_form_for_is_not_written() {
    for value in [f64::NAN, f64::INFINITY] {
        assert!(write::to_json(&value.into(), ByteCount::kib(1)).is_err());
    }
    let text = write::to_json(&parse(b"[10,20]", 1).expect("JSON"), ByteCount::new(6));
    assert_eq!(text, Err(write::Refusal::TooLarge));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

#[track_caller]
fn check_encoded(body: &[u8], encoding: &str, expected: Option<ErrorKind>) {
    let kind = check(body, Some(encoding), LIMITS)
        .err()
        .map(|error| error.kind);
    assert_eq!(kind, expected, "{encoding}");
}

#[test]
fn compressed_bodies_are_read_within_the_limit() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(b"[1]").expect("a vector takes all");
    check_encoded(&zlib.finish().expect("a vector takes all"), "deflate", None);
    check_encoded(&gzip(b"[1]"), "gzip", None);
    check_encoded(&gzip(b"[1]"), " GZIP ", None);
    check_encoded(&gzip(b"[1"), "gzip", Some(ErrorKind::Malformed));
    check_encoded(b"[1]", "identity", None);
    check_encoded(b"[1]", "gzip", Some(ErrorKind::Encoding));
    check_encoded(&gzip(b"[1]")[..20], "gzip", Some(ErrorKind::Encoding));
    check_encoded(b"[1]", "br", Some(ErrorKind::UnsupportedEncoding));
    check_encoded(b"[1]", "gzip, gzip", Some(ErrorKind::UnsupportedEncoding));
}

#[test]
fn a_decompression_bomb_stops_at_the_limit() {
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 70_000);
    check_encoded(&bomb, "gzip", Some(ErrorKind::TooLarge));
    check_encoded(&vec![b' '; 65 << 10], "identity", Some(ErrorKind::TooLarge));
}
