//! The request of each attempt: what is the same for all is made once, and nothing goes out that
//! isn't HTTP.

use std::ops::Range;

use bytes::Bytes;
use fanway_http1::write_field;
use fanway_types::Headers;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request};
use itoa::Buffer;

use super::credentials::Proof;
use super::failure::Failure;
use super::oauth2::Tokens;
use super::signing::Signable;
use super::{BaseUrl, Credentials, CredentialsError, Preview, Signing, signing};
use crate::{AttemptRequest, FailureKind};

const CONTENT_LENGTH: &[u8] = b"content-length";

/// The longest body that is sent in one piece with its head, in bytes. To have the system gather
/// two pieces takes some 300 ns longer than to send one: more than it takes to copy so many bytes.
const SHORT_BODY: usize = 4 << 10;

/// Bytes that the headers take which a target adds, as a rule.
const ADDED: usize = 256;

/// What all requests to a target have in common.
pub(super) struct Template {
    url: BaseUrl,
    /// What stands between an HTTP/1.1 request's method and its path.
    before_path: Box<[u8]>,
    /// The rest of an HTTP/1.1 request's first line, and its `host`.
    after_path: Box<[u8]>,
    proof: Proof,
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
    /// The head in the form for HTTP/1.1 (RFC 9112 section 3), and behind it a short body.
    text: Vec<u8>,
    /// Where in it the headers are, but for `host`, which HTTP/2 has not.
    headers: Range<usize>,
    pub(super) body: Bytes,
}

impl Message {
    /// What goes out first over HTTP/1.1: the head, and with it a short body.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// What goes out behind the [`text`](Self::text).
    pub(super) fn rest(&self) -> Bytes {
        match short(&self.body) {
            Some(_) => Bytes::new(),
            None => self.body.clone(),
        }
    }

    /// The headers that are sent, but for `host`.
    fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.text[self.headers.clone()].split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| {
            let name = line.iter().position(|byte| *byte == b':');
            let (name, rest) = line.split_at(name.expect("a line has a name"));
            (name, &rest[b": ".len()..rest.len() - b"\r\n".len()])
        })
    }
}

impl Template {
    pub(super) fn try_new(
        url: BaseUrl,
        credentials: Credentials,
        sign: Option<Signing>,
    ) -> Result<Self, CredentialsError> {
        // The host comes first (RFC 9110 section 7.2).
        let after_path = format!(" HTTP/1.1\r\nhost: {}\r\n", url.authority());
        Ok(Self {
            url,
            before_path: b" "[..].into(),
            after_path: after_path.into_bytes().into(),
            proof: Proof::new(credentials)?,
            sign,
        })
    }

    /// Has requests over HTTP/1.1 name the whole URL, and carry one more line or none: for a proxy
    /// that passes them on (RFC 9112, 3.2.2).
    pub(super) fn name_whole_urls(&mut self, line: &str) {
        let before_path = format!(" {}://{}", self.url.scheme(), self.url.authority());
        self.before_path = before_path.into_bytes().into();
        self.after_path = [&self.after_path, line.as_bytes()].concat().into();
    }

    /// Who has the tokens that requests are [filled](Self::fill) with, where the credentials are such.
    pub(super) fn tokens(&self) -> Option<&Tokens> {
        match &self.proof {
            Proof::Token(tokens) => Some(tokens),
            _ => None,
        }
    }

