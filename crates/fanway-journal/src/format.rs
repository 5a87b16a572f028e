//! The journal's files, byte by byte. Format version 1.
//!
//! All numbers are little-endian. All checksums are CRC32C.
//!
//! # The folder
//! | name | what it is |
//! |---|---|
//! | `segment-<generation, 16 hex digits>.log` | a part of the log |
//! | `spare-<number, 16 hex digits>` | a prepared segment: as long as one, written and synced to the last byte |
//! | `filling-<number, 16 hex digits>` | a spare on its way; worthless after a crash |
//! | `closed` | the closing record: the journal was stopped in order |
//! | `closed-new` | a closing record on its way; worthless after a crash |
//! | `lock` | locked by the process that has the journal open; names it |
//! | `damaged-<generation>-<offset>.bin` and the like | what `repair` set aside; never read |
//!
//! Any other name is left alone.
//!
//! # Positions, generations, runs
//! A segment takes `size - 4096` bytes of batches, its *capacity*. The byte at offset `o` of its file has the
//! position `base + o - 4096`. The next segment's base is this one's base plus its capacity, whether that was
//! used up or not, so that the next segment can be activated before the current one is full.
//!
//! Generations number the segments. A *run* begins at each start, with a segment that is marked `FRESH`, and
//! goes on through the generations that follow without a gap. A fresh segment is activated only after all that
//! was recovered has been taken over by the caller: **the log is the newest fresh segment and what
//! follows it**, or, when the fresh one has been trimmed, all segments there are. Older segments are left over from a
//! crash during a start; nothing in them counts.
//!
//! A segment is trimmed oldest first, and only when a later one holds a batch that is committed. So the oldest
//! segment of a log tells where it begins: by its mark, or by its first batch's `previous`.
//!
//! # Segment header: bytes 0..4096 of a segment
//! Twice the same 2048 bytes, so that one bad sector doesn't cost a segment. Both must be intact for a start.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `FWSEGMNT` |
//! | 8 | 2 | format version, 1; another refuses the start |
//! | 10 | 2 | bytes of fields in use, 64 |
//! | 12 | 4 | required flags: bit 0 `FRESH`; an unknown one refuses the start |
//! | 16 | 4 | optional flags: an unknown one is ignored |
//! | 20 | 4 | zero |
//! | 24 | 8 | generation |
//! | 32 | 8 | base: the position of byte 4096 |
//! | 40 | 8 | bytes in the file |
//! | 48 | 8 | salt: a random number that every checksum in the segment depends on |
//! | 56 | 8 | `FRESH`: everything before this position has been taken over |
//! | 64 | 1980 | zero; room for fields to come |
//! | 2044 | 4 | checksum of bytes 0..2044, at this place in every version |
//!
//! # Batch: from byte 4096 on, one directly behind the other
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `F5`, `FWBatc`, `0A` |
//! | 8 | 2 | bytes in this header, at least 72; what is beyond byte 72 is optional and ignored |
//! | 10 | 2 | required flags: bit 0 `HOLE`; an unknown one refuses the start |
//! | 12 | 2 | optional flags: an unknown one is ignored |
//! | 14 | 2 | zero |
//! | 16 | 8 | generation of the segment |
//! | 24 | 8 | number: 1 for a run's first batch, one more for each that follows |
//! | 32 | 8 | position of this header |
//! | 40 | 8 | previous: the position behind the batch before, or a fresh segment's taken-over position |
//! | 48 | 8 | synced: the position up to which everything was known to be synced when this was written |
//! | 56 | 4 | bytes of payload |
//! | 60 | 4 | records in the payload |
//! | 64 | 4 | zero |
//! | 68 | 4 | checksum of salt, generation, bytes 0..68 and what is beyond byte 72 |
//!
//! The payload follows: records, one directly behind the other.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | bytes of the record |
//! | 4 | 4 | checksum of salt, generation, batch number, length and bytes |
//! | 8 | | the record |
//!
//! **A batch is recovered whole or not at all**, and a group of entries that was appended in one call never
//! spans two batches: so a group, too, is recovered whole or not at all.
//!
//! The salt makes three things impossible: that bytes of the segment's last life are taken for new
//! ones, that a segment of another journal is, and that a record, whose bytes a stranger may have chosen, passes
//! for a batch when recovery searches for batches behind a damage.
//!
//! What is written is padded with zeros to the next 4 KiB of the file, so that the kernel never has to read a
//! page before it can write it. The padding doesn't belong to the batch.
//!
//! A `HOLE` is written by `repair` over a damage it has set aside. Its payload is not to be read, it has no
//! records, and the batch behind it may have any higher number and any `previous`.
//!
//! # Closing record: `closed`
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `FWCLOSED` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | zero |
//! | 12 | 4 | zero |
//! | 16 | 8 | generation of the segment that was current |
//! | 24 | 8 | end: the position behind the last batch |
//! | 32 | 28 | zero; room for fields to come |
//! | 60 | 4 | checksum of bytes 0..60 |
//!
//! It is written after everything was synced, and removed before anything is written again. While it is there,
//! the log ends exactly where it says, and nothing can be torn: any damage is refused.
//!
//! # What a damage means
//! The log is read until a batch doesn't follow. If an intact header behind that place names a later position as
//! synced, the damage hit what had been acknowledged, and the start is refused. Otherwise it is the tear of the last,
//! unacknowledged batch, and is cut: the next start begins a fresh segment. The bytes themselves are left alone.

mod batch;
mod closing;
mod segment;

pub(crate) use self::batch::{
    BatchHeader, Builder, HEADER_LEN, HEADER_READ, HOLE, MAGIC as BATCH_MAGIC, RECORD_OVERHEAD,
    record_at,
};
pub(crate) use self::closing::Closing;
pub(crate) use self::segment::{Seed, SegmentHeader};

/// Bytes of a segment's header, and what writes are padded to.
pub(crate) const BLOCK: u64 = 4096;

/// The smallest segment: its header and one block of batches.
pub(crate) const MIN_SEGMENT_SIZE: u64 = 2 * BLOCK;

/// The largest segment. It keeps every size within it in 32 bits.
pub(crate) const MAX_SEGMENT_SIZE: u64 = 1 << 30;

/// The format's version, in segment headers and the closing record.
const VERSION: u16 = 1;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not what was written.
    #[error("{0}")]
    Damaged(&'static str),
    /// What was written, but by a later Fanway.
    #[error("{0}")]
    Unsupported(String),
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N]
        .try_into()
        .expect("a slice of N bytes is an array of N bytes")
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}
