//! What bodies look like in each form, and what is refused. Where there is a reader that isn't ours
//! it is asked what it makes of them.

use fanway_types::{BodyFormat, ByteCount};
use roxmltree::{Document, Node};

use super::{Refusal, Written, write};
use crate::json;

fn written_within(json: &str, format: BodyFormat, limit: u64) -> Result<Written, Refusal> {
    let value = json::parse(json.as_bytes(), 64).expect("JSON");
    write(&value, format, ByteCount::new(limit))
}

#[track_caller]
fn text(json: &str, format: BodyFormat) -> String {
    let written = written_within(json, format, 10_000).expect("it has a place for it");
    String::from_utf8(written.bytes.to_vec()).expect("text")
}

#[track_caller]
fn check(format: BodyFormat, json: &str, expected: &str) {
    assert_eq!(text(json, format), expected, "{json}");
}

#[track_caller]
fn check_refused(format: BodyFormat, json: &str, expected: &str) {
    match written_within(json, format, 10_000) {
        Err(Refusal::Unfit(why)) => assert!(why.contains(expected), "{why}"),
        other => panic!("{json} gave {other:?}"),
    }
}

/// Writes a form and reads it as browsers' forms are read.
#[track_caller]
fn check_form(json: &str, expected: &[(&str, &str)]) {
    let text = text(json, BodyFormat::Form);
    let read: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    let read: Vec<_> = read
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(read, expected, "{text}");
}

#[test]
fn a_form_is_read_as_it_was_meant() {
    check_form(
        r#"{"name":"Ada & Co = +1%","sum":9.50,"is paid":true,"é":"ß\n","none":null,"":"x"}"#,
        &[
            ("name", "Ada & Co = +1%"),
            ("sum", "9.50"),
            ("is paid", "true"),
            ("é", "ß\n"),
            ("", "x"),
        ],
    );
    check_form(
        r#"{"id":[3,"b",false],"last":"z"}"#,
        &[("id", "3"), ("id", "b"), ("id", "false"), ("last", "z")],
    );
    check(
        BodyFormat::Form,
        r#"{"a b":"*-._~ é"}"#,
        "a+b=*-._%7E+%C3%A9",
    );
    check(BodyFormat::Form, "{}", "");
}

#[test]
fn a_form_holds_fields_only() {
    check_refused(BodyFormat::Form, "[1]", "is an array, expected an object");
    check_refused(
        BodyFormat::Form,
        r#"{"a":{"b":1}}"#,
        "`a` is or holds an object",
    );
    check_refused(BodyFormat::Form, r#"{"a":[null]}"#, "`a` is or holds null");
}

#[test]
fn a_multipart_body_has_a_part_for_each_member() {
    let json = r#"{"note":"two\nlines","n":[1,true],"skip":null,
        "pic\"ture":{"filename":"a\r\"b.png","type":"image/png","content":"bytes"}}"#;
    let written = written_within(json, BodyFormat::Multipart, 10_000).expect("parts");
    let boundary = written
        .media_type
        .strip_prefix("multipart/form-data; boundary=");
    let boundary = boundary.expect("its type").to_owned();
    let expected = [
        "--B\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\ntwo\nlines\r\n",
        "--B\r\ncontent-disposition: form-data; name=\"n\"\r\n\r\n1\r\n",
        "--B\r\ncontent-disposition: form-data; name=\"n\"\r\n\r\ntrue\r\n",
        "--B\r\ncontent-disposition: form-data; name=\"pic%22ture\"; filename=\"a%0D%22b.png\"\r\n",
        "content-type: image/png\r\n\r\nbytes\r\n",
        "--B--\r\n",
    ];
    let expected = expected.concat().replace("--B", &format!("--{boundary}"));
    assert_eq!(written.bytes, expected);
}

