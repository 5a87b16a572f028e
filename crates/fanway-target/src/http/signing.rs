//! Standard Webhooks 1.0: each attempt is signed, so that a target can tell that it is ours, whole
//! and recent. Symmetric keys (`v1`) only; a key is never printed.
//!
//! What is signed is `{id}.{timestamp}.{body}`. The id is the attempt's `Idempotency-Key`, so that
//! a receiver that knows only `webhook-id` drops repetitions too. An id that has dots in it (that
//! of a redrive ends with `.r1`) leaves no doubt where it ends: the part after it is a number.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_types::{Headers, Timestamp};
use http::header::HeaderValue;

use super::RequestError;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
/// The header that has the signatures.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// A header by its name.
type Signed = (&'static str, HeaderValue);

/// Tells the time by the wall clock.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How requests are signed. Clones sign with the same keys.
#[derive(Clone)]
pub struct Signing {
    /// At least one.
    keys: Arc<[Key]>,
    clock: WallClock,
}

/// Why keys are none to sign with. Never quotes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// No key at all.
    #[error("there is no key to sign with")]
    NoKey,
    /// A key that is too short or too long.
    #[error(
        "a key to sign with has {0} bytes, and must have {least} to {most}",
        least = Signing::SHORTEST_KEY,
        most = Signing::LONGEST_KEY
    )]
    Length(usize),
}

impl Signing {
    /// The shortest key, in bytes.
    pub const SHORTEST_KEY: usize = 24;
    /// The longest key, in bytes.
    pub const LONGEST_KEY: usize = 64;

    /// Signs with each of `keys`, so that a receiver may know any one of them while keys are
    /// changed. A key is raw bytes: what the base64 after `whsec_` stands for.
    ///
    /// # Errors
    /// Where there is no key, or one whose length isn't one that the standard has.
    pub fn try_new(
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
        clock: WallClock,
    ) -> Result<Self, SigningError> {
        let keys: Arc<[Key]> = keys
            .into_iter()
            .map(|bytes| key(bytes.as_ref()))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(SigningError::NoKey);
        }
        Ok(Self { keys, clock })
    }

    /// The signature, and what it covers besides `body`: each in place of any header of its name.
    pub(super) fn sign(&self, headers: &Headers, body: &[u8]) -> Result<[Signed; 3], RequestError> {
        let id = id(headers).ok_or(RequestError::NoKey)?;
        let seconds = (self.clock)().as_millis() / 1000;
        let signature = self.signature(id.as_bytes(), seconds, body);
        Ok([
            (ID, id),
            (TIMESTAMP, seconds.into()),
            (SIGNATURE, signature),
        ])
    }

    /// The signatures by all keys.
    fn signature(&self, id: &[u8], seconds: u64, body: &[u8]) -> HeaderValue {
        let head = [id, b".", seconds.to_string().as_bytes(), b"."].concat();
        let signed = |key: &Key| {
            let mut hmac = Context::with_key(key);
            hmac.update(&head);
            hmac.update(body);
            format!("v1,{}", STANDARD.encode(hmac.sign()))
        };
        let all: Vec<String> = self.keys.iter().map(signed).collect();
        HeaderValue::try_from(all.join(" ")).expect("base64 is visible ASCII")
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signing")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// Whether a header is one that a signature comes with.
pub(super) fn adds(name: &[u8]) -> bool {
    [ID, TIMESTAMP, SIGNATURE]
        .iter()
        .any(|ours| ours.as_bytes() == name)
}

fn key(bytes: &[u8]) -> Result<Key, SigningError> {
    if !(Signing::SHORTEST_KEY..=Signing::LONGEST_KEY).contains(&bytes.len()) {
        return Err(SigningError::Length(bytes.len()));
    }
    Ok(Key::new(HMAC_SHA256, bytes))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use fanway_types::{Headers, Timestamp};

    use super::{Signed, Signing, SigningError};
    use crate::http::RequestError;

    /// The test vector that the libraries of the standard share.
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signing(keys: &[&[u8]]) -> Result<Signing, SigningError> {
        let clock = || Timestamp::from_millis(1_614_265_330_999);
        Signing::try_new(keys, Arc::new(clock))
    }

    fn signed(keys: &[&[u8]], key: &str) -> Result<[Signed; 3], RequestError> {
        let headers: Headers = [("idempotency-key", key.as_bytes())].into_iter().collect();
        signing(keys).expect("keys").sign(&headers, BODY)
    }

    fn vector() -> Vec<u8> {
        STANDARD.decode(SECRET).expect("base64")
    }

    fn value(signed: &[Signed; 3], name: &str) -> String {
        let (_, value) = signed.iter().find(|(other, _)| *other == name).expect(name);
        value.to_str().expect("text").to_owned()
    }

    #[track_caller]
    fn check(signed: &[Signed; 3], name: &str, expected: &str) {
        assert_eq!(value(signed, name), expected, "{name}");
    }

    #[test]
    fn the_standards_vector_is_signed_as_it_says() {
        let headers = signed(&[&vector()], "\"msg_p5jXN8AQM9LWM0D4loKWxJek\"").expect("signed");
        check(&headers, "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
        check(&headers, "webhook-timestamp", "1614265330");
        check(&headers, "webhook-signature", SIGNATURE);
    }

    #[test]
    fn a_key_without_quotes_is_an_id_as_it_is() {
        let headers = signed(&[&vector()], "msg_p5jXN8AQM9LWM0D4loKWxJek").expect("signed");
        check(&headers, "webhook-signature", SIGNATURE);
    }

    #[test]
    fn each_key_signs() {
        let other = [7; 64];
        let id = "\"msg_p5jXN8AQM9LWM0D4loKWxJek\"";
        let alone = signed(&[&other], id).expect("signed");
        let alone = value(&alone, "webhook-signature");
        assert_ne!(alone, SIGNATURE);
        let both = signed(&[&other, &vector()], id).expect("signed");
        check(&both, "webhook-signature", &format!("{alone} {SIGNATURE}"));
    }

    #[test]
    fn nothing_is_signed_that_says_not_what_it_is() {
        assert_eq!(signed(&[&vector()], "\"\""), Err(RequestError::NoKey));
        assert_eq!(signed(&[&vector()], ""), Err(RequestError::NoKey));
        let signing = signing(&[&vector()]).expect("keys");
        let bare = Headers::default();
        assert_eq!(signing.sign(&bare, BODY), Err(RequestError::NoKey));
    }

    #[track_caller]
    fn check_keys(keys: &[&[u8]], expected: Option<&str>) {
        let error = signing(keys).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected);
    }

    #[test]
    fn keys_are_as_long_as_the_standard_has_them() {
        let key = [7; 65];
        check_keys(&[], Some("there is no key to sign with"));
        let short = "a key to sign with has 23 bytes, and must have 24 to 64";
        check_keys(&[&key[..24], &key[..23]], Some(short));
        check_keys(&[&key[..24], &key[..64]], None);
        let long = "a key to sign with has 65 bytes, and must have 24 to 64";
        check_keys(&[&key], Some(long));
    }

    #[test]
    fn debug_output_hides_the_keys() {
        let signing = signing(&[&vector()]).expect("keys");
        assert_eq!(format!("{signing:?}"), "Signing { keys: 1, .. }");
    }
}
