//! Standard Webhooks 1.0, with symmetric keys (`v1`, HMAC-SHA256) and asymmetric ones (`v1a`,
//! Ed25519) beside each other.
//!
//! What is signed is `{id}.{timestamp}.{body}`. The id is the attempt's `Idempotency-Key`, so that
//! a receiver that knows only `webhook-id` drops repetitions too. An id that has dots in it (that
//! of a redrive ends with `.r1`) leaves no doubt where it ends: the part after it is a number.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
/// The header that has the signatures.
pub(in crate::http) const SIGNATURE: &str = "webhook-signature";

/// A header by its name.
type Signed = (&'static str, HeaderValue);

/// The bytes of an Ed25519 seed (RFC 8032, section 5.1.5).
const SEED: usize = 32;

/// A key that signs. Prints as nothing.
#[derive(Clone)]
pub struct WebhookKey(Scheme);

#[derive(Clone)]
enum Scheme {
    V1(Arc<Key>),
    V1a(Arc<Ed25519KeyPair>),
}

/// Why bytes are no key. Never quotes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookKeyError {
    /// Too short or too long for a symmetric one.
    #[error(
        "a key to sign with has {0} bytes, and must have {least} to {most}",
        least = WebhookKey::SHORTEST,
        most = WebhookKey::LONGEST
    )]
    Length(usize),
    /// No Ed25519 key: neither a seed of 32 bytes nor one with the public key that belongs to it.
    #[error(
        "an Ed25519 key is a seed of 32 bytes, or 64 with the public key that belongs to the seed"
    )]
    Ed25519,
}

impl WebhookKey {
    /// The shortest symmetric key, in bytes.
    pub const SHORTEST: usize = 24;
    /// The longest symmetric key, in bytes.
    pub const LONGEST: usize = 64;

    /// A symmetric one, for `v1`: what the base64 after `whsec_` stands for.
    ///
    /// # Errors
    /// Where its length isn't one that the standard has.
    pub fn symmetric(bytes: &[u8]) -> Result<Self, WebhookKeyError> {
        if !(Self::SHORTEST..=Self::LONGEST).contains(&bytes.len()) {
            return Err(WebhookKeyError::Length(bytes.len()));
        }
        Ok(Self(Scheme::V1(Arc::new(Key::new(HMAC_SHA256, bytes)))))
    }