#[test]
fn a_boundary_is_the_same_for_the_same_parts_and_another_for_others() {
    let boundary = |json| {
        let written = written_within(json, BodyFormat::Multipart, 10_000);
        written.expect("parts").media_type.into_owned()
    };
    assert_eq!(boundary(r#"{"a":"b"}"#), boundary(r#"{"a":"b"}"#));
    assert_ne!(boundary(r#"{"a":"b"}"#), boundary(r#"{"a":"c"}"#));
    assert_ne!(boundary(r#"{"a":"b"}"#), boundary(r#"{"b":"b"}"#));
}

#[test]
fn a_part_is_refused_where_it_would_not_say_what_it_is() {
    let check = |json, expected| check_refused(BodyFormat::Multipart, json, expected);
    check("3", "is a number, expected an object");
    check("{}", "has no part");
    check(r#"{"a":[[]]}"#, "`a` is or holds an array");
    check(
        r#"{"a":{"file":"x","content":"y"}}"#,
        "`a` has a member `file`",
    );
    check(r#"{"a":{"filename":"x"}}"#, "`a` has no `content`");
    check(
        r#"{"a":{"filename":3,"content":"y"}}"#,
        "the `filename` of `a` is a number",
    );
    check(
        r#"{"a":{"type":"a\r\nb: c","content":"y"}}"#,
        "the `type` of `a` is no media type",
    );
}

/// An element as it was read: its name, attributes, text and what is within it.
fn shown(node: Node<'_, '_>) -> String {
    let mut shown = node.tag_name().name().to_owned();
    for attribute in node.attributes() {
        shown.push_str(&format!("[{}={:?}]", attribute.name(), attribute.value()));
    }
    for child in node.children() {
        match child.text().filter(|_| child.is_text()) {
            Some(text) => shown.push_str(&format!(" {text:?}")),
            None => shown.push_str(&format!(" ({})", self::shown(child))),
        }
    }
    shown
}

/// Writes XML and shows what a reader makes of it.
#[track_caller]
fn check_xml(json: &str, expected: &str) {
    let text = text(json, BodyFormat::Xml);
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(shown(document.root_element()), expected, "{text}");
}

#[test]
fn xml_is_read_as_it_was_meant() {
    check_xml(
        r#"{"order":"<a> & \"b\" ]]> é"}"#,
        r#"order "<a> & \"b\" ]]> é""#,
    );
    check_xml(
        r##"{"order":{"@id":7,"@note":"a\n\t\"<","@none":null,"lines":{"line":[{"@sku":"x","#text":2},null,"t"]},"paid":true}}"##,
        r#"order[id="7"][note="a\n\t\"<"] (lines (line[sku="x"] "2") (line) (line "t")) (paid "true")"#,
    );
    check_xml(r#"{"a":" \r\n\t"}"#, r#"a " \r\n\t""#);
    check_xml(
        r#"{"a":{"b":{},"c":{"@d":1},"e":[]}}"#,
        r#"a (b) (c[d="1"])"#,
    );
    check_xml(
        r#"{"soap:Envelope":{"@xmlns:soap":"urn:s","soap:Body":null}}"#,
        "Envelope (Body)",
    );
    check(
        BodyFormat::Xml,
        r#"{"a":null}"#,
        r#"<?xml version="1.0" encoding="UTF-8"?><a/>"#,
    );
}

#[test]
fn what_is_no_xml_is_refused() {
    let check = |json, expected| check_refused(BodyFormat::Xml, json, expected);
    check(r#""a""#, "is a text, expected an object with one member");
    check("{}", "expected an object with one member");
    check(r#"{"a":1,"b":2}"#, "expected an object with one member");
    check(r#"{"a":[1]}"#, "`a` is an array, expected a root element");
    check(r#"{"a":{"b":[[1]]}}"#, "`b` holds an array");
    check(r#"{"a b":1}"#, "`a b` is no name");
    check(r#"{"a":{"1b":1}}"#, "`1b` is no name");
    check(r#"{"a":{"@b><c":1}}"#, "`b><c` is no name");
    check(r#"{"a:b:c":1}"#, "`a:b:c` is no name");
    check(r#"{"a":{"@b":{}}}"#, "`@b` of `a` is an object");
    check(r##"{"a":{"#text":[1]}}"##, "`#text` of `a` is an array");
    check(r#"{"a":"\u0001"}"#, "U+0001");
    check(r#"{"a":{"@b":"\uffff"}}"#, "U+FFFF");
}

#[test]
fn text_and_bytes_are_sent_as_they_are() {
    check(BodyFormat::Text, r#""a \"b\" é""#, "a \"b\" é");
    check(BodyFormat::Text, "1.50", "1.50");
    check(BodyFormat::Text, "false", "false");
    check(BodyFormat::Binary, r#""abc""#, "abc");
    check_refused(BodyFormat::Text, "null", "is null, expected a text");
    check_refused(
        BodyFormat::Binary,
        "1",
        "is a number, expected a text, or bytes",
    );
}

#[test]
fn each_form_says_what_it_is() {
    let check = |format, json, expected| {
        let written = written_within(json, format, 10_000).expect("a body");
        assert_eq!(written.media_type, expected);
    };
    check(BodyFormat::Json, "1", "application/json");
    check(BodyFormat::Form, "{}", "application/x-www-form-urlencoded");
    check(BodyFormat::Xml, r#"{"a":1}"#, "application/xml");
    check(BodyFormat::Text, "1", "text/plain; charset=utf-8");
    check(BodyFormat::Binary, r#""""#, "application/octet-stream");
}

#[test]
fn no_form_is_longer_than_allowed() {
    let check = |format, json| {
        let whole = written_within(json, format, 10_000)
            .expect("a body")
            .bytes
            .len() as u64;
        assert!(written_within(json, format, whole).is_ok(), "{format:?}");
        let refused = written_within(json, format, whole - 1).expect_err("too long");
        assert_eq!(refused, Refusal::TooLarge, "{format:?}");
    };
    check(BodyFormat::Json, r#"{"a":"b c"}"#);
    check(BodyFormat::Form, r#"{"a":"b c"}"#);
    check(BodyFormat::Multipart, r#"{"a":"b c"}"#);
    check(BodyFormat::Xml, r#"{"a":{"@b":"c","d":"<"}}"#);
    check(BodyFormat::Text, r#""abc""#);
    check(BodyFormat::Binary, r#""abc""#);
}
