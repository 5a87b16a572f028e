//! Where a template's result lands, and what that asks of text and of values.

use std::fmt;

use jaq_json::Val;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::json::write;
use crate::program::CompileError;
use crate::value::Value;

/// Everything but RFC 3986's unreserved characters (section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where a template's result lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// In a URL's path. Values are percent-encoded, `/` too.
    Path,
    /// As the value of a query parameter. Values are percent-encoded.
    Query,
    /// As the value of a header. Control characters other than tab are refused.
    Header,
}

impl Landing {
    /// Checks a template's own text.
    pub(super) fn check_text(self, text: &str) -> Result<(), CompileError> {
        let refused = text
            .char_indices()
            .find_map(|(at, character)| Some((at, self.refusal(character)?)));
        if let Some((at, reason)) = refused {
            return Err(CompileError::new(at, reason));
        }
        match self {
            Self::Path | Self::Query => check_percent(text),
            Self::Header => Ok(()),
        }
    }

    fn refusal(self, character: char) -> Option<&'static str> {
        match (self, character) {
            (Self::Header, '\t') => None,
            (_, control) if control.is_control() => Some("a control character"),
            (Self::Header, _) => None,
            (_, ' ') => Some("a space: write `%20`"),
            (_, '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '}' | '|') => {
                Some("a character that must be percent-encoded")
            }
            (_, other) if !other.is_ascii() => Some("a character that must be percent-encoded"),
            (Self::Path, '?') => Some("`?` in a path: parameters go under `query`"),
            (_, '#') => Some("`#`: a fragment isn't sent"),
            (Self::Query, '&') => Some("`&` in a parameter: write `%26`"),
            _ => None,
        }
    }

    /// Writes a value to the end of `out`; otherwise says what it is.
    pub(super) fn put(self, value: &Value, out: &mut String) -> Result<(), Refusal> {
        let number;
        let text = match value.as_json() {
            Val::TStr(text) => str::from_utf8(text).map_err(|_| Refusal("isn't UTF-8"))?,
            Val::Num(value) => {
                number = write::number(value).map_err(|_| Refusal("isn't a finite number"))?;
                &number
            }
            Val::Bool(true) => "true",
            Val::Bool(false) => "false",
            Val::Null => return Err(Refusal("is null")),
            Val::Arr(_) => return Err(Refusal("is an array")),
            Val::Obj(_) => return Err(Refusal("is an object")),
            Val::BStr(_) => return Err(Refusal("is a byte string")),
        };
        match self {
            Self::Path if text.is_empty() => return Err(Refusal("is empty")),
            Self::Path | Self::Query if text.contains('\0') => {
                return Err(Refusal("has a NUL in it"));
            }
            Self::Path | Self::Query => out.extend(utf8_percent_encode(text, RESERVED)),
            Self::Header
                if text
                    .chars()
                    .any(|character| self.refusal(character).is_some()) =>
            {
                return Err(Refusal("has a control character in it"));
            }
            Self::Header => out.push_str(text),
        }
        Ok(())
    }

    /// Checks a result as a whole.
    pub(super) fn check_result(self, result: &str) -> Result<(), &'static str> {
        match self {
            Self::Path if result.split('/').any(climbs) => {
                Err("a segment of the path is `.` or `..`")
            }
            Self::Path | Self::Query | Self::Header => Ok(()),
        }
    }
}

/// What a value is that can't land.
pub(super) struct Refusal(&'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether a reader of URLs would take the segment for `.` or `..`, encoded or not.
fn climbs(segment: &str) -> bool {
    matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    )
}

fn check_percent(text: &str) -> Result<(), CompileError> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let wrong = |at: &usize| {
        bytes[*at] == b'%' && !(is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2)))
    };
    match (0..bytes.len()).find(wrong) {
        Some(at) => Err(CompileError::new(
            at,
            "`%` without two hexadecimal digits: write `%25`",
        )),
        None => Ok(()),
    }
}
