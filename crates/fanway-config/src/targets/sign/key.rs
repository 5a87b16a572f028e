//! Keys of Standard Webhooks: `whsec_…` for `v1`, `whsk_…` for `v1a`.

use std::fmt;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::keys::Kind;
use crate::value::{FromText, Refusal};

/// A key that signs. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    scheme: SigningScheme,
    bytes: Box<[u8]>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningScheme {
    /// HMAC-SHA256; the key has 24 to 64 bytes.
    V1,
    /// Ed25519; the key is a seed of 32 bytes, or 64 with the public key that belongs to it.
    V1a,
}

impl SigningKey {
    /// What it is for.
    #[must_use]
    pub fn scheme(&self) -> SigningScheme {
        self.scheme
    }

    /// The bytes themselves, for what signs.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a symmetric key begins with.
const SYMMETRIC: &str = "whsec_";
/// What an asymmetric one begins with.
const ASYMMETRIC: &str = "whsk_";
/// What the public one of a pair begins with.
const PUBLIC: &str = "whpk_";

/// With or without `=` at its end: both are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl FromText for SigningKey {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let refusal = |why: &str| Refusal::Secret(why.to_owned());
        if let Some(encoded) = text.strip_prefix(ASYMMETRIC) {
            return asymmetric(encoded).map_err(refusal);
        }
        if text.starts_with(PUBLIC) {
            return Err(refusal("that is a public key: it signs nothing"));
        }
        let encoded = text
            .strip_prefix(SYMMETRIC)
            .ok_or_else(|| refusal("it begins with neither `whsec_` nor `whsk_`"))?;
        let bytes = BASE64
            .decode(encoded)
            .map_err(|_| refusal("what follows `whsec_` is no base64"))?;
        match bytes.len() {
            24..=64 => Ok(Self {
                scheme: SigningScheme::V1,
                bytes: bytes.into(),
            }),
            length => Err(refusal(&format!("it has {length} bytes"))),
        }
    }
}

fn asymmetric(encoded: &str) -> Result<SigningKey, &'static str> {
    let bytes = BASE64
        .decode(encoded)
        .map_err(|_| "what follows `whsk_` is no base64")?;
    let pair = match bytes.len() {
        32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
        64 => Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]),
        _ => return Err("it has neither 32 nor 64 bytes"),
    };
    pair.map_err(|_| "its public key doesn't belong to its seed")?;
    Ok(SigningKey {
        scheme: SigningScheme::V1a,
        bytes: bytes.into(),
    })
}
