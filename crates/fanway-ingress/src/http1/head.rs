//! The head of a request: what it asks for, and how long the body behind it is.
//!
//! What two readers could understand in two ways is refused (RFC 9112 section 11.2): a length beside chunks, lengths
//! that differ, any transfer coding but `chunked`, a host that is missing or named twice.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use bytes::Bytes;
use fanway_http1::{Body, Coding, Said};
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri, Version};
use httparse::{Header, ParserConfig, Status};

use crate::problem::{Kind, Problem};

/// As many headers are parsed without an allocation.
const USUAL: usize = 100;

/// The head of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: Parts,
    /// What is to come behind it.
    pub(super) body: Body,
    /// Whether the sender may send another request behind this one.
    pub(super) is_persistent: bool,
}

/// Reads the head that `bytes` begin with, and its length; `None` where there is no end of it yet.
///
/// # Errors
/// [`Kind::RequestMalformed`], and [`Kind::HeadersTooLarge`] where there are more than `limit` headers.
pub(super) fn read(bytes: &[u8], limit: usize) -> Result<Option<(Head, usize)>, Problem> {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL];
    let mut many = Vec::new();
    let room = match usual.get_mut(..limit) {
        Some(room) => room,
        None => {
            many.resize_with(limit, MaybeUninit::uninit);
            &mut many[..]
        }
    };
    let mut request = httparse::Request::new(&mut []);
    let parsed =
        ParserConfig::default().parse_request_with_uninit_headers(&mut request, bytes, room);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            let detail = format!("they are more than {limit}");
            return Err(Problem::new(Kind::HeadersTooLarge, detail));
        }
        Err(error) => return Err(malformed(error.to_string())),
    };
    let head = Head::of(&request, bytes, length)?;
    Ok(Some((head, length)))
}

impl Head {
    fn of(
        request: &httparse::Request<'_, '_>,
        bytes: &[u8],
        length: usize,
    ) -> Result<Self, Problem> {
        // One copy, which all values share, so that the buffer is free for the next head.
        let text = Text {
            origin: bytes,
            copy: Bytes::copy_from_slice(&bytes[..length]),
        };
        let method = request.method.unwrap_or_default();
        let target = text.part(request.path.unwrap_or_default().as_bytes());
        let is_modern = request.version == Some(1);
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method =
            Method::from_bytes(method.as_bytes()).map_err(|_| malformed("its method is none"))?;
        parts.uri = Uri::from_maybe_shared(target).map_err(|_| malformed("its target is none"))?;
        parts.version = if is_modern {
            Version::HTTP_11
        } else {
            Version::HTTP_10
        };
        let mut said = Said::default();
        parts.headers = headers(request.headers, &text, &mut said)?;
        check_host(&parts.headers, is_modern)?;
        Ok(Self {
            parts,
            body: framed(&said, is_modern)?,
            is_persistent: !said.closes && (is_modern || said.keeps_alive),
        })
    }
}

/// The text of a head, which was parsed where it was read and is kept as a copy.
struct Text<'t> {
    origin: &'t [u8],
    copy: Bytes,
}

impl Text<'_> {
    /// A part of the origin, out of the copy.
    fn part(&self, part: &[u8]) -> Bytes {
        if part.is_empty() {
            return Bytes::new();
        }
        let begin = part.as_ptr().addr() - self.origin.as_ptr().addr();
        self.copy.slice(begin..begin + part.len())
    }
}

fn headers(parsed: &[Header<'_>], text: &Text<'_>, said: &mut Said) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for header in parsed {
        said.hear(header.name, header.value)
            .map_err(|contradiction| malformed(contradiction.to_string()))?;
        let unreadable = || malformed(format!("header `{}` can't be read", header.name));
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| unreadable())?;
        let value =
            HeaderValue::from_maybe_shared(text.part(header.value)).map_err(|_| unreadable())?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// RFC 9112 section 3.2.
fn check_host(headers: &HeaderMap, is_modern: bool) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => Ok(()),
        (None, _) if !is_modern => Ok(()),
        (None, _) => Err(malformed("it names no host")),
        (Some(_), Some(_)) => Err(malformed("it names more than one host")),
    }
}

/// RFC 9112 section 6.3.
fn framed(said: &Said, is_modern: bool) -> Result<Body, Problem> {
    match (said.coding, said.length) {
        (None, length) => Ok(Body::Length(length.unwrap_or_default())),
        (Some(_), Some(_)) => Err(malformed(
            "it has both a `Content-Length` and a `Transfer-Encoding`",
        )),
        (Some(Coding::Chunked), None) if is_modern => Ok(Body::chunked()),
        (Some(_), None) => Err(malformed(
            "the only `Transfer-Encoding` that is understood is `chunked`, in HTTP/1.1",
        )),
    }
}

fn malformed(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(Kind::RequestMalformed, detail)
}

#[cfg(test)]
mod tests;
