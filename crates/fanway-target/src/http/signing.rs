//! How attempts are signed, so that a target can tell that they are ours, whole and recent: by
//! Standard Webhooks (`webhooks`), by an HMAC in the target's own style (`hmac`), or by both.
//!
//! A key is never printed.

mod hmac;
mod webhooks;

use std::fmt;
use std::sync::Arc;

use fanway_types::{Headers, Timestamp};
use http::header::HeaderValue;
use http::uri::PathAndQuery;
use http::{HeaderName, Method};

use super::RequestError;
pub use hmac::{Algorithm, Encoding, HmacError, HmacParams, HmacSigning};
pub(super) use webhooks::SIGNATURE as WEBHOOK_SIGNATURE;
pub use webhooks::{WebhookKey, WebhookKeyError};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Tells the time by the wall clock.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How requests are signed. Clones sign with the same keys.
#[derive(Clone)]
pub struct Signing {
    /// At least one, unless there is an HMAC.
    webhooks: Arc<[WebhookKey]>,
    hmac: Option<Arc<HmacSigning>>,
    clock: WallClock,
}

/// There is nothing to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no key to sign with")]
pub struct NoSigningKey;

/// What is known of a request when it is signed.
#[derive(Clone, Copy)]
pub(super) struct Signable<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a PathAndQuery,
    pub(super) headers: &'a Headers,
    pub(super) body: &'a [u8],
}

impl Signing {
    /// Signs by Standard Webhooks with each of `webhooks`, so that a receiver may know any one of
    /// them while keys are changed, and by `hmac`.
    ///
    /// # Errors
    /// Where there is neither.
    pub fn try_new(
        webhooks: impl IntoIterator<Item = WebhookKey>,
        hmac: Option<HmacSigning>,
        clock: WallClock,
    ) -> Result<Self, NoSigningKey> {
        let webhooks: Arc<[WebhookKey]> = webhooks.into_iter().collect();
        if webhooks.is_empty() && hmac.is_none() {
            return Err(NoSigningKey);
        }
        Ok(Self {
            webhooks,
            hmac: hmac.map(Arc::new),
            clock,
        })
    }

    /// Gives the headers that sign a request: each in place of any of its name.
    pub(super) fn sign(
        &self,
        request: Signable<'_>,
        mut give: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), RequestError> {
        let seconds = (self.clock)().as_millis() / 1000;
        let id = id(request.headers);
        if !self.webhooks.is_empty() {
            let id = id.as_ref().ok_or(RequestError::NoKey)?;
            let signed = webhooks::sign(&self.webhooks, id, seconds, request.body);
            for (name, value) in signed {
                give(name.as_bytes(), value.as_bytes());
            }
        }
        if let Some(hmac) = &self.hmac {
            hmac.sign(request, id.as_ref(), seconds, &mut give)?;
        }
        Ok(())
    }

    /// Whether a header is one that a signature comes with.
    pub(super) fn adds(&self, name: &[u8]) -> bool {
        (!self.webhooks.is_empty() && webhooks::adds(name))
            || self.hmac.as_ref().is_some_and(|hmac| hmac.adds(name))
    }

    /// Whether a header has a signature.
    pub(super) fn is_signature(&self, name: &HeaderName) -> bool {
        let hmac = self.hmac.as_ref();
        name == WEBHOOK_SIGNATURE || hmac.is_some_and(|hmac| hmac.header() == name)
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signing")
            .field("webhooks", &self.webhooks.len())
            .field("hmac", &self.hmac)
            .finish_non_exhaustive()
    }
}

/// What the request's `Idempotency-Key` says, without the quotes of a structured field's string.
fn id(headers: &Headers) -> Option<HeaderValue> {
    let text = headers.get_str(IDEMPOTENCY_KEY)?;
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    HeaderValue::from_str(quoted.unwrap_or(text))
        .ok()
        .filter(|id| !id.is_empty() && id.to_str().is_ok())
}
