//! What makes a repeated request known as such: its key, and a fingerprint of all that was sent.
//!
//! The header is that of draft-ietf-httpapi-idempotency-key-header-07.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{RouteName, Timestamp};

/// The key that a sender gave a request, and for how long it stands for that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Within what it is the sender's own.
    pub scope: KeyScope,
    /// The key itself, without quotes.
    pub text: Box<str>,
    /// Of the request that it was sent with.
    pub fingerprint: Fingerprint,
    /// The key is forgotten after this time.
    pub until: Timestamp,
}

impl IdempotencyKey {
    /// The longest key, in bytes.
    pub const LONGEST: usize = 255;

    /// What the key is looked up by.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        let (kind, name) = match &self.scope {
            KeyScope::Route(route) => (&b"route"[..], route.as_str()),
        };
        KeyHash(digest(&[kind, name.as_bytes(), self.text.as_bytes()]))
    }
}

/// Within what keys are one sender's own: two senders may use the same key and mean two things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Nobody says who sends: keys are shared by all who send to the route.
    Route(RouteName),
}

/// Stands for a key within its scope: the first 128 bits of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 16]);

/// Tells requests with the same key apart: the first 128 bits of the SHA-256 of method, path,
/// query and body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of a request, all as it was sent.
    #[must_use]
    pub fn of(method: &str, path: &str, query: Option<&str>, body: &[u8]) -> Self {
        // A query that is empty isn't one that is missing.
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let parts = [method.as_bytes(), path.as_bytes(), query.as_bytes(), body];
        Self(digest(&parts))
    }
}

/// Each part goes in with its length, so that no two lists of parts give the same bytes.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let (first, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
    *first
}

macro_rules! as_bytes {
    ($($name:ident),+) => {$(
        impl $name {
            /// It as bytes.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0
            }

            /// What [`to_bytes`](Self::to_bytes) gave.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }
    )+};
}

as_bytes!(KeyHash, Fingerprint);

#[cfg(test)]
mod tests {
    use super::{Fingerprint, IdempotencyKey, KeyScope};
    use crate::Timestamp;

    fn key(route: &str, text: &str) -> IdempotencyKey {
        IdempotencyKey {
            scope: KeyScope::Route(route.parse().expect("a name")),
            text: text.into(),
            fingerprint: Fingerprint::of("POST", "/", None, b""),
            until: Timestamp::default(),
        }
    }

    #[test]
    fn a_key_is_its_scopes_own() {
        assert_eq!(key("orders", "a").hash(), key("orders", "a").hash());
        assert_ne!(key("orders", "a").hash(), key("orders", "b").hash());
        assert_ne!(key("orders", "a").hash(), key("order", "sa").hash());
    }

    #[test]
    fn hashes_stay_the_same_over_releases() {
        // They are what data folders are searched by.
        let hash = format!("{:?}", key("orders", "8e03978e").hash());
        assert_eq!(hash, "f61ac78c7b3abcfafa779fa7dffdaa1a");
        let print = Fingerprint::of("POST", "/orders", Some("a=b"), b"{}");
        assert_eq!(format!("{print:?}"), "e5ed24d241e14526d6c50c8e682b68f4");
    }

    #[test]
    fn any_difference_shows_in_the_fingerprint() {
        let prints = [
            Fingerprint::of("POST", "/a", None, b"b"),
            Fingerprint::of("PUT", "/a", None, b"b"),
            Fingerprint::of("POST", "/ab", None, b""),
            Fingerprint::of("POST", "/a", Some(""), b"b"),
            Fingerprint::of("POST", "/a", Some("b"), b""),
            Fingerprint::of("POST", "/a", None, b"c"),
        ];
        for (index, print) in prints.iter().enumerate() {
            assert!(!prints[..index].contains(print), "{index}");
        }
    }
}
