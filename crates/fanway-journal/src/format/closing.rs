//! The closing record.

use super::{Unreadable, VERSION, put, u16_at, u32_at, u64_at};
use crate::position::Position;

const MAGIC: [u8; 8] = *b"FWCLOSED";
const CHECKSUM_AT: usize = CLOSING_LEN - 4;

/// Bytes of the file.
const CLOSING_LEN: usize = 64;

/// Where the log ended when it was stopped in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// The segment that was current.
    pub(crate) generation: u64,
    /// The position behind the last batch.
    pub(crate) end: Position,
}

impl Closing {
    /// The whole file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; CLOSING_LEN];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 16, &self.generation.to_le_bytes());
        put(&mut bytes, 24, &self.end.0.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        put(&mut bytes, CHECKSUM_AT, &checksum.to_le_bytes());
        bytes
    }

    /// Reads a whole file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() != CLOSING_LEN
            || crc32c::crc32c(&bytes[..CHECKSUM_AT]) != u32_at(bytes, CHECKSUM_AT)
            || bytes[..8] != MAGIC
        {
            return Err(Unreadable::Damaged("the closing record is damaged"));
        }
        let version = u16_at(bytes, 8);
        if version != VERSION {
            return Err(Unreadable::Unsupported(format!(
                "closing record of version {version}, where this Fanway reads {VERSION}"
            )));
        }
        Ok(Self {
            generation: u64_at(bytes, 16),
            end: Position(u64_at(bytes, 24)),
        })
    }
}
