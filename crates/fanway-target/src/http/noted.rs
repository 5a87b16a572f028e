//! What is handed on of an answer's head besides its status: when to come back, and what the target
//! says of its limits. Nothing is understood here, and all other fields are passed over.

use crate::Limits;

/// The fields that are handed on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// The first `Retry-After`, where it is text.
    pub(super) retry_after: Option<Box<str>>,
    /// What the target says of its limits, where it says anything.
    pub(super) limits: Option<Box<Limits>>,
}

impl Noted {
    /// Notes a field, where it is one of those. By its name's length most are told apart.
    pub(super) fn hear(&mut self, name: &str, value: &[u8]) {
        match name.len() {
            11 if self.retry_after.is_none() && name.eq_ignore_ascii_case("retry-after") => {
                self.retry_after = text(value).map(Box::from);
            }
            9 | 16 | 17 | 21 => self.hear_limit(name, value),
            _ => {}
        }
    }

    fn hear_limit(&mut self, name: &str, value: &[u8]) {
        let named = |field: &str| name.eq_ignore_ascii_case(field);
        let field: fn(&mut Limits) -> &mut Option<Box<str>> = match name.len() {
            9 if named("ratelimit") => |limits| &mut limits.limit,
            16 if named("ratelimit-policy") => |limits| &mut limits.policy,
            17 if named("x-ratelimit-reset") => |limits| &mut limits.reset,
            21 if named("x-ratelimit-remaining") => |limits| &mut limits.remaining,
            _ => return,
        };
        let Some(value) = text(value) else { return };
        let noted = field(self.limits.get_or_insert_default());
        // Several lines of a list are one (RFC 9110 section 5.3).
        *noted = Some(match noted.take() {
            None => value.into(),
            Some(before) => format!("{before}, {value}").into(),
        });
    }
}

/// A value in visible ASCII.
fn text(value: &[u8]) -> Option<&str> {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let text = value.iter().all(is_text).then_some(value.trim_ascii())?;
    str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::Noted;
    use crate::Limits;

    fn noted(fields: &[(&str, &[u8])]) -> Noted {
        let mut noted = Noted::default();
        for (name, value) in fields {
            noted.hear(name, value);
        }
        noted
    }

    #[track_caller]
    fn check_retry_after(fields: &[(&str, &[u8])], expected: Option<&str>) {
        assert_eq!(noted(fields).retry_after.as_deref(), expected);
    }

    #[test]
    fn the_first_retry_after_counts_where_it_is_text() {
        check_retry_after(&[("retry-after", b"5 "), ("retry-after", b"9")], Some("5"));
        check_retry_after(&[("Retry-After", b"\xff")], None);
        check_retry_after(&[("retry-afterx", b"5"), ("x-retry-aft", b"5")], None);
    }

    #[test]
    fn what_is_said_of_limits_is_noted_as_it_came() {
        let all: [(&str, &[u8]); 6] = [
            ("RateLimit", b"\"a\";r=1;t=2"),
            ("ratelimit", b"\"b\";r=3;t=4"),
            ("RateLimit-Policy", b"\"a\";q=9"),
            ("X-RateLimit-Remaining", b" 7 "),
            ("x-ratelimit-reset", b"60"),
            ("x-ratelimit-limit", b"100"),
        ];
        let expected = Limits {
            limit: Some("\"a\";r=1;t=2, \"b\";r=3;t=4".into()),
            policy: Some("\"a\";q=9".into()),
            remaining: Some("7".into()),
            reset: Some("60".into()),
        };
        assert_eq!(noted(&all).limits.as_deref(), Some(&expected));
    }

    #[test]
    fn a_head_that_says_nothing_of_limits_costs_nothing() {
        let others: [(&str, &[u8]); 5] = [
            ("etag-abcd", b"1"),
            ("transfer-encoding", b"chunked"),
            ("x-ratelimit-limit", b"100"),
            ("ratelimit", b"\xff"),
            ("content-type", b"text/plain"),
        ];
        assert_eq!(noted(&others), Noted::default());
    }
}
