//! What must not be seen: text, and keys.

use std::fmt;

use zeroize::Zeroize;

/// A text that prints as nothing: a token, a password, a key.
///
/// It has no `Display` and no `Serialize`, so that it can't end up in a log, an error, a page or
/// the ledger by accident; whoever sends it says [`expose`](Self::expose).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A key of 256 bits that prints as nothing, and is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; Self::SIZE]);

impl SecretKey {
    /// Bytes of a key.
    pub const SIZE: usize = 32;

    /// Wraps a key.
    #[must_use]
    pub fn new(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves, for the one place that computes with them.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::SIZE] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretKey};

    #[test]
    fn debug_output_hides_the_text() {
        assert_eq!(
            format!("{:?}", Secret::new("hunter2".to_owned())),
            "[secret]"
        );
    }
    #[test]
    fn debug_output_hides_a_key() {
        let key = SecretKey::new([7; SecretKey::SIZE]);
        assert_eq!(format!("{key:?}"), "[secret]");
    }
}