    /// Makes a request whole. What is signed is what it says now. `token` is the value of its
    /// `Authorization` where the credentials are [tokens](Self::tokens), else there is none.
    pub(super) fn fill(
        &self,
        request: AttemptRequest,
        token: Option<&HeaderValue>,
    ) -> Result<Message, RequestError> {
        let AttemptRequest {
            method,
            path_and_query,
            headers: given,
            body,
            ..
        } = request;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| RequestError::Method)?;
        let path = match &self.proof {
            Proof::Query { name, value } => {
                self.url.join(&with_parameter(&path_and_query, name, value))
            }
            _ => self.url.join(&path_and_query),
        };
        let path = path.ok_or(RequestError::Path)?;
        let mut text = self.first_lines(&method, &path, &given, &body);
        let begin = text.len();
        let signable = Signable {
            method: &method,
            path: &path,
            headers: &given,
            body: &body,
        };
        self.write_headers(&mut text, signable, token)?;
        let headers = begin..text.len();
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(short(&body).unwrap_or_default());
        Ok(Message {
            method,
            path,
            text,
            headers,
            body,
        })
    }

    /// The first line and `host`, with room for the rest.
    fn first_lines(
        &self,
        method: &Method,
        path: &PathAndQuery,
        given: &Headers,
        body: &[u8],
    ) -> Vec<u8> {
        let (method, path) = (method.as_str(), path.as_str());
        let around = self.before_path.len() + self.after_path.len();
        let lines = method.len() + path.len() + around;
        // What a header has around it here is as long as its two lengths in the block.
        let headers = given.as_block().len() + ADDED;
        let body = short(body).map_or(0, <[u8]>::len);
        let mut text = Vec::with_capacity(lines + headers + body);
        let (method, path) = (method.as_bytes(), path.as_bytes());
        for part in [method, &self.before_path, path, &self.after_path] {
            text.extend_from_slice(part);
        }
        text
    }

    fn write_headers(
        &self,
        text: &mut Vec<u8>,
        request: Signable<'_>,
        token: Option<&HeaderValue>,
    ) -> Result<(), RequestError> {
        for (name, value) in request.headers.fields() {
            check(name, value)?;
            if self.passes(name) {
                write_field(text, name, value);
            }
        }
        match &self.proof {
            Proof::Nothing | Proof::Query { .. } => {}
            Proof::Header(name, value) => write_field(text, name.as_ref(), value.as_bytes()),
            Proof::Token(_) => {
                if let Some(token) = token {
                    write_field(text, AUTHORIZATION.as_ref(), token.as_bytes());
                }
            }
            Proof::Signature(signer) => {
                let host = self.url.authority().as_str();
                signer.sign(request, host, |name, value| write_field(text, name, value));
            }
        }
        if let Some(sign) = &self.sign {
            sign.sign(request, |name, value| write_field(text, name, value))?;
        }
        if !request.body.is_empty() || has_content(request.method) {
            write_field(
                text,
                CONTENT_LENGTH,
                Buffer::new().format(request.body.len()).as_bytes(),
            );
        }
        Ok(())
    }

    /// Whether a header is the caller's to set.
    fn passes(&self, name: &[u8]) -> bool {
        !(frames(name)
            || self.proof.adds(name)
            || self.sign.as_ref().is_some_and(|sign| sign.adds(name)))
    }

    /// Whether a header's value is a secret, or lets somebody else use one.
    fn is_secret(&self, name: &HeaderName) -> bool {
        let is_signature = |sign: &Signing| sign.is_signature(name);
        name == signing::WEBHOOK_SIGNATURE
            || self.sign.as_ref().is_some_and(is_signature)
            || self.proof.is_secret(name)
    }

    /// The message in the form for people.
    pub(super) fn preview(&self, message: Message) -> Preview {
        let headers = self.header_map(&message);
        let Message {
            method, path, body, ..
        } = message;
        let (scheme, authority) = (self.url.scheme(), self.url.authority());
        let path = match &self.proof {
            Proof::Query { value, .. } => {
                let shown = path.as_str().strip_suffix(&**value);
                format!("{}(hidden)", shown.expect("the key stands at its end"))
            }
            _ => path.to_string(),
        };
        let url = format!("{scheme}://{authority}{path}");
        Preview::new(method, url, headers, body)
    }

    /// The message's head in the form for HTTP/2: the whole URL (RFC 9113 section 8.3.1).
    pub(super) fn for_http2(&self, message: &Message) -> Request<()> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.url.scheme().clone());
        parts.authority = Some(self.url.authority().clone());
        parts.path_and_query = Some(message.path.clone());
        let mut request = Request::new(());
        *request.headers_mut() = self.header_map(message);
        *request.method_mut() = message.method.clone();
        *request.uri_mut() = Uri::from_parts(parts).expect("scheme, authority and path are a URL");
        request
    }

    /// The headers in HTTP/2's form. Secrets are marked, so that they are neither shown nor put into
    /// its compression table.
    fn header_map(&self, message: &Message) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in message.headers() {
            let name = HeaderName::from_bytes(name).expect("it was checked");
            let mut value = HeaderValue::from_bytes(value).expect("it was checked");
            value.set_sensitive(self.is_secret(&name));
            map.append(name, value);
        }
        map
    }
}

