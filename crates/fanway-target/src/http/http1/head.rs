//! The head of an answer: what of it matters to an attempt, and how long the body behind it is
//! (RFC 9112 section 6.3).

use std::mem::MaybeUninit;

use fanway_http1::{Body, Coding, Contradiction, Said};
use http::{Method, StatusCode};
use httparse::{ParserConfig, Response, Status};

use crate::http::noted::Noted;

/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// What matters of an answer's head.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Head {
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) noted: Noted,
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

impl From<Contradiction> for HeadError {
    fn from(Contradiction: Contradiction) -> Self {
        Self::Length
    }
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
    let mut said = Said::default();
    let mut noted = Noted::default();
    for header in response.headers.iter() {
        said.hear(header.name, header.value)?;
        noted.hear(header.name, header.value);
    }
    let is_modern = response.version == Some(1);
    let (body, is_framed) = body(&said, status, method, is_modern);
    let head = Head {
        status,
        noted,
        body,
        is_persistent: is_framed && !said.closes && (is_modern || said.keeps_alive),
    };
    Ok(Some((head, length)))
}

/// The body, and whether its end is known without doubt before the connection's.
fn body(said: &Said, status: StatusCode, method: &Method, is_modern: bool) -> (Body, bool) {
    let is_tunnel = status == StatusCode::SWITCHING_PROTOCOLS
        || (method == Method::CONNECT && status.is_success());
    let has_none = method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match (said.coding, said.length) {
        _ if is_tunnel || has_none => (Body::OVER, !is_tunnel),
        // Both a coding and a length: somebody on the way may have been deceived.
        (Some(Coding::Chunked | Coding::ChunkedLast), length) => {
            (Body::chunked(), length.is_none() && is_modern)
        }
        (Some(Coding::Other), _) | (None, None) => (Body::UntilClose, false),
        (None, Some(length)) => (Body::Length(length), true),
    }
}

#[cfg(test)]
mod tests;
