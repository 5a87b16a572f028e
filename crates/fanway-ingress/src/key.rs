//! The text of an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! The draft has it as a string of RFC 9651; in practice it often comes bare, without quotes. Both
//! are read, and mean the same key. Parameters behind the string are refused.

use std::borrow::Cow;

use http::HeaderValue;

use fanway_types::IdempotencyKey;

use crate::headers::Sent;
use crate::params::Idempotency;
use crate::problem::{Kind, Problem};

/// What can't stand in a bare key, since it could begin a second one, or parameters.
const SEPARATORS: [u8; 3] = [b'"', b',', b';'];

/// The key that was sent.
///
/// # Errors
/// [`Kind::IdempotencyKeyMissing`] where the route requires one,
/// [`Kind::IdempotencyKeyMalformed`] where it can't be read or there are several.
pub(crate) fn read(sent: Sent<'_>, rules: Idempotency) -> Result<Option<Box<str>>, Problem> {
    let value = match sent {
        Sent::Never if rules.required => return Err(Kind::IdempotencyKeyMissing.into()),
        Sent::Never => return Ok(None),
        Sent::Once(value) => value,
        Sent::Repeatedly => return Err(malformed("there is more than one")),
    };
    let text = parse(value)?;
    if text.is_empty() || text.len() > IdempotencyKey::LONGEST {
        return Err(malformed("it doesn't have 1 to 255 bytes"));
    }
    Ok(Some(text.into()))
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(Kind::IdempotencyKeyMalformed, detail)
}

fn parse(value: &HeaderValue) -> Result<Cow<'_, str>, Problem> {
    let text = value
        .to_str()
        .map_err(|_| malformed("it has bytes that aren't ASCII"))?;
    if let Some(quoted) = text.strip_prefix('"') {
        return unquote(quoted).ok_or_else(|| malformed("it isn't one string in double quotes"));
    }
    let fits = |byte: u8| byte.is_ascii_graphic() && !SEPARATORS.contains(&byte);
    if text.bytes().all(fits) {
        Ok(text.into())
    } else {
        Err(malformed(
            "without double quotes it has no spaces, commas or semicolons",
        ))
    }
}

/// The string whose opening quote was taken off (RFC 9651, section 4.2.5).
fn unquote(rest: &str) -> Option<Cow<'_, str>> {
    let within = rest.strip_suffix('"')?;
    if !within.contains(['\\', '"']) {
        return printable(within).then_some(within.into());
    }
    let mut text = String::with_capacity(within.len());
    let mut characters = within.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => characters
                .next()
                .filter(|next| matches!(next, '\\' | '"'))?,
            '"' => return None,
            other => other,
        });
    }
    printable(&text).then_some(text.into())
}

fn printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::read;
    use crate::headers::Sent;
    use crate::params::Idempotency;
    use crate::problem::Kind;

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        let header = HeaderValue::from_str(value).expect("a header");
        let key = read(Sent::Once(&header), Idempotency::default());
        let key = key.map(|key| key.expect("one was sent"));
        match expected {
            Some(expected) => assert_eq!(key.as_deref(), Ok(expected), "{value}"),
            None => {
                let kind = key.expect_err("malformed").kind;
                assert_eq!(kind, Kind::IdempotencyKeyMalformed, "{value}");
            }
        }
    }

    #[test]
    fn a_key_is_read_with_quotes_and_without() {
        check(
            r#""8e03978e-40d5-43dd-bc93""#,
            Some("8e03978e-40d5-43dd-bc93"),
        );
        check("8e03978e-40d5-43dd-bc93", Some("8e03978e-40d5-43dd-bc93"));
        check("order:7/a=b", Some("order:7/a=b"));
        check(r"a\b", Some(r"a\b"));
        check(r#""a b, c; d""#, Some("a b, c; d"));
    }

    #[test]
    fn escapes_within_quotes_are_undone() {
        check(r#""a\"b\\c""#, Some(r#"a"b\c"#));
        check(r#""\"""#, Some("\""));
        check(r#""a\bc""#, None);
        check(r#""a\""#, None);
        check(r#""a"b""#, None);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in [
            "",
            r#""""#,
            "\"",
            r#""a"#,
            r#"a""#,
            r#"a"b"#,
            "a b",
            "a,b",
            "a;b=c",
            r#""a";b=c"#,
            r#""a", "b""#,
            "\"a\tb\"",
            "a\tb",
        ] {
            check(wrong, None);
        }
        let bytes = HeaderValue::from_bytes("\"é\"".as_bytes()).expect("a header");
        assert!(read(Sent::Once(&bytes), Idempotency::default()).is_err());
    }

    #[test]
    fn a_key_has_1_to_255_bytes_without_its_quotes() {
        let longest = "k".repeat(255);
        check(&longest, Some(&longest));
        check(&format!("\"{longest}\""), Some(&longest));
        check(
            &format!(r#""{}\\""#, &longest[1..]),
            Some(&format!(r"{}\", &longest[1..])),
        );
        check(&format!("{longest}k"), None);
        check(&format!("\"{longest}k\""), None);
    }

    #[test]
    fn there_is_one_key_or_none() {
        let required = Idempotency {
            required: true,
            ..Idempotency::default()
        };
        assert_eq!(read(Sent::Never, Idempotency::default()), Ok(None));
        let missing = read(Sent::Never, required).expect_err("it is required");
        assert_eq!(missing.kind, Kind::IdempotencyKeyMissing);
        let twice = read(Sent::Repeatedly, required).expect_err("it is there twice");
        assert_eq!(twice.kind, Kind::IdempotencyKeyMalformed);
    }
}
