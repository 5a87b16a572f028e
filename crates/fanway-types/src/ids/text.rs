//! The text of an id, put together without `core::fmt`: each attempt carries two of them.

use std::fmt;

use itoa::{Buffer, Integer};

use crate::base32;

/// The longest: `dlv_`, the message's characters, and `_65535.i4294967295.r65535.undo`.
const LONGEST: usize = 4 + base32::LENGTH + 6 + 12 + 7 + 5;

/// The text of an id, which is ASCII.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; LONGEST],
    length: usize,
}

impl IdText {
    /// What each id begins with.
    pub(super) fn new(prefix: &str, number: u128) -> Self {
        let mut text = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        text.push(prefix.as_bytes());
        text.push(&base32::encode(number));
        text
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        let end = self.length + part.len();
        self.bytes[self.length..end].copy_from_slice(part);
        self.length = end;
    }

    pub(super) fn push_number(&mut self, before: &str, number: impl Integer) {
        self.push(before.as_bytes());
        self.push(Buffer::new().format(number).as_bytes());
    }

    /// The text as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(self.as_bytes()).expect("all parts are ASCII"))
    }
}

impl fmt::Debug for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