    /// An asymmetric one, for `v1a`: what the base64 after `whsk_` stands for, which is a seed or
    /// a seed with its public key.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, WebhookKeyError> {
        let (seed, public) = bytes
            .split_at_checked(SEED)
            .ok_or(WebhookKeyError::Ed25519)?;
        let pair = match public {
            [] => Ed25519KeyPair::from_seed_unchecked(seed),
            public => Ed25519KeyPair::from_seed_and_public_key(seed, public),
        };
        let pair = pair.map_err(|_| WebhookKeyError::Ed25519)?;
        Ok(Self(Scheme::V1a(Arc::new(pair))))
    }

    /// The signature of what begins with `head` and goes on with `body`, with its scheme.
    fn sign(&self, head: &[u8], body: &[u8]) -> String {
        match &self.0 {
            Scheme::V1(key) => {
                let mut hmac = Context::with_key(key);
                hmac.update(head);
                hmac.update(body);
                format!("v1,{}", STANDARD.encode(hmac.sign()))
            }
            Scheme::V1a(pair) => {
                // It goes over the message twice, so it has to be in one piece.
                let signature = pair.sign(&[head, body].concat());
                format!("v1a,{}", STANDARD.encode(signature))
            }
        }
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The signatures by all keys, and what they cover besides `body`.
pub(super) fn sign(
    keys: &[WebhookKey],
    id: &HeaderValue,
    seconds: u64,
    body: &[u8],
) -> [Signed; 3] {
    let head = [id.as_bytes(), b".", seconds.to_string().as_bytes(), b"."].concat();
    let all: Vec<String> = keys.iter().map(|key| key.sign(&head, body)).collect();
    let signature = HeaderValue::try_from(all.join(" ")).expect("base64 is visible ASCII");
    [
        (ID, id.clone()),
        (TIMESTAMP, seconds.into()),
        (SIGNATURE, signature),
    ]
}

/// Whether a header is one that a signature comes with.
pub(super) fn adds(name: &[u8]) -> bool {
    [ID, TIMESTAMP, SIGNATURE]
        .iter()
        .any(|ours| ours.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, KeyPair, UnparsedPublicKey};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderValue;

    use super::{Ed25519KeyPair, WebhookKey, sign};

    /// The test vector that the libraries of the standard share.
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: u64 = 1_614_265_330;
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signatures(keys: &[WebhookKey]) -> String {
        let id = HeaderValue::from_static(ID);
        let [.., (name, value)] = sign(keys, &id, SECONDS, BODY);
        assert_eq!(name, "webhook-signature");
        value.to_str().expect("text").to_owned()
    }

    fn symmetric(bytes: &[u8]) -> WebhookKey {
        WebhookKey::symmetric(bytes).expect("a key")
    }

    fn vector() -> WebhookKey {
        symmetric(&STANDARD.decode(SECRET).expect("base64"))
    }

    #[test]
    fn the_standards_vector_is_signed_as_it_says() {
        let id = HeaderValue::from_static(ID);
        let signed = sign(&[vector()], &id, SECONDS, BODY);
        let signed =
            signed.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")));
        let expected = [
            format!("webhook-id: {ID}"),
            format!("webhook-timestamp: {SECONDS}"),
            format!("webhook-signature: {SIGNATURE}"),
        ];
        assert_eq!(signed, expected);
    }

    #[test]
    fn each_key_signs_whatever_its_scheme() {
        let asymmetric = WebhookKey::ed25519(&[9; 32]).expect("a seed");
        let alone = signatures(std::slice::from_ref(&asymmetric));
        let all = signatures(&[asymmetric, vector()]);
        assert_eq!(all, format!("{alone} {SIGNATURE}"));
    }

    #[test]
    fn who_has_the_public_key_verifies_v1a() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a seed");
        let public = pair.public_key().as_ref().to_vec();
        let with_public = [&[9; 32][..], &public].concat();
        for bytes in [&[9; 32][..], &with_public] {
            let key = WebhookKey::ed25519(bytes).expect("a key");
            let signature = signatures(&[key]);
            let signature = signature.strip_prefix("v1a,").expect("its scheme");
            let signature = STANDARD.decode(signature).expect("base64");
            let signed = [format!("{ID}.{SECONDS}.").as_bytes(), BODY].concat();
            let public = UnparsedPublicKey::new(&ED25519, &public);
            assert!(public.verify(&signed, &signature).is_ok());
        }
    }

    #[track_caller]
    fn check_refused(key: Result<WebhookKey, super::WebhookKeyError>, expected: &str) {
        assert_eq!(key.expect_err("no key").to_string(), expected);
    }

    #[test]
    fn keys_are_as_the_standard_has_them() {
        let key = [7; 65];
        let short = "a key to sign with has 23 bytes, and must have 24 to 64";
        check_refused(WebhookKey::symmetric(&key[..23]), short);
        let long = "a key to sign with has 65 bytes, and must have 24 to 64";
        check_refused(WebhookKey::symmetric(&key), long);
        assert!(WebhookKey::symmetric(&key[..24]).is_ok());
        assert!(WebhookKey::symmetric(&key[..64]).is_ok());
        let other = "an Ed25519 key is a seed of 32 bytes, or 64 with the public key that belongs to the seed";
        for length in [0, 31, 33, 63, 64, 65] {
            check_refused(WebhookKey::ed25519(&key[..length]), other);
        }
    }

    #[test]
    fn debug_output_hides_the_keys() {
        let keys = [vector(), WebhookKey::ed25519(&[9; 32]).expect("a seed")];
        assert_eq!(format!("{keys:?}"), "[[secret], [secret]]");
    }
}
