//! The segment header, and the seed of all checksums in a segment.

use std::hash::{BuildHasher as _, RandomState};

use super::{
    BLOCK, MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE, Unreadable, VERSION, put, u16_at, u32_at, u64_at,
};
use crate::position::Position;
use crate::width::in_memory;

const MAGIC: [u8; 8] = *b"FWSEGMNT";
const COPY_LEN: usize = 2048;
const CHECKSUM_AT: usize = COPY_LEN - 4;
const FIELDS_LEN: u16 = 64;
const FRESH: u32 = 1;

/// What the first block of a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The segment's number; it grows for ever.
    pub(crate) generation: u64,
    /// The position of the first byte behind the header.
    pub(crate) base: Position,
    /// Bytes in the file.
    pub(crate) size: u64,
    /// What every checksum in the segment depends on.
    pub(crate) salt: u64,
    /// Set when a run begins here: everything before that position was taken over.
    pub(crate) fresh: Option<Position>,
}

impl SegmentHeader {
    /// A header with a new salt.
    pub(crate) fn new(generation: u64, base: Position, size: u64, fresh: Option<Position>) -> Self {
        // The hasher's keys come from the system's randomness; that is all that is needed of it.
        let salt = RandomState::new().hash_one(generation);
        Self {
            generation,
            base,
            size,
            salt,
            fresh,
        }
    }

    /// Bytes that batches can take.
    pub(crate) fn capacity(&self) -> u64 {
        self.size - BLOCK
    }

    /// The position of the byte behind the segment: where the next one begins.
    pub(crate) fn limit(&self) -> Position {
        Position(self.base.0 + self.capacity())
    }

    /// The position of the byte at `offset` of the file.
    pub(crate) fn position(&self, offset: u64) -> Position {
        Position(self.base.0 + offset - BLOCK)
    }

    /// The offset in the file of a position within the segment.
    pub(crate) fn offset(&self, position: Position) -> u64 {
        position.0 - self.base.0 + BLOCK
    }

    /// What the checksums in this segment begin with.
    pub(crate) fn seed(&self) -> Seed {
        let crc = crc32c::crc32c(&self.salt.to_le_bytes());
        Seed(crc32c::crc32c_append(crc, &self.generation.to_le_bytes()))
    }

    /// The whole block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; in_memory(BLOCK)];
        let (copy, second) = block.split_at_mut(COPY_LEN);
        put(copy, 0, &MAGIC);
        put(copy, 8, &VERSION.to_le_bytes());
        put(copy, 10, &FIELDS_LEN.to_le_bytes());
        let flags = if self.fresh.is_some() { FRESH } else { 0 };
        put(copy, 12, &flags.to_le_bytes());
        put(copy, 24, &self.generation.to_le_bytes());
        put(copy, 32, &self.base.0.to_le_bytes());
        put(copy, 40, &self.size.to_le_bytes());
        put(copy, 48, &self.salt.to_le_bytes());
        put(copy, 56, &self.fresh.unwrap_or_default().0.to_le_bytes());
        let checksum = crc32c::crc32c(&copy[..CHECKSUM_AT]);
        put(copy, CHECKSUM_AT, &checksum.to_le_bytes());
        second.copy_from_slice(copy);
        block
    }

    /// Reads a block of which every bit must be right.
    pub(crate) fn decode(block: &[u8]) -> Result<Self, Unreadable> {
        let (first, second) = Self::halves(block)?;
        let header = Self::decode_copy(first)?;
        if first != second {
            return Err(Unreadable::Damaged(
                "the segment header's second copy is damaged",
            ));
        }
        Ok(header)
    }

    /// Reads whichever copy is intact: for repair.
    pub(crate) fn decode_any(block: &[u8]) -> Result<Self, Unreadable> {
        let (first, second) = Self::halves(block)?;
        Self::decode_copy(first).or_else(|first| Self::decode_copy(second).map_err(|_| first))
    }

    fn halves(block: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
        if block.len() < in_memory(BLOCK) {
            return Err(Unreadable::Damaged(
                "the file ends within the segment header",
            ));
        }
        Ok((&block[..COPY_LEN], &block[COPY_LEN..in_memory(BLOCK)]))
    }

    fn decode_copy(copy: &[u8]) -> Result<Self, Unreadable> {
        if crc32c::crc32c(&copy[..CHECKSUM_AT]) != u32_at(copy, CHECKSUM_AT) || copy[..8] != MAGIC {
            return Err(Unreadable::Damaged("the segment header is damaged"));
        }
        let version = u16_at(copy, 8);
        if version != VERSION {
            return Err(Unreadable::Unsupported(format!(
                "format version {version}, where this Fanway reads {VERSION}"
            )));
        }
        let flags = u32_at(copy, 12);
        if flags & !FRESH != 0 {
            return Err(Unreadable::Unsupported(format!(
                "required flags {flags:#x} in the segment header"
            )));
        }
        let size = u64_at(copy, 40);
        if !(MIN_SEGMENT_SIZE..=MAX_SEGMENT_SIZE).contains(&size) {
            return Err(Unreadable::Damaged(
                "the segment header names an impossible size",
            ));
        }
        Ok(Self {
            generation: u64_at(copy, 24),
            base: Position(u64_at(copy, 32)),
            size,
            salt: u64_at(copy, 48),
            fresh: (flags & FRESH != 0).then(|| Position(u64_at(copy, 56))),
        })
    }
}

