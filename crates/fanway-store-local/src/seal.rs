//! Sealing: what a message has in it is encrypted before it is written, and opened where it is
//! read back.
//!
//! A sealed value is the number of a data key (u32, little endian), a random nonce (12 bytes), the
//! ciphertext, and a tag (16 bytes), by AES-256-GCM-SIV (RFC 8452). The associated data say of
//! which message it is and what of it ([`Of`]), so that no value opens in the place of another one.
//!
//! Data keys are random and belong to a data folder, which keeps them wrapped in the same way by an
//! operator's key; so that one can be replaced without anything being sealed anew.
//!
//! Refused here: opening without looking at the tag, and any other way of encrypting.

mod ring;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use fanway_types::{DeliveryId, Direction, MessageId, SecretKey, Timestamp};
use zeroize::Zeroizing;

pub(crate) use ring::{Ring, is_fresh};

const NUMBER: usize = 4;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Bytes that a sealed value has more than what is in it.
pub(crate) const OVERHEAD: usize = NUMBER + NONCE + TAG;

/// Why something sealed can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Data keys are wrapped by keys that weren't given.
    #[error(
        "what is sealed in the data folder needs the key {}, and `store.encrypt` doesn't have it: put it back, behind the one that encrypts",
        join(.0)
    )]
    NoKey(Vec<KeyId>),
    /// A data key isn't what was wrapped.
    #[error("data key {0} was changed since it was wrapped")]
    DataKey(u32),
    /// It names a data key that isn't in the folder.
    #[error("it is sealed by data key {0}, which isn't in the data folder")]
    NoDataKey(u32),
    /// It was changed since it was sealed, or was sealed for another place.
    #[error("what data key {0} has sealed was changed, or belongs elsewhere")]
    Changed(u32),
    /// It is too short to be a sealed value.
    #[error("a sealed value is cut off")]
    Cut,
}

fn join(ids: &[KeyId]) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    ids.join(", ")
}

/// What a sealed value is, and of what: its associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// The fields of a message's request, but for its body, and what of its terms names something.
    Head(MessageId),
    /// A message's body.
    Body(MessageId),
    /// The URL that a message's sender wants to be told at.
    Callback(MessageId),
    /// The fingerprint of a message's request.
    Fingerprint(MessageId),
    /// What was said of a delivery's attempt: the error, or the beginning of the target's answer.
    Detail(DeliveryId),
    /// A body that a delivery has in place of its message's.
    Edit(DeliveryId),
}

impl Of {
    /// Bytes of the associated data.
    const SIZE: usize = 1 + 16 + 2 + 4 + 2 + 1;

    fn associated_data(self) -> [u8; Self::SIZE] {
        let (kind, delivery) = match self {
            Self::Head(message) => (1, DeliveryId::first(message, 0)),
            Self::Body(message) => (2, DeliveryId::first(message, 0)),
            Self::Callback(message) => (3, DeliveryId::first(message, 0)),
            Self::Fingerprint(message) => (4, DeliveryId::first(message, 0)),
            Self::Detail(delivery) => (5, delivery),
            Self::Edit(delivery) => (6, delivery),
        };
        let mut data = [0; Self::SIZE];
        data[0] = kind;
        data[1..17].copy_from_slice(&delivery.message.to_bytes());
        data[17..19].copy_from_slice(&delivery.step.to_le_bytes());
        data[19..23].copy_from_slice(&delivery.item.to_le_bytes());
        data[23..25].copy_from_slice(&delivery.run.to_le_bytes());
        data[25] = u8::from(delivery.direction == Direction::Undo);
        data
    }
}

/// Names an operator's key without telling it: the first 64 bits of an HMAC-SHA256 by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The id of a key.
    #[must_use]
    pub fn of(key: &SecretKey) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        let tag = hmac::sign(&key, b"fanway key id");
        let (first, _) = tag
            .as_ref()
            .split_first_chunk()
            .expect("HMAC-SHA256 has 32 bytes");
        Self(*first)
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A key that wraps data keys.
pub(crate) struct WrappingKey {
    pub(crate) id: KeyId,
    key: LessSafeKey,
}

