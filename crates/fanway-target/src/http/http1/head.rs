//! The head of an answer: what of it matters to an attempt, and how long the body behind it is
//! (RFC 9112 section 6.3).

use std::mem::MaybeUninit;

use http::{Method, StatusCode};
use httparse::{Header, ParserConfig, Response, Status};

use super::body::Body;

/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// What matters of an answer's head.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Head {
    pub(in crate::http) status: StatusCode,
    /// The first `Retry-After`, where it is text.
    pub(in crate::http) retry_after: Option<Box<str>>,
    pub(super) body: Body,
    /// Whether the connection can be used again behind the body.
    pub(super) is_persistent: bool,
}

/// Why an answer's head can't be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    /// It isn't HTTP/1, or has more headers than are read.
    #[error("the answer's head is no HTTP/1: {0}")]
    Syntax(httparse::Error),
    /// A status below 100.
    #[error("the answer's status is none")]
    Status,
    /// Lengths that aren't numbers, or that contradict each other.
    #[error("the answer's length is unclear")]
    Length,
}

impl Head {
    /// Whether it answers the request: what comes on the way there doesn't (RFC 9110 section 15.2).
    pub(super) fn is_final(&self) -> bool {
        !self.status.is_informational() || self.status == StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Reads the head of an answer to a request by `method`, which `bytes` begin with, and its length;
/// `None` where there is no end of it yet.
pub(super) fn read(bytes: &[u8], method: &Method) -> Result<Option<(Head, usize)>, HeadError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut headers,
    );
    let Status::Complete(length) = parsed.map_err(HeadError::Syntax)? else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(status).map_err(|_| HeadError::Status)?;
    let said = Said::by(response.headers)?;
    let is_modern = response.version == Some(1);
    let (body, is_framed) = said.body(status, method, is_modern);
    let head = Head {
        status,
        retry_after: said.retry_after.map(Box::from),
        body,
        is_persistent: is_framed && !said.closes && (is_modern || said.keeps_alive),
    };
    Ok(Some((head, length)))
}

/// What the headers say about the connection and the body.
#[derive(Default)]
struct Said<'h> {
    length: Option<u64>,
    is_encoded: bool,
    /// Whether the last transfer coding is `chunked`.
    is_chunked: bool,
    closes: bool,
    keeps_alive: bool,
    retry_after: Option<&'h str>,
}

impl<'h> Said<'h> {
    fn by(headers: &[Header<'h>]) -> Result<Self, HeadError> {
        let mut said = Self::default();
        for Header { name, value } in headers {
            // By length first: nearly all headers are of no interest here.
            match name.len() {
                10 if name.eq_ignore_ascii_case("connection") => said.hear_connection(value),
                11 if name.eq_ignore_ascii_case("retry-after") && said.retry_after.is_none() => {
                    said.retry_after = text(value);
                }
                14 if name.eq_ignore_ascii_case("content-length") => said.hear_length(value)?,
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    said.is_encoded = true;
                    let last = tokens(value).last();
                    said.is_chunked = last.is_some_and(|coding| is(coding, "chunked"));
                }
                _ => {}
            }
        }
        Ok(said)
    }

    fn hear_connection(&mut self, value: &[u8]) {
        self.closes |= tokens(value).any(|option| is(option, "close"));
        self.keeps_alive |= tokens(value).any(|option| is(option, "keep-alive"));
    }

    /// A length may be said more than once, but only the same.
    fn hear_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        for token in tokens(value) {
            let length = number(token).ok_or(HeadError::Length)?;
            if self.length.is_some_and(|known| known != length) {
                return Err(HeadError::Length);
            }
            self.length = Some(length);
        }
        self.length.map(|_| ()).ok_or(HeadError::Length)
    }

    /// The body, and whether its end is known without doubt before the connection's.
    fn body(&self, status: StatusCode, method: &Method, is_modern: bool) -> (Body, bool) {
        let is_tunnel = status == StatusCode::SWITCHING_PROTOCOLS
            || (method == Method::CONNECT && status.is_success());
        let has_none = method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match self.length {
            _ if is_tunnel || has_none => (Body::OVER, !is_tunnel),
            // Both a coding and a length: somebody on the way may have been deceived.
            length if self.is_chunked => (Body::chunked(), length.is_none() && is_modern),
            _ if self.is_encoded => (Body::UntilClose, false),
            Some(length) => (Body::Length(length), true),
            None => (Body::UntilClose, false),
        }
    }
}

/// The members of a list (RFC 9110 section 5.6.1).
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn is(token: &[u8], name: &str) -> bool {
    token.eq_ignore_ascii_case(name.as_bytes())
}

/// A number in digits and nothing else.
fn number(token: &[u8]) -> Option<u64> {
    if token.is_empty() {
        return None;
    }
    token.iter().try_fold(0u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// A value in visible ASCII.
fn text(value: &[u8]) -> Option<&str> {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let text = value.iter().all(is_text).then_some(value.trim_ascii())?;
    str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests;
