//! The request of each attempt: what is the same for all is made once, and nothing goes out that
//! isn't HTTP.

use bytes::Bytes;
use fanway_types::{Headers, HeadersBuilder};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request};

use super::failure::Failure;
use super::{BaseUrl, Credentials, CredentialsError, Preview, Signing, signing};
use crate::{AttemptRequest, FailureKind};

const CONTENT_LENGTH: &str = "content-length";

/// What all requests to a target have in common.
pub(super) struct Template {
    url: BaseUrl,
    /// The rest of an HTTP/1.1 request's first line, and its `host`.
    after_path: Box<[u8]>,
    credentials: Option<(HeaderName, HeaderValue)>,
    sign: Option<Signing>,
}

/// Why a request can't be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method.
    #[error("the method is no HTTP method")]
    Method,
    /// What is to be appended belongs in no URL.
    #[error("the path isn't one that a URL can have")]
    Path,
    /// The name of a header.
    #[error(
        "a header's name is none: it is to be lower-case letters, digits, hyphens and the like"
    )]
    HeaderName,
    /// The value of a header.
    #[error("the value of header `{name}` has characters that a header can't have")]
    HeaderValue {
        /// The header.
        name: Box<str>,
    },
    /// A header, which may have 65,535 bytes.
    #[error("header `{name}` is too long")]
    HeaderTooLong {
        /// The header.
        name: Box<str>,
    },
    /// It is to be signed, and has no `Idempotency-Key` that says what it is.
    #[error("it can't be signed, since it has no idempotency key")]
    NoKey,
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::unsent(FailureKind::Request, error.to_string())
    }
}

/// A request, before it is known over what it goes.
pub(super) struct Message {
    pub(super) method: Method,
    path: PathAndQuery,
    /// The caller's headers. Not all of them pass.
    given: Headers,
    /// Those that the target adds; not `host`, which HTTP/2 has not.
    added: Headers,
    pub(super) body: Bytes,
}

impl Template {
    pub(super) fn try_new(
        url: BaseUrl,
        credentials: &Credentials,
        sign: Option<Signing>,
    ) -> Result<Self, CredentialsError> {
        // The host comes first (RFC 9110 section 7.2).
        let after_path = format!(" HTTP/1.1\r\nhost: {}\r\n", url.authority());
        Ok(Self {
            url,
            after_path: after_path.into_bytes().into(),
            credentials: credentials.header()?,
            sign,
        })
    }

    /// Makes a request whole. What is signed is what it says now.
    pub(super) fn fill(&self, request: AttemptRequest) -> Result<Message, RequestError> {
        let AttemptRequest {
            method,
            path_and_query,
            headers: given,
            body,
            ..
        } = request;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| RequestError::Method)?;
        let path = self.url.join(&path_and_query).ok_or(RequestError::Path)?;
        for (name, value) in given.fields() {
            check(name, value)?;
        }
        let mut added = HeadersBuilder::default();
        if let Some((name, value)) = &self.credentials {
            add(&mut added, name.as_str(), value)?;
        }
        if let Some(sign) = &self.sign {
            for (name, value) in sign.sign(&given, &body)? {
                add(&mut added, name, &value)?;
            }
        }
        if !body.is_empty() || has_content(&method) {
            add(&mut added, CONTENT_LENGTH, &HeaderValue::from(body.len()))?;
        }
        Ok(Message {
            method,
            path,
            given,
            added: added.build(),
            body,
        })
    }

    /// The headers that are sent, but for `host`.
    fn headers<'m>(&self, message: &'m Message) -> impl Iterator<Item = (&'m [u8], &'m [u8])> {
        let given = message.given.fields();
        given
            .filter(|(name, _)| self.passes(name))
            .chain(message.added.fields())
    }

    /// Whether a header is the caller's to set.
    fn passes(&self, name: &[u8]) -> bool {
        let is_ours = |ours: &(HeaderName, _)| ours.0.as_str().as_bytes() == name;
        !(frames(name)
            || self.credentials.as_ref().is_some_and(is_ours)
            || (self.sign.is_some() && signing::adds(name)))
    }

    /// Whether a header's value is a secret, or lets somebody else use one.
    fn is_secret(&self, name: &HeaderName) -> bool {
        let is_ours = |ours: &(HeaderName, _)| ours.0 == name;
        name == signing::SIGNATURE || self.credentials.as_ref().is_some_and(is_ours)
    }

    /// The message in the form for people.
    pub(super) fn preview(&self, message: Message) -> Preview {
        let headers = self.header_map(&message);
        let Message {
            method, path, body, ..
        } = message;
        let (scheme, authority) = (self.url.scheme(), self.url.authority());
        let url = format!("{scheme}://{authority}{path}");
        Preview::new(method, url, headers, body)
    }

    /// The message's head in the form for HTTP/1.1 (RFC 9112 section 3): the path alone, and `host`.
    pub(super) fn head_for_http1(&self, message: &Message) -> Vec<u8> {
        let (method, path) = (message.method.as_str(), message.path.as_str());
        // What a header has around it here is as long as its two lengths in the block.
        let headers = message.given.as_block().len() + message.added.as_block().len();
        let length = method.len() + 1 + path.len() + self.after_path.len() + headers + 2;
        let mut head = Vec::with_capacity(length);
        for part in [method.as_bytes(), b" ", path.as_bytes(), &self.after_path] {
            head.extend_from_slice(part);
        }
        for (name, value) in self.headers(message) {
            for part in [name, b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// The message in the form for HTTP/2: the whole URL (RFC 9113 section 8.3.1).
    pub(super) fn for_http2(&self, message: Message) -> (Request<()>, Bytes) {
        let headers = self.header_map(&message);
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.url.scheme().clone());
        parts.authority = Some(self.url.authority().clone());
        parts.path_and_query = Some(message.path);
        let mut request = Request::new(());
        *request.headers_mut() = headers;
        *request.method_mut() = message.method;
        *request.uri_mut() = Uri::from_parts(parts).expect("scheme, authority and path are a URL");
        (request, message.body)
    }

    /// The headers in HTTP/2's form. Secrets are marked, so that they are neither shown nor put into
    /// its compression table.
    fn header_map(&self, message: &Message) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.headers(message) {
            let name = HeaderName::from_bytes(name).expect("it was checked");
            let mut value = HeaderValue::from_bytes(value).expect("it was checked");
            value.set_sensitive(self.is_secret(&name));
            map.append(name, value);
        }
        map
    }
}

