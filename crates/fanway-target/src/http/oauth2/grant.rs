//! The request for a token (RFC 6749, section 4.4.2), and what an answer to it says (sections 5.1
//! and 5.2). Nothing of what a server says is handed on but a status and a known code: it may say
//! our own secrets.

use std::time::Duration;

use fanway_types::{Headers, Secret};
use http::header::HeaderValue;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::{ClientAuth, Grant};
use crate::http::Credentials;
use crate::http::sigv4::UNRESERVED;
use crate::{AttemptRequest, Capture, Captured, Exchange};

const FORM: &[u8] = b"application/x-www-form-urlencoded";
const AGENT: &str = concat!("fanway/", env!("CARGO_PKG_VERSION"));

/// The codes of errors that a server may say (RFC 6749, sections 4.1.2.1 and 5.2; RFC 8707).
const CODES: [&str; 10] = [
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// A token that was granted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// The value of `Authorization`.
    pub(super) value: HeaderValue,
    /// How long it is good, where that is said.
    pub(super) lifetime: Option<Duration>,
}

/// Why there is no token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// For an operator, without anything secret.
    pub(super) why: String,
    /// How long the server asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

/// The credentials that a client shows in a header: id and secret, form-encoded, so that the id
/// has no colon.
pub(super) fn basic(grant: &Grant) -> Credentials {
    Credentials::Basic {
        user: encoded(grant.client_id.expose()),
        password: Secret::new(encoded(grant.client_secret.expose())),
    }
}

/// The request for a token.
pub(super) fn request(grant: &Grant) -> AttemptRequest {
    let mut fields = vec![("grant_type", "client_credentials")];
    fields.extend(grant.scope.as_deref().map(|scope| ("scope", scope)));
    let audience = grant.audience.as_deref();
    fields.extend(audience.map(|audience| ("audience", audience)));
    if grant.auth == ClientAuth::Body {
        fields.push(("client_id", grant.client_id.expose()));
        fields.push(("client_secret", grant.client_secret.expose()));
    }
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
    let body = fields.collect::<Vec<_>>().join("&");
    let headers: Headers = [
        ("accept", &b"application/json"[..]),
        ("content-type", FORM),
        ("user-agent", AGENT.as_bytes()),
    ]
    .into_iter()
    .collect();
    AttemptRequest {
        method: "POST".into(),
        path_and_query: "".into(),
        headers,
        body: body.into(),
        capture: Capture::Whole,
    }
}

/// As a value in a form; what is a `+` there may be a `%20` as well.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// What came of the request for a token.
pub(super) fn read(exchange: &Exchange) -> Result<Granted, Refused> {
    let because = |why: String| Refused {
        why,
        retry_after: None,
    };
    let (status, retry_after, body) = match exchange {
        Exchange::Failed { detail, .. } => return Err(because(detail.clone())),
        Exchange::Answered {
            status,
            retry_after,
            body,
            ..
        } => (*status, retry_after.as_deref(), body),
    };
    if !(200..=299).contains(&status) {
        let code = code(body).map(|code| format!(": {code}"));
        return Err(Refused {
            why: format!("it answered {status}{}", code.unwrap_or_default()),
            retry_after: retry_after.and_then(seconds),
        });
    }
    granted(body).map_err(|why| because(why.to_owned()))
}

fn granted(body: &Captured) -> Result<Granted, &'static str> {
    let body = match body {
        Captured::Whole(body) => body,
        Captured::TooLong(_) => return Err("its answer is longer than 64 KiB"),
        Captured::Broken(_) | Captured::Beginning(_) | Captured::Nothing => {
            return Err("its answer broke off");
        }
    };
    let answer: Value = serde_json::from_slice(body).map_err(|_| "its answer is no JSON")?;
    let token = answer.get("access_token").and_then(Value::as_str);
    let token = token.ok_or("its answer has no `access_token`")?;
    // Most servers say it, and it has to be this (RFC 6749, section 7.1).
    let is_bearer = match answer.get("token_type") {
        None | Some(Value::Null) => true,
        Some(kind) => kind
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")),
    };
    if !is_bearer {
        return Err("its token is of another type than `Bearer`");
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its token can't stand in a header");
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| "its token can't stand in a header")?;
    value.set_sensitive(true);
    let lifetime = answer.get("expires_in").and_then(lifetime);
    Ok(Granted { value, lifetime })
}

