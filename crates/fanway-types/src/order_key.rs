//! Order keys: what tells which deliveries go one after the other.

use std::fmt;

use sha2::{Digest, Sha256};

/// What stands for the value by which a delivery is kept in order: the first 128 bits of its
/// SHA-256. The value itself isn't kept beside the message, however long it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey([u8; 16]);

impl OrderKey {
    /// The key of a value, as text.
    #[must_use]
    pub fn of(value: &str) -> Self {
        let digest = Sha256::digest(value.as_bytes());
        let (first, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
        Self(*first)
    }

    /// The key as bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The key that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::OrderKey;

    #[test]
    fn a_key_stays_the_same_over_releases() {
        // Messages in data folders have these bytes: a change would let two of a key go at once.
        let key = OrderKey::of("42");
        assert_eq!(key.to_string(), "73475cb40a568e8da8a045ced110137e");
        assert_eq!(OrderKey::from_bytes(key.to_bytes()), key);
        assert_ne!(OrderKey::of("43"), key);
    }
}