/// A path and query with one more parameter at their end.
fn with_parameter(path_and_query: &str, name: &str, value: &str) -> String {
    let between = match path_and_query.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{path_and_query}{between}{name}={value}")
}

/// The body, where it goes out with the head.
fn short(body: &[u8]) -> Option<&[u8]> {
    (body.len() <= SHORT_BODY).then_some(body)
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
    // Folded, and not broken off at the first that is wrong: so several are looked at at a time.
    let is_token = name
        .iter()
        .fold(true, |so_far, byte| so_far & TOKEN[usize::from(*byte)]);
    if !is_token || name.is_empty() {
        return Err(RequestError::HeaderName);
    }
    if !has_no_controls(value) {
        let name = String::from_utf8_lossy(name).into();
        return Err(RequestError::HeaderValue { name });
    }
    Ok(())
}

/// Whether a value has no control characters (RFC 9110 section 5.5).
fn has_no_controls(value: &[u8]) -> bool {
    // By so many bytes at a time the compiler looks at them all at once.
    match value.last_chunk::<16>() {
        Some(last) => value.as_chunks().0.iter().all(are_allowed) && are_allowed(last),
        None => value.iter().all(|byte| is_allowed(*byte)),
    }
}

fn are_allowed(bytes: &[u8; 16]) -> bool {
    bytes
        .iter()
        .fold(true, |so_far, byte| so_far & is_allowed(*byte))
}

fn is_allowed(byte: u8) -> bool {
    ((byte >= b' ') & (byte != 0x7f)) | (byte == b'\t')
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
    use bytes::Bytes;
    use fanway_types::Headers;

    use super::{Message, RequestError, SHORT_BODY, Template, check};
    use crate::http::Credentials;
    use crate::{AttemptRequest, Capture};

    fn filled(headers: Headers, body: Vec<u8>) -> Message {
        let url = "http://a".parse().expect("a URL");
        let template = Template::try_new(url, Credentials::None, None).expect("none");
        let request = AttemptRequest {
            method: "GET".into(),
            path_and_query: "".into(),
            headers,
            body: Bytes::from(body),
            capture: Capture::Nothing,
        };
        template.fill(request, None).expect("it can be sent")
    }

    /// How much of a body goes out with the head.
    #[track_caller]
    fn check_with_head(length: usize, expected: usize) {
        let body: Vec<u8> = (0..=250).cycle().take(length).collect();
        let message = filled(Headers::default(), body.clone());
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        let sent = [message.text(), &message.rest()].concat();
        assert!(sent == [head.as_bytes(), &body].concat(), "{length}");
        assert_eq!(message.text().len(), head.len() + expected, "{length}");
    }

    #[test]
    fn a_short_body_goes_out_with_the_head_and_a_longer_one_behind_it() {
        check_with_head(1, 1);
        check_with_head(SHORT_BODY, SHORT_BODY);
        check_with_head(SHORT_BODY + 1, 0);
    }

    #[test]
    fn headers_are_read_back_as_they_were_given() {
        let given = [
            ("x-empty", &b""[..]),
            ("x-colon", b": a: b:"),
            ("x-spaces", b" \t "),
            ("x-raw", b"\xff"),
        ];
        let message = filled(given.into_iter().collect(), Vec::new());
        let read: Vec<_> = message.headers().collect();
        assert_eq!(read, given.map(|(name, value)| (name.as_bytes(), value)));
    }

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
            for length in [15, 16, 17, 32, 47] {
                for at in 0..=length {
                    let mut long = vec![b'a'; length];
                    long.splice(at..at, value.iter().copied());
                    check_header("x", &long, Some(&expected));
                }
            }
        }
        check_header("x", &[b'\xff'; 47], None);
    }
}
