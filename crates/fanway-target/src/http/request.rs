//! The head of each request: what is the same for all is made once.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request};

use super::failure::Failure;
use super::upload::Upload;
use super::{BaseUrl, Credentials, CredentialsError, Preview, Signing};
use crate::{AttemptRequest, FailureKind};

/// Headers that say how a message is framed on this one connection (RFC 9110 section 7.6.1), and
/// so are set here or nowhere.
const CONNECTION_HEADERS: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What all requests to a target have in common.
pub(super) struct Template {
    url: BaseUrl,
    host: HeaderValue,
    credentials: Option<(HeaderName, HeaderValue)>,
    sign: Option<Signing>,
}

/// Why a request can't be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// What is to be appended belongs in no URL.
    #[error("the path isn't one that a URL can have")]
    Path,
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
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
}

impl Template {
    pub(super) fn try_new(
        url: BaseUrl,
        credentials: &Credentials,
        sign: Option<Signing>,
    ) -> Result<Self, CredentialsError> {
        let host =
            HeaderValue::from_str(url.authority().as_str()).expect("an authority is visible ASCII");
        Ok(Self {
            url,
            host,
            credentials: credentials.header()?,
            sign,
        })
    }

    /// Makes a request whole. What is signed is what it says now.
    pub(super) fn fill(&self, request: AttemptRequest) -> Result<Message, RequestError> {
        let AttemptRequest {
            method,
            path_and_query,
            mut headers,
            body,
            ..
        } = request;
        let path = self.url.join(&path_and_query).ok_or(RequestError::Path)?;
        for name in &CONNECTION_HEADERS {
            headers.remove(name);
        }
        if let Some((name, value)) = &self.credentials {
            headers.insert(name, value.clone());
        }
        if let Some(sign) = &self.sign {
            sign.sign(&mut headers, &body)?;
        }
        if !body.is_empty() || has_content(&method) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Ok(Message {
            method,
            path,
            headers,
            body,
        })
    }

    /// The message in the form for people.
    pub(super) fn preview(&self, message: Message) -> Preview {
        let Message {
            method,
            path,
            headers,
            body,
        } = message;
        let (scheme, authority) = (self.url.scheme(), self.url.authority());
        let url = format!("{scheme}://{authority}{path}");
        Preview::new(method, url, headers, body)
    }

    /// The message in the form for HTTP/1.1: the path alone, and `host`.
    pub(super) fn for_http1(&self, message: Message) -> Request<Upload> {
        let mut request = Request::new(Upload::new(message.body));
        *request.method_mut() = message.method;
        *request.uri_mut() = Uri::from(message.path);
        *request.headers_mut() = message.headers;
        request.headers_mut().insert(HOST, self.host.clone());
        request
    }

    /// Back from [`for_http1`](Self::for_http1), where nothing was sent.
    pub(super) fn from_http1(request: Request<Upload>) -> Message {
        let (head, body) = request.into_parts();
        let path = head
            .uri
            .into_parts()
            .path_and_query
            .expect("for_http1 set it");
        let mut headers = head.headers;
        headers.remove(HOST);
        Message {
            method: head.method,
            path,
            headers,
            body: body.into_rest(),
        }
    }

    /// The message in the form for HTTP/2: the whole URL (RFC 9113 section 8.3.1).
    pub(super) fn for_http2(&self, message: Message) -> (Request<()>, Upload) {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.url.scheme().clone());
        parts.authority = Some(self.url.authority().clone());
        parts.path_and_query = Some(message.path);
        let mut request = Request::new(());
        *request.headers_mut() = message.headers;
        *request.method_mut() = message.method;
        *request.uri_mut() = Uri::from_parts(parts).expect("scheme, authority and path are a URL");
        (request, Upload::new(message.body))
    }
}

/// Whether a request by this method has content, be it none (RFC 9110 section 8.6).
fn has_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
