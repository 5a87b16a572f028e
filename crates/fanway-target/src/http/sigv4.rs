//! AWS Signature Version 4, in headers: `Authorization`, `X-Amz-Date`, `X-Amz-Content-Sha256` and,
//! with temporary credentials, `X-Amz-Security-Token`
//! ([specification](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)).
//!
//! Signed are the method, the path, the query, the body, `host`, `content-type` and each `x-amz-…`
//! header. Others aren't: proxies on the way may change them. What is signed and how it is written
//! for that is in `canonical`.

mod canonical;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, Tag, sign};
use fanway_types::{Secret, Timestamp};

use super::WallClock;
use super::hex::hex;
use super::signing::Signable;
pub(super) use canonical::UNRESERVED;
use canonical::{Canonical, PathForm};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const END_OF_SCOPE: &str = "aws4_request";
const AUTHORIZATION: &str = "authorization";
const DATE: &str = "x-amz-date";
const CONTENT_HASH: &str = "x-amz-content-sha256";
const SESSION_TOKEN: &str = "x-amz-security-token";

/// Headers of a step that are signed besides those that begin with `x-amz-`.
const CONTENT_TYPE: &[u8] = b"content-type";

/// What requests to an AWS service are signed with.
#[derive(Clone)]
pub struct SigV4 {
    /// The id of the key.
    pub access_key: Secret,
    /// The key.
    pub secret_key: Secret,
    /// The token that comes with temporary credentials.
    pub session_token: Option<Secret>,
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// The service as it is called in signatures, such as `execute-api`.
    pub service: String,
    /// Tells when a request is signed. A service refuses one that is five minutes off.
    pub clock: WallClock,
}

impl fmt::Debug for SigV4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigV4")
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl SigV4 {
    /// Gives the headers that sign a request to `host`, each in place of any of its name.
    pub(super) fn sign(
        &self,
        request: Signable<'_>,
        host: &str,
        mut give: impl FnMut(&[u8], &[u8]),
    ) {
        let moment = Moment::at((self.clock)());
        let payload = hex(digest(&SHA256, request.body).as_ref());
        let mut headers: Vec<(&[u8], &[u8])> = request
            .headers
            .fields()
            .filter(|(name, _)| is_signed(name) && !self.adds(name))
            .collect();
        headers.push((b"host", host.as_bytes()));
        let session = self.session_token.as_ref().map(Secret::expose);
        let session = session.map(|token| (SESSION_TOKEN, token));
        let ours = [(DATE, &*moment.time), (CONTENT_HASH, &*payload)];
        for (name, value) in ours.into_iter().chain(session) {
            headers.push((name.as_bytes(), value.as_bytes()));
            give(name.as_bytes(), value.as_bytes());
        }
        let canonical = Canonical {
            method: request.method.as_str(),
            path: request.path.path(),
            form: PathForm::of(&self.service),
            query: request.path.query().unwrap_or_default(),
            headers,
            payload: &payload,
        };
        let authorization = self.authorization(&canonical, &moment);
        give(AUTHORIZATION.as_bytes(), authorization.as_bytes());
    }

    /// Whether a header is one that it sets.
    pub(super) fn adds(&self, name: &[u8]) -> bool {
        [AUTHORIZATION, DATE, CONTENT_HASH, SESSION_TOKEN]
            .iter()
            .any(|ours| ours.as_bytes() == name)
    }

    /// Whether the value of a header that it sets is to be hidden.
    pub(super) fn is_secret(name: &str) -> bool {
        name == AUTHORIZATION || name == SESSION_TOKEN
    }

    /// The value of `Authorization`.
    fn authorization(&self, canonical: &Canonical<'_>, moment: &Moment) -> String {
        let (text, signed_headers) = canonical.text();
        let (day, time) = (moment.day(), &moment.time);
        let scope = format!("{day}/{}/{}/{END_OF_SCOPE}", self.region, self.service);
        let request = hex(digest(&SHA256, &text).as_ref());
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{request}");
        let signature = hex(hmac(self.key(day).as_ref(), &to_sign).as_ref());
        let access_key = self.access_key.expose();
        format!(
            "{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
        )
    }

    /// The key of a day.
    fn key(&self, day: &str) -> Tag {
        let secret = format!("AWS4{}", self.secret_key.expose());
        let key = hmac(secret.as_bytes(), day);
        let key = hmac(key.as_ref(), &self.region);
        let key = hmac(key.as_ref(), &self.service);
        hmac(key.as_ref(), END_OF_SCOPE)
    }
}

fn hmac(key: &[u8], text: &str) -> Tag {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes())
}

/// Whether a header of a step is signed.
fn is_signed(name: &[u8]) -> bool {
    name == CONTENT_TYPE || name.starts_with(b"x-amz-")
}

/// When a request is signed: `20150830T123600Z`.
struct Moment {
    time: String,
}

impl Moment {
    fn at(now: Timestamp) -> Self {
        let seconds = Timestamp::from_millis(now.as_millis() / 1000 * 1000).to_string();
        let whole = seconds.split('.').next().unwrap_or_default();
        let mut time: String = whole.chars().filter(|one| !"-:".contains(*one)).collect();
        time.push('Z');
        Self { time }
    }

    fn day(&self) -> &str {
        self.time.split('T').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
