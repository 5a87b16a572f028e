//! JSON bodies: whether one can be read, where not, and the value that expressions see.
//!
//! A body is JSON by RFC 8259 and nothing more: jaq's own reader takes comments, `NaN` and keys
//! that aren't strings, and recurses as deep as its input says, so each text is scanned before
//! jaq sees it. Refused: nesting beyond the limit, numbers beyond 1,024 characters (RFC 8259,
//! section 9, allows both), text that isn't UTF-8.

mod decode;
mod scan;
pub(crate) mod write;

use std::borrow::Cow;
use std::fmt;

use fanway_types::ByteCount;
use jaq_json::Val;

/// How large and how deep a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its size, after content decoding.
    pub size: ByteCount,
    /// Arrays and objects within each other; 1 is an array of numbers.
    pub depth: usize,
}

impl Default for Limits {
    /// 10 MiB, 128 levels.
    fn default() -> Self {
        Self {
            size: ByteCount::mib(10),
            depth: 128,
        }
    }
}

/// Why a body can't be read as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// In which way.
    pub kind: ErrorKind,
    /// What exactly is wrong: a lower-case fragment.
    pub what: &'static str,
    /// Bytes from the start of the decoded body; 0 where it couldn't be decoded.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
}

/// In which way a body can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is no JSON.
    Malformed,
    /// Arrays and objects are nested beyond the limit.
    TooDeep,
    /// It isn't what its `content-encoding` says.
    Encoding,
    /// Its `content-encoding` is none that can be read here.
    UnsupportedEncoding,
    /// Decoded it is larger than the limit.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.kind {
            ErrorKind::Malformed | ErrorKind::TooDeep => {
                write!(f, " at line {}, column {}", self.line, self.column)
            }
            ErrorKind::Encoding | ErrorKind::UnsupportedEncoding | ErrorKind::TooLarge => Ok(()),
        }
    }
}

impl Error {
    fn at(flaw: &scan::Flaw, text: &[u8]) -> Self {
        let before = &text[..flaw.offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        Self {
            kind: flaw.kind,
            what: flaw.what,
            offset: flaw.offset,
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
        }
    }

    fn whole(kind: ErrorKind, what: &'static str) -> Self {
        Self {
            kind,
            what,
            offset: 0,
            line: 1,
            column: 1,
        }
    }
}

/// Checks that expressions will be able to read `body`. It is decoded by `content_encoding` first:
/// `gzip`, `deflate` (RFC 9110, section 8.4.1) or none.
///
/// # Errors
/// Where it isn't JSON within `limits`, with the place.
pub fn check(body: &[u8], content_encoding: Option<&str>, limits: Limits) -> Result<(), Error> {
    let text = decode::decode(body, content_encoding, limits.size)?;
    scan(&text, limits.depth)
}

/// The value of a body, decoded and checked as [`check`] does.
pub(crate) fn read(
    body: &[u8],
    content_encoding: Option<&str>,
    limits: Limits,
) -> Result<Val, Error> {
    let text: Cow<'_, [u8]> = decode::decode(body, content_encoding, limits.size)?;
    parse(&text, limits.depth)
}

/// The value of a JSON text.
pub(crate) fn parse(text: &[u8], depth: usize) -> Result<Val, Error> {
    scan(text, depth)?;
    let unread = |_| Error::whole(ErrorKind::Malformed, "unreadable JSON");
    jaq_json::read::parse_single(text).map_err(unread)
}

fn scan(text: &[u8], depth: usize) -> Result<(), Error> {
    scan::scan(text, depth).map_err(|flaw| Error::at(&flaw, text))
}

#[cfg(test)]
mod tests;