/// A number of seconds, which some servers write as a text; what is neither says nothing.
fn lifetime(said: &Value) -> Option<Duration> {
    let seconds = match said {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The code of an error, where it is a known one.
fn code(body: &Captured) -> Option<&'static str> {
    let answer: Value = serde_json::from_slice(body.bytes()?).ok()?;
    let said = answer.get("error")?.as_str()?;
    CODES.into_iter().find(|code| *code == said)
}

/// A `Retry-After` in seconds; a date says nothing.
fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use fanway_types::Secret;

    use super::{ClientAuth, Grant, read, request};
    use crate::{Captured, Exchange};

    fn answered(status: u16, body: Captured) -> Exchange {
        Exchange::Answered {
            status,
            retry_after: Some("7".into()),
            limits: None,
            body,
        }
    }

    fn whole(body: &'static str) -> Captured {
        Captured::Whole(Bytes::from_static(body.as_bytes()))
    }

    #[track_caller]
    fn check(body: &'static str, token: &str, lifetime: Option<Duration>) {
        let granted = read(&answered(200, whole(body))).expect(body);
        let expected = format!("Bearer {token}");
        assert_eq!(granted.value.to_str().expect("text"), expected, "{body}");
        assert_eq!(granted.lifetime, lifetime, "{body}");
        assert_eq!(format!("{:?}", granted.value), "Sensitive");
    }

    #[test]
    fn a_token_is_read_with_its_life() {
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        let example =
            r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600}"#;
        let usual = r#"{"access_token":"2Yo.tn~+/=","token_type":"Bearer","expires_in":3600}"#;
        check(usual, "2Yo.tn~+/=", seconds(3600.0));
        assert!(read(&answered(200, whole(example))).is_err());
        check(r#"{"access_token":"a","token_type":"bEARER"}"#, "a", None);
        check(r#"{"access_token":"a","expires_in":null}"#, "a", None);
        check(
            r#"{"access_token":"a","expires_in":"60"}"#,
            "a",
            seconds(60.0),
        );
        check(
            r#"{"access_token":"a","expires_in":59.5}"#,
            "a",
            seconds(59.5),
        );
        check(r#"{"access_token":"a","expires_in":0}"#, "a", seconds(0.0));
        for nonsense in ["-1", "\"soon\"", "[]", "\"NaN\"", "{\"a\":1}"] {
            let body = format!(r#"{{"access_token":"a","expires_in":{nonsense}}}"#);
            check(body.leak(), "a", None);
        }
        check(
            r#"{"access_token":"a","expires_in":1e300}"#,
            "a",
            Some(Duration::MAX),
        );
    }

    #[track_caller]
    fn check_refused(exchange: &Exchange, why: &str, retry_after: Option<u64>) {
        let refused = read(exchange).expect_err(why);
        assert_eq!(refused.why, why);
        assert_eq!(
            refused.retry_after,
            retry_after.map(Duration::from_secs),
            "{why}"
        );
    }

    #[test]
    fn what_is_no_token_is_refused_for_its_reason() {
        for (body, why) in [
            ("<html>", "its answer is no JSON"),
            ("", "its answer is no JSON"),
            ("[]", "its answer has no `access_token`"),
            ("{}", "its answer has no `access_token`"),
            (r#"{"access_token":7}"#, "its answer has no `access_token`"),
            (
                r#"{"access_token":""}"#,
                "its token can't stand in a header",
            ),
            (
                "{\"access_token\":\"a\\r\\nx: y\"}",
                "its token can't stand in a header",
            ),
            (
                r#"{"access_token":"a b"}"#,
                "its token can't stand in a header",
            ),
            (
                r#"{"access_token":"a","token_type":"mac"}"#,
                "its token is of another type than `Bearer`",
            ),
            (
                r#"{"access_token":"a","token_type":7}"#,
                "its token is of another type than `Bearer`",
            ),
        ] {
            check_refused(&answered(200, whole(body)), why, None);
        }
        let some = Bytes::from_static(b"{\"access_token\":\"a\"}");
        let long = answered(200, Captured::TooLong(some.clone()));
        check_refused(&long, "its answer is longer than 64 KiB", None);
        let broken = answered(200, Captured::Broken(some));
        check_refused(&broken, "its answer broke off", None);
    }

    #[test]
    fn an_error_is_told_by_its_status_and_a_known_code() {
        let known = whole(r#"{"error":"invalid_client","error_description":"hunter2"}"#);
        check_refused(
            &answered(401, known),
            "it answered 401: invalid_client",
            Some(7),
        );
        let unknown = whole(r#"{"error":"hunter2"}"#);
        check_refused(&answered(400, unknown), "it answered 400", Some(7));
        check_refused(&answered(302, whole("")), "it answered 302", Some(7));
        check_refused(
            &answered(503, Captured::Nothing),
            "it answered 503",
            Some(7),
        );
    }

    fn grant(auth: ClientAuth) -> Grant {
        Grant {
            client_id: Secret::new("a b:c".to_owned()),
            client_secret: Secret::new("hunter2&=+%".to_owned()),
            auth,
            scope: Some("read write".to_owned()),
            audience: Some("https://api.example/".to_owned()),
            ahead: Duration::from_secs(60),
        }
    }

    #[track_caller]
    fn check_body(auth: ClientAuth, more: &str) {
        let request = request(&grant(auth));
        let expected = format!(
            "grant_type=client_credentials&scope=read%20write&audience=https%3A%2F%2Fapi.example%2F{more}"
        );
        assert_eq!(request.body, expected);
    }

    #[test]
    fn the_client_is_shown_in_the_body_or_else_not_there() {
        check_body(ClientAuth::Basic, "");
        let client = "&client_id=a%20b%3Ac&client_secret=hunter2%26%3D%2B%25";
        check_body(ClientAuth::Body, client);
    }

    #[test]
    fn debug_output_hides_the_client() {
        let shown = format!("{:?}", grant(ClientAuth::Basic));
        assert!(
            !shown.contains("hunter2") && !shown.contains("a b:c"),
            "{shown}"
        );
    }
}