fn add(headers: &mut HeadersBuilder, name: &str, value: &HeaderValue) -> Result<(), RequestError> {
    if headers.push(name, value.as_bytes()) {
        Ok(())
    } else {
        Err(RequestError::HeaderTooLong { name: name.into() })
    }
}

/// Whether a header says how a message is framed on this one connection (RFC 9110 section 7.6.1),
/// and so is set here or nowhere.
fn frames(name: &[u8]) -> bool {
    matches!(
        name,
        b"connection"
            | b"content-length"
            | b"expect"
            | b"host"
            | b"keep-alive"
            | b"proxy-connection"
            | b"te"
            | b"trailer"
            | b"transfer-encoding"
            | b"upgrade"
    )
}

/// Whether a header is one by RFC 9110 section 5: a token in lower case, and no control characters.
fn check(name: &[u8], value: &[u8]) -> Result<(), RequestError> {
    // Folded, and not broken off at the first that is wrong: so all are looked at several at a time.
    let is_token = name
        .iter()
        .fold(true, |so_far, byte| so_far & TOKEN[usize::from(*byte)]);
    if !is_token || name.is_empty() {
        return Err(RequestError::HeaderName);
    }
    let is_allowed = value.iter().fold(true, |so_far, byte| {
        so_far & (((*byte >= b' ') & (*byte != 0x7f)) | (*byte == b'\t'))
    });
    if !is_allowed {
        let name = String::from_utf8_lossy(name).into();
        return Err(RequestError::HeaderValue { name });
    }
    Ok(())
}

/// The characters of a token (RFC 9110 section 5.6.2), without upper case.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether a request by this method has content, be it none (RFC 9110 section 8.6).
fn has_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

#[cfg(test)]
mod tests {
    use super::{RequestError, check};

    #[track_caller]
    fn check_header(name: &str, value: &[u8], expected: Option<&RequestError>) {
        assert_eq!(
            check(name.as_bytes(), value).err().as_ref(),
            expected,
            "{name:?}: {value:?}"
        );
    }

    #[test]
    fn headers_are_tokens_and_have_no_control_characters() {
        check_header("x-note.1_~", b"a\tb \xff", None);
        check_header("x-empty", b"", None);
        for name in ["", "x note", "X-Note", "x:", "\u{e4}", "x\r\ny"] {
            check_header(name, b"a", Some(&RequestError::HeaderName));
        }
        for value in [&b"a\r\nb"[..], b"\n", b"\r", b"\0", b"\x7f"] {
            let expected = RequestError::HeaderValue { name: "x".into() };
            check_header("x", value, Some(&expected));
        }
    }
}
