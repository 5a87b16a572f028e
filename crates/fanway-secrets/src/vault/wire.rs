//! What a vault answers, as JSON. What is wrong with it is said without quoting it.

use std::collections::BTreeMap;
use std::time::Duration;

use fanway_types::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Lease, Term, Token};
use crate::ask::{Answer, AskError, Told};

/// What every answer may have.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    data: Option<Map<String, Value>>,
    auth: Option<Auth>,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

/// What a login or the renewal of a token gives.
pub(super) struct Login {
    text: Secret,
    pub(super) lasts: Duration,
    pub(super) can_renew: bool,
}

impl Login {
    pub(super) fn token(self, began: Instant, number: u64) -> Token {
        let lasts = self.lasts;
        Token {
            text: self.text,
            number,
            term: (!lasts.is_zero()).then_some(Term { began, lasts }),
            first: lasts,
            can_renew: self.can_renew,
        }
    }
}

fn parse(body: &[u8]) -> Result<Body, AskError> {
    serde_json::from_slice(body).map_err(|_| AskError::Malformed("it isn't the JSON of a vault"))
}

/// What lies at a path.
pub(super) fn answer(body: &[u8], token: u64) -> Result<Answer, AskError> {
    let body = parse(body)?;
    let at = Instant::now();
    let data = body.data.ok_or(AskError::Malformed("it has no data"))?;
    let lasts = Duration::from_secs(body.lease_duration);
    let lease = (!body.lease_id.is_empty() && !lasts.is_zero()).then(|| Lease {
        id: Secret::new(body.lease_id),
        term: Term { began: at, lasts },
        can_renew: body.renewable,
        first: lasts,
        token,
    });
    Ok(Answer {
        told: Told::Fields(fields(data)),
        at,
        lease,
    })
}

/// The fields of a path; those of a KV engine of version 2 lie one deeper, beside `metadata`.
fn fields(mut data: Map<String, Value>) -> BTreeMap<String, Option<Secret>> {
    let is_versioned = data.get("data").is_some_and(Value::is_object)
        && data.get("metadata").is_some_and(Value::is_object);
    if is_versioned && let Some(Value::Object(inner)) = data.remove("data") {
        data = inner;
    }
    data.into_iter()
        .map(|(name, value)| (name, text(value).map(Secret::new)))
        .collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// How long a lease lasts after its renewal, and whether it can be renewed once more.
pub(super) fn renewed(body: &[u8]) -> Result<(Duration, bool), AskError> {
    let body = parse(body)?;
    Ok((Duration::from_secs(body.lease_duration), body.renewable))
}

/// What a login or a token's renewal gives.
pub(super) fn login(body: &[u8]) -> Result<Login, AskError> {
    let auth = parse(body)?.auth;
    let auth = auth.ok_or(AskError::Malformed("it has no token"))?;
    Ok(Login {
        text: Secret::new(auth.client_token),
        lasts: Duration::from_secs(auth.lease_duration),
        can_renew: auth.renewable,
    })
}

/// How long a token lasts, where it ends, and whether it can be renewed.
pub(super) fn looked_up(body: &[u8]) -> Result<(Duration, bool), AskError> {
    let data = parse(body)?.data.unwrap_or_default();
    let lasts = data.get("ttl").and_then(Value::as_u64).unwrap_or_default();
    let can_renew = data.get("renewable").and_then(Value::as_bool);
    Ok((Duration::from_secs(lasts), can_renew.unwrap_or_default()))
}

/// The first line of what a vault says is wrong.
pub(super) fn first_error(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let lists = ["errors", "warnings"].into_iter();
    let mut said = lists.filter_map(|list| body.get(list)?.get(0)?.as_str());
    Some(said.next()?.lines().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanway_config::Reference;

    use super::answer;

    /// A field of what this body says.
    #[track_caller]
    fn check(body: &str, field: &str, expected: Result<&str, &str>) {
        let reference = Reference::Vault {
            path: "a".to_owned(),
            field: field.to_owned(),
        };
        let answer = answer(body.as_bytes(), 1).map_err(|error| error.words());
        let value = answer.and_then(|answer| answer.value(&reference));
        let value = value.as_ref().map(fanway_types::Secret::expose);
        assert_eq!(value.map_err(String::as_str), expected, "{body}");
    }

    #[test]
    fn fields_of_a_versioned_engine_lie_one_deeper() {
        let kv2 = r#"{"data": {"data": {"token": "t", "port": 5432, "on": true}, "metadata": {"version": 3}}}"#;
        check(kv2, "token", Ok("t"));
        check(kv2, "port", Ok("5432"));
        check(kv2, "on", Ok("true"));
        let kv1 = r#"{"data": {"data": "a text", "metadata": "too"}}"#;
        check(kv1, "data", Ok("a text"));
    }

    #[test]
    fn a_field_that_is_no_text_or_not_there_is_named_without_values() {
        let body = r#"{"data": {"list": ["hunter2"], "gone": null, "a": "hunter2"}}"#;
        let expected = "`list` is neither a text nor a number there";
        check(body, "list", Err(expected));
        check(
            body,
            "gone",
            Err("`gone` is neither a text nor a number there"),
        );
        check(body, "b", Err("there is no `b` there, only a, gone, list"));
        check(
            r#"{"data": {}}"#,
            "b",
            Err("there is no field at all there"),
        );
        let malformed = "the vault's answer isn't one: it isn't the JSON of a vault";
        check("\"hunter2\"", "b", Err(malformed));
        check(
            "{}",
            "b",
            Err("the vault's answer isn't one: it has no data"),
        );
    }

    #[test]
    fn only_what_has_an_id_is_leased() {
        let leased = r#"{"lease_id": "database/creds/x/1", "lease_duration": 60, "renewable": true, "data": {}}"#;
        let lease = answer(leased.as_bytes(), 7).expect("an answer").lease;
        let lease = lease.expect("a lease");
        assert_eq!(
            (lease.first, lease.token, lease.can_renew),
            (Duration::from_secs(60), 7, true)
        );
        let kept = r#"{"lease_id": "", "lease_duration": 2764800, "data": {}}"#;
        assert_eq!(answer(kept.as_bytes(), 1).expect("an answer").lease, None);
    }
}
