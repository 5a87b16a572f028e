//! Why an attempt failed, in words for an operator.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use fanway_target::{Capture, Captured, Exchange};
use fanway_types::Outcome;

/// What an operator has to know of a redirect, whose body rarely says more than the status.
const NOT_FOLLOWED: &str = "redirects are not followed";

/// What is written down of an attempt that wasn't a success: `why` not, where something is to be
/// said to that, and the error, or the beginning of the answer's body. `None` where there is
/// nothing of it.
pub(super) fn of_exchange(exchange: &Exchange, why: Option<&str>) -> Option<Arc<str>> {
    match exchange {
        Exchange::Answered { status, body, .. } => {
            let why = why.or(is_redirect(*status).then_some(NOT_FOLLOWED));
            match (why, excerpt(body)) {
                (Some(why), Some(excerpt)) => Some(of_text(&format!("{why}: {excerpt}"))),
                (Some(why), None) => Some(of_text(why)),
                (None, excerpt) => excerpt.map(|excerpt| of_text(&excerpt)),
            }
        }
        Exchange::Failed { detail, .. } => Some(of_text(detail)),
    }
}

/// The beginning of a body, where there is any.
fn excerpt(body: &Captured) -> Option<Cow<'_, str>> {
    let body = body.bytes().filter(|body| !body.is_empty())?;
    let length = body.len().min(Capture::EXCERPT_LIMIT);
    Some(String::from_utf8_lossy(&body[..length]))
}

fn is_redirect(status: u16) -> bool {
    (300..400).contains(&status)
}

/// A text of somebody else's, fit to be shown: control characters escaped, since it ends up on
/// terminals, and cut to its limit.
pub(super) fn of_text(text: &str) -> Arc<str> {
    Outcome::detail_of(&without_controls(text))
}

fn without_controls(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if character.is_control() {
            write!(escaped, "{}", character.escape_default()).expect("a String takes all");
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fanway_target::{Captured, Exchange};

    use super::{of_exchange, of_text};

    fn answered(status: u16, body: Captured) -> Exchange {
        Exchange::Answered {
            status,
            retry_after: None,
            limits: None,
            body,
        }
    }

    #[track_caller]
    fn check(status: u16, body: &'static [u8], expected: Option<&str>) {
        let exchange = answered(status, Captured::Beginning(Bytes::from_static(body)));
        assert_eq!(of_exchange(&exchange, None).as_deref(), expected);
    }

    #[test]
    fn why_it_is_no_success_is_said_before_the_body() {
        let refused = |body: Captured| of_exchange(&answered(200, body), Some("`success` refuses"));
        let whole = Captured::Whole(Bytes::from_static(b"{}"));
        assert_eq!(refused(whole).as_deref(), Some("`success` refuses: {}"));
        let nothing = refused(Captured::Whole(Bytes::new()));
        assert_eq!(nothing.as_deref(), Some("`success` refuses"));
        let long = Captured::TooLong(vec![b'x'; 65_536].into());
        let long = refused(long).expect("there is a reason");
        assert_eq!(long.len(), 1024);
    }

    #[test]
    fn a_body_is_shown_without_what_would_move_a_terminal() {
        check(500, b"no such sku", Some("no such sku"));
        check(500, "größer".as_bytes(), Some("größer"));
        check(500, b"a\nb\x1b[2Jc\0", Some(r"a\nb\u{1b}[2Jc\u{0}"));
        check(500, b"half \xc3", Some("half \u{fffd}"));
        check(500, b"", None);
    }

    #[test]
    fn a_redirect_is_said_not_to_be_followed() {
        check(301, b"", Some("redirects are not followed"));
        check(399, b"\n", Some(r"redirects are not followed: \n"));
        check(299, b"moved", Some("moved"));
        check(400, b"moved", Some("moved"));
    }

    #[test]
    fn what_grows_by_escaping_is_still_cut() {
        assert_eq!(of_text(&"\0".repeat(1024)).len(), 1024);
    }
}
