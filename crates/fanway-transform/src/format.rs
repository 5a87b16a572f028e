//! The form in which what a program gave is written: its bytes, and the media type that says so.
//!
//! Each form takes values that it has a place for and refuses all others: what a target couldn't
//! tell from something else isn't sent. The same value gives the same bytes, the boundary of a
//! multipart body included, since a delivery's attempts have to be alike. XML is
//! the way back of what ingress reads as XML: an element's attributes are members `@name`, its text
//! is `#text`.

mod form;
mod gzip;
mod multipart;
mod xml;

use std::borrow::Cow;

use bytes::Bytes;
use fanway_types::{BodyFormat, ByteCount};
use jaq_json::Val;

use crate::json::write;

pub(crate) use gzip::gzip;

/// Why a value isn't written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is longer than the limit.
    TooLarge,
    /// The form has no place for something in it: what, and what was expected.
    Unfit(String),
}

impl From<write::Refusal> for Refusal {
    fn from(refusal: write::Refusal) -> Self {
        match refusal {
            write::Refusal::TooLarge => Self::TooLarge,
            write::Refusal::NotJson(what) => Self::Unfit(format!("the result holds {what}")),
        }
    }
}

/// A body, and what it is.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: Cow<'static, str>,
}

/// Writes `value` in a form, at most `limit` bytes.
pub(crate) fn write(value: &Val, format: BodyFormat, limit: ByteCount) -> Result<Written, Refusal> {
    let (bytes, media_type) = match format {
        BodyFormat::Json => (write::to_json(value, limit)?, "application/json".into()),
        BodyFormat::Form => (
            form::write(value, limit)?,
            "application/x-www-form-urlencoded".into(),
        ),
        BodyFormat::Multipart => {
            let (bytes, media_type) = multipart::write(value, limit)?;
            (bytes, media_type.into())
        }
        BodyFormat::Xml => (xml::write(value, limit)?, "application/xml".into()),
        BodyFormat::Text => (text(value)?, "text/plain; charset=utf-8".into()),
        BodyFormat::Binary => (binary(value)?, "application/octet-stream".into()),
    };
    if bytes.len() > limit.as_usize() {
        return Err(Refusal::TooLarge);
    }
    Ok(Written {
        bytes: bytes.into(),
        media_type,
    })
}

fn text(value: &Val) -> Result<Vec<u8>, Refusal> {
    match scalar(value)? {
        Some(text) => Ok(text.into_owned().into_bytes()),
        None => unfit(
            "the result is",
            value,
            "a text, a number, `true` or `false`",
        ),
    }
}

fn binary(value: &Val) -> Result<Vec<u8>, Refusal> {
    match bytes(value) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => unfit("the result is", value, "a text, or bytes by `@base64d`"),
    }
}

/// The bytes of a text, whether it is UTF-8 or not.
fn bytes(value: &Val) -> Option<&[u8]> {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => Some(bytes),
        _ => None,
    }
}

/// A value as text; `None` where it isn't a text, a number, `true` or `false`.
fn scalar(value: &Val) -> Result<Option<Cow<'_, str>>, Refusal> {
    Ok(Some(match value {
        Val::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Val::Num(value) => Cow::Owned(write::number(value)?),
        Val::TStr(bytes) | Val::BStr(bytes) => match str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                return Err(Refusal::Unfit(
                    "the result holds bytes that are no UTF-8".into(),
                ));
            }
        },
        Val::Null | Val::Arr(_) | Val::Obj(_) => return Ok(None),
    }))
}

/// A member's name.
fn key(key: &Val) -> Result<Cow<'_, str>, Refusal> {
    match key {
        Val::TStr(_) => scalar(key)?.ok_or(Refusal::Unfit(
            "the result holds a key that is no text".into(),
        )),
        _ => Err(Refusal::Unfit(
            "the result holds a key that is no text".into(),
        )),
    }
}

/// A refusal that says what was found in a place, and what was expected there.
fn unfit<T>(place: &str, found: &Val, expected: &str) -> Result<T, Refusal> {
    let found = match found {
        Val::Null => "null",
        Val::Bool(_) => "`true` or `false`",
        Val::Num(_) => "a number",
        Val::TStr(_) => "a text",
        Val::BStr(_) => "a byte string",
        Val::Arr(_) => "an array",
        Val::Obj(_) => "an object",
    };
    Err(Refusal::Unfit(format!(
        "{place} {found}, expected {expected}"
    )))
}

/// What is written, within its limit.
struct Out {
    bytes: Vec<u8>,
    limit: usize,
}

impl Out {
    fn new(limit: ByteCount) -> Self {
        Self {
            bytes: Vec::new(),
            limit: limit.as_usize(),
        }
    }

    fn put(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Refusal> {
        let bytes = bytes.as_ref();
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            return Err(Refusal::TooLarge);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