impl WrappingKey {
    pub(crate) fn new(key: &SecretKey) -> Self {
        Self {
            id: KeyId::of(key),
            key: cipher(key.expose()),
        }
    }

    /// A data key as it is kept.
    pub(crate) fn wrap(&self, number: u32, key: &SecretKey) -> Vec<u8> {
        let mut out = Vec::with_capacity(NONCE + SecretKey::SIZE + TAG);
        seal_with(&self.key, &wrapped_as(number), key.expose(), &mut out);
        out
    }

    /// The data key of this number that was kept so.
    pub(crate) fn unwrap(&self, number: u32, wrapped: &[u8]) -> Result<SecretKey, Error> {
        let damaged = Error::DataKey(number);
        let key = open_with(&self.key, &wrapped_as(number), wrapped).ok_or(damaged.clone())?;
        let key = Zeroizing::new(key);
        let bytes = <[u8; SecretKey::SIZE]>::try_from(&key[..]).map_err(|_| damaged)?;
        Ok(SecretKey::new(bytes))
    }
}

/// The associated data of a wrapped data key.
fn wrapped_as(number: u32) -> [u8; 20] {
    let mut data = *b"fanway data key ....";
    data[16..].copy_from_slice(&number.to_le_bytes());
    data
}

/// A key that seals what messages have in them.
pub(crate) struct DataKey {
    pub(crate) number: u32,
    pub(crate) made_at: Timestamp,
    key: LessSafeKey,
    /// Values that this process has sealed with it.
    sealed: AtomicU64,
}

impl DataKey {
    pub(crate) fn new(number: u32, made_at: Timestamp, key: &SecretKey) -> Self {
        Self {
            number,
            made_at,
            key: cipher(key.expose()),
            sealed: AtomicU64::new(0),
        }
    }

    /// Seals a value.
    pub(crate) fn seal(&self, of: Of, value: &[u8]) -> Vec<u8> {
        self.sealed.fetch_add(1, Ordering::Relaxed);
        let mut out = Vec::with_capacity(OVERHEAD + value.len());
        out.extend_from_slice(&self.number.to_le_bytes());
        seal_with(&self.key, &of.associated_data(), value, &mut out);
        out
    }

    fn open(&self, of: Of, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        open_with(&self.key, &of.associated_data(), sealed).ok_or(Error::Changed(self.number))
    }

    fn count(&self) -> u64 {
        self.sealed.load(Ordering::Relaxed)
    }
}

/// A key that nobody knows.
pub(crate) fn random_key() -> SecretKey {
    let mut bytes = Zeroizing::new([0; SecretKey::SIZE]);
    fill(&mut bytes[..]);
    SecretKey::new(*bytes)
}

/// The number of the data key that a value is sealed by.
pub(crate) fn sealed_by(sealed: &[u8]) -> Result<u32, Error> {
    let (number, _) = sealed.split_first_chunk().ok_or(Error::Cut)?;
    Ok(u32::from_le_bytes(*number))
}

fn cipher(key: &[u8; SecretKey::SIZE]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM_SIV, key);
    LessSafeKey::new(key.expect("a key of AES-256 has 32 bytes"))
}

fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the library's generator gives as many bytes as are asked for");
}

/// Appends nonce, ciphertext and tag.
fn seal_with(key: &LessSafeKey, associated: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let mut nonce = [0; NONCE];
    fill(&mut nonce);
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(value);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(associated), &mut out[start..])
        .expect("what fits into memory here is below the cipher's 64 GiB");
    out.extend_from_slice(tag.as_ref());
}

/// What [`seal_with`] has appended; `None` where it isn't that.
fn open_with(key: &LessSafeKey, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>()?;
    let mut value = vec![0; ciphertext.len()];
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let associated = Aad::from(associated);
    key.open_separate_gather(nonce, associated, ciphertext, tag, &mut value)
        .ok()?;
    Some(value)
}

#[cfg(test)]
mod tests;
