//! Web pages of other origins as senders (WHATWG Fetch, "CORS protocol").
//!
//! A browser asks before it sends a page's request elsewhere: such a preflight is answered here,
//! whatever the routes take, since it is no request of anybody's own. Each other answer, a refusal
//! too, says whether the page may read it. Pages can't send credentials: no cookie or login of a
//! browser lets anybody in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::Full;

use fanway_types::{AllowedOrigin, Origin};

/// What a page may read of an answer's headers besides those that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "location, retry-after, idempotent-replayed, preference-applied, allow, accept-encoding",
);

/// What the answer to a preflight depends on.
const PREFLIGHT_VARIES: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers",
);

/// Which pages may send from a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Where their pages come from.
    pub origins: Origins,
    /// How long a browser may keep the answer to a preflight, in whole seconds.
    pub max_age: Duration,
}

/// Where pages may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// From anywhere.
    Any,
    /// From one of these.
    Listed(Arc<[AllowedOrigin]>),
}

impl Origins {
    /// What an answer says of who may read it, to a request that came with these headers.
    fn allowed(&self, asked: &HeaderMap) -> Option<HeaderValue> {
        let allowed = match self {
            Self::Any => return Some(HeaderValue::from_static("*")),
            Self::Listed(allowed) => allowed,
        };
        let value = asked.get(ORIGIN)?;
        let origin: Origin = value.to_str().ok()?.parse().ok()?;
        let is_among = allowed.iter().any(|allowed| allowed.allows(&origin));
        is_among.then(|| value.clone())
    }
}

impl Cors {
    /// The answer to a preflight; `None` where it isn't one.
    pub(crate) fn preflight(&self, head: &Parts) -> Option<Response<Full<Bytes>>> {
        let asked = &head.headers;
        let method = asked.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if head.method != Method::OPTIONS || !asked.contains_key(ORIGIN) {
            return None;
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(VARY, PREFLIGHT_VARIES);
        if let Some(origin) = self.origins.allowed(asked) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            // Whether a route takes them is for the request itself to be told.
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            for names in asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.append(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.as_secs().into());
        }
        Some(response)
    }

    /// Says in an answer who may read it, to a request that came with the headers `asked`.
    pub(crate) fn share(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        if matches!(self.origins, Origins::Listed(_)) {
            answer.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origins.allowed(asked) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
