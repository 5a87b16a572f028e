//! What is taken from a request, refused with a problem where it is malformed.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// A request that can't be understood.
pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::RequestMalformed, detail)
}

/// The longest reason that somebody may give for a change, in bytes.
const LONGEST_REASON: usize = 1024;
/// The longest text that a detail is searched for, in bytes.
const LONGEST_TEXT: usize = 256;

/// A reason that somebody gives for a change; it may be empty.
///
/// # Errors
/// Where it is too long.
pub(crate) fn reason(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    if text.len() > LONGEST_REASON {
        return Err(malformed(format!(
            "`reason`: expected at most {LONGEST_REASON} bytes"
        )));
    }
    Ok(text)
}

/// A text that details are searched for.
///
/// # Errors
/// Where it is empty or too long.
pub(crate) fn text(text: String) -> Result<String, Problem> {
    if text.is_empty() || text.len() > LONGEST_TEXT {
        return Err(malformed(format!(
            "`text`: expected 1 to {LONGEST_TEXT} bytes"
        )));
    }
    Ok(text)
}

/// The id in the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: FromStr<Err: Display>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| malformed(error.body_text()))?;
        text.parse()
            .map(Self)
            .map_err(|error| Problem::new(Kind::IdMalformed, format!("`{text}`: {error}")))
    }
}

/// The parameters of the query.
pub(crate) struct Params<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Params<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(params) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| malformed(error.body_text()))?;
        Ok(Self(params))
    }
}

/// A JSON body; none, or `null`, stands for `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T, S> FromRequest<S> for Body<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|error| match error.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Kind::BodyTooLarge.into(),
                    _ => malformed(error.body_text()),
                })?;
        let text = match bytes.trim_ascii() {
            b"" | b"null" => b"{}",
            text => text,
        };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| malformed(format!("the body: {error}")))
    }
}
