//! What an attempt would send, for people: made by what makes the real request, with what proves
//! who we are left out.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{HeaderName, Method};

use super::{HttpTarget, RequestError};
use crate::AttemptRequest;

/// Stands for a value that isn't shown.
const HIDDEN: HeaderValue = HeaderValue::from_static("(hidden)");

/// A request as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The method.
    pub method: Method,
    /// The whole URL; an API key at its end is `(hidden)`.
    pub url: String,
    /// The headers in the order in which they are sent; `host` is left out, since it says what the
    /// URL says and HTTP/2 has none. The target's credentials, whatever header they are in,
    /// `authorization` and signatures are `(hidden)`.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Preview {
    pub(super) fn new(method: Method, url: String, mut headers: HeaderMap, body: Bytes) -> Self {
        for (name, value) in &mut headers {
            if is_hidden(name, value) {
                *value = HIDDEN;
            }
        }
        Self {
            method,
            url,
            headers,
            body,
        }
    }
}

/// Our own secrets are marked; a caller's credentials are known by their name.
fn is_hidden(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || name == AUTHORIZATION
}

impl HttpTarget {
    /// What an attempt would send if it began now. Sends nothing and connects to nobody.
    ///
    /// # Errors
    /// Where an attempt would fail with [`FailureKind::Request`](crate::FailureKind::Request),
    /// for the same reason.
    pub fn preview(&self, request: &AttemptRequest) -> Result<Preview, RequestError> {
        let template = &self.0.template;
        let token = template.tokens().map(|_| HIDDEN);
        let message = template.fill(request.clone(), token.as_ref())?;
        Ok(template.preview(message))
    }
}
