//! Columns that hold text in the open, or what it was sealed as: then they are blobs.

use std::borrow::Cow;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use super::Error;
use crate::seal::{self, Of, Ring};

/// A text as it is kept: sealed, where anything is.
pub(super) fn put_text<'a>(ring: &Ring, of: Of, text: &'a str) -> ToSqlOutput<'a> {
    match ring.sealing() {
        None => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Some(key) => ToSqlOutput::Owned(Value::Blob(key.seal(of, text.as_bytes()))),
    }
}

/// Bytes as they are kept, and whether they are sealed.
pub(super) fn put_bytes<'a>(ring: &Ring, of: Of, bytes: &'a [u8]) -> (Cow<'a, [u8]>, bool) {
    match ring.sealing() {
        None => (Cow::Borrowed(bytes), false),
        Some(key) => (Cow::Owned(key.seal(of, bytes)), true),
    }
}

/// The text in a column, where there is one.
pub(super) fn text(ring: &Ring, of: Of, value: ValueRef<'_>) -> Result<Option<String>, Error> {
    let bytes = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Blob(sealed) => ring.open(of, sealed).map_err(Error::from)?,
        other => other.as_bytes().map_err(rusqlite::Error::from)?.to_vec(),
    };
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| Error::Row {
        table: "deliveries",
        what: "text that is none",
    })
}

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        Self::Record(error.into())
    }
}