/// A checksum of salt and generation: what the checksums in a segment begin with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u32);

impl Seed {
    /// The checksum of a batch header.
    pub(crate) fn of_header(self, fields: &[u8], beyond: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, fields), beyond)
    }

    /// What the checksums of a batch's records begin with.
    pub(crate) fn of_batch(self, number: u64) -> u32 {
        crc32c::crc32c_append(self.0, &number.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader::new(7, Position(9000), 1 << 20, Some(Position(8000)))
    }

    #[track_caller]
    fn with_first_copy(change: impl Fn(&mut [u8])) -> Result<SegmentHeader, Unreadable> {
        let mut block = header().encode();
        change(&mut block[..COPY_LEN]);
        let checksum = crc32c::crc32c(&block[..CHECKSUM_AT]);
        put(&mut block, CHECKSUM_AT, &checksum.to_le_bytes());
        let (first, second) = block.split_at_mut(COPY_LEN);
        second.copy_from_slice(first);
        SegmentHeader::decode(&block)
    }

    #[test]
    fn a_header_reads_as_it_was_written() {
        let header = header();
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed_and_mendable() {
        let header = header();
        let block = header.encode();
        for bit in 0..block.len() * 8 {
            let mut block = block.clone();
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(SegmentHeader::decode(&block), Err(Unreadable::Damaged(_))),
                "bit {bit}"
            );
            assert_eq!(
                SegmentHeader::decode_any(&block).as_ref(),
                Ok(&header),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn another_version_is_unsupported_rather_than_damaged() {
        let read = with_first_copy(|copy| put(copy, 8, &2_u16.to_le_bytes()));
        assert!(matches!(read, Err(Unreadable::Unsupported(_))), "{read:?}");
    }

    #[test]
    fn an_unknown_required_flag_is_unsupported() {
        let read = with_first_copy(|copy| put(copy, 12, &0x8001_u32.to_le_bytes()));
        assert!(matches!(read, Err(Unreadable::Unsupported(_))), "{read:?}");
    }

    #[test]
    fn an_unknown_optional_flag_and_field_are_ignored() {
        let read = with_first_copy(|copy| {
            put(copy, 10, &72_u16.to_le_bytes());
            put(copy, 16, &0x8000_u32.to_le_bytes());
            put(copy, 64, &5_u64.to_le_bytes());
        });
        assert!(read.is_ok(), "{read:?}");
    }
}
