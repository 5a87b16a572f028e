//! What templates give for each landing, and what they refuse.

use std::time::Duration;

use fanway_types::ByteCount;

use super::{Landing, Template};
use crate::json;
use crate::meter::Meter;
use crate::program::{CompileError, Scope};
use crate::value::Value;

fn render(source: &str, landing: Landing, input: &str) -> Result<String, String> {
    let template = Template::compile(source, landing).expect("a template");
    let input = Value::parsed(json::parse(input.as_bytes(), 128).expect("JSON"), 128);
    let scope = Scope {
        request: input.clone(),
        message: input.clone(),
        steps: input.clone(),
    };
    let mut result = String::new();
    let meter = Meter::start(Duration::MAX, ByteCount::mib(1));
    template
        .render(&input, &scope, &meter, &mut result)
        .map(|()| result)
}

#[track_caller]
fn check(source: &str, landing: Landing, input: &str, expected: &str) {
    assert_eq!(
        render(source, landing, input).as_deref(),
        Ok(expected),
        "{source} of {input}"
    );
}

#[track_caller]
fn check_failure(source: &str, landing: Landing, input: &str, expected: &str) {
    assert_eq!(
        render(source, landing, input)
            .as_ref()
            .map_err(String::as_str),
        Err(expected),
        "{source} of {input}"
    );
}

#[track_caller]
fn check_error(source: &str, landing: Landing, offset: usize, message: &str) {
    let error = Template::compile(source, landing).expect_err("no template");
    assert_eq!(error, CompileError::new(offset, message), "{source}");
}

#[test]
fn values_are_encoded_where_they_land() {
    let text = r#""a/b ?#%é..~_-""#;
    check(
        r"/x/\(.)",
        Landing::Path,
        text,
        "/x/a%2Fb%20%3F%23%25%C3%A9..~_-",
    );
    check(
        r"\(.)!",
        Landing::Query,
        text,
        "a%2Fb%20%3F%23%25%C3%A9..~_-!",
    );
    check(r"<\(.)>", Landing::Header, text, "<a/b ?#%é..~_->");
    check(r"/\(.)", Landing::Path, r#""a\nb\r""#, "/a%0Ab%0D");
}

#[test]
fn scalars_have_a_text_and_others_have_none() {
    check(
        r"/\(.[0])/\(.[1])/\(.[2])",
        Landing::Path,
        r#"[1.50, true, "x"]"#,
        "/1.50/true/x",
    );
    check(r"\(.)", Landing::Query, r#""""#, "");
    check(r"a\(.)b", Landing::Header, r#""""#, "ab");
    check_failure(r"/\(.id)", Landing::Path, "{}", r"\(.id) is null");
    check_failure(r"\(.)", Landing::Header, "[]", r"\(.) is an array");
    check_failure(r"\(.)", Landing::Query, "{}", r"\(.) is an object");
    check_failure(
        r"\(nan)",
        Landing::Query,
        "{}",
        r"\(nan) isn't a finite number",
    );
    check_failure(
        r"\(.[])",
        Landing::Query,
        "[]",
        r"\(.[]): the program gave no value, expected one",
    );
}

#[test]
fn paths_neither_climb_nor_collapse() {
    check_failure(
        r"/a/\(.)",
        Landing::Path,
        r#""..""#,
        "a segment of the path is `.` or `..`",
    );
    check_failure(
        r"/a/\(.)/b",
        Landing::Path,
        r#"".""#,
        "a segment of the path is `.` or `..`",
    );
    check_failure(
        r"/a/.\(.)",
        Landing::Path,
        r#"".""#,
        "a segment of the path is `.` or `..`",
    );
    check_failure(
        r"/a/%2E\(.)",
        Landing::Path,
        r#"".""#,
        "a segment of the path is `.` or `..`",
    );
    check_failure(r"/a/\(.)", Landing::Path, r#""""#, r"\(.) is empty");
    check(r"/a/\(.)", Landing::Path, r#""../b""#, "/a/..%2Fb");
    check(r"/a/\(.)", Landing::Path, r#""...""#, "/a/...");
    check_failure(
        r"/\(.)",
        Landing::Path,
        r#""a\u0000""#,
        r"\(.) has a NUL in it",
    );
}

#[test]
fn control_characters_are_refused_in_headers() {
    check(r"\(.)", Landing::Header, r#""a\tb""#, "a\tb");
    for control in [r"\n", r"\r", r"\u0000", r"\u007f", r"\u0085"] {
        check_failure(
            r"\(.)",
            Landing::Header,
            &format!("\"a{control}b\""),
            r"\(.) has a control character in it",
        );
    }
}

#[test]
fn programs_end_at_their_own_bracket() {
    check(r#"/\("a)b" | length)/x"#, Landing::Path, "null", "/3/x");
    check(r#"/\("\(1 + (2))")"#, Landing::Path, "null", "/3");
    check(
        "/\\([1, {a: (2)}] | # )\n length)",
        Landing::Path,
        "null",
        "/2",
    );
    check(r"a\\(.)", Landing::Header, "1", r"a\(.)");
    check(r"", Landing::Query, "1", "");
}

#[test]
fn what_is_wrong_with_a_template_is_said_with_its_place() {
    check_error(
        r"/a/\(.id | fooo)",
        Landing::Path,
        11,
        "unknown function `fooo`",
    );
    check_error(r"/a/\(.id", Landing::Path, 3, r"`\(` without its `)`");
    check_error(r"/a/\(.id]", Landing::Path, 3, r"`\(` without its `)`");
    check_error(
        r"/a\n",
        Landing::Path,
        2,
        r"a backslash alone: write `\\` for it, or `\(…)` for a program",
    );
    check_error("a/b", Landing::Path, 0, "a path begins with `/`");
    check_error(r"\(.a)/b", Landing::Path, 0, "a path begins with `/`");
    check_error("/a b", Landing::Path, 2, "a space: write `%20`");
    check_error(
        "/a?b=c",
        Landing::Path,
        2,
        "`?` in a path: parameters go under `query`",
    );
    check_error("/a#b", Landing::Path, 2, "`#`: a fragment isn't sent");
    check_error(
        "/é",
        Landing::Path,
        1,
        "a character that must be percent-encoded",
    );
    check_error(
        "/a%2",
        Landing::Path,
        2,
        "`%` without two hexadecimal digits: write `%25`",
    );
    check_error(
        "/a/../b",
        Landing::Path,
        0,
        "a segment of the path is `.` or `..`",
    );
    check_error(
        "/a/%2e%2E/b",
        Landing::Path,
        0,
        "a segment of the path is `.` or `..`",
    );
    check_error("a&b", Landing::Query, 1, "`&` in a parameter: write `%26`");
    check_error("a\nb", Landing::Header, 1, "a control character");
    check_error("a\0b", Landing::Header, 1, "a control character");
}
