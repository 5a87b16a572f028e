//! Batches and the records in them.

use super::{Seed, put, u16_at, u32_at, u64_at};
use crate::position::Position;
use crate::width::in_file;

/// What a batch begins with. The first byte is rare in text, so that the search for it is quick.
pub(crate) const MAGIC: [u8; 8] = *b"\xF5FWBatc\x0A";

/// Bytes of a batch header as this version writes it.
pub(crate) const HEADER_LEN: usize = 72;

/// Bytes that a record takes in addition to its own.
pub(crate) const RECORD_OVERHEAD: usize = 8;

/// The flag of a batch that repair has put over a damage.
pub(crate) const HOLE: u16 = 1;

/// Longer headers than this are not batch headers.
const MAX_HEADER_LEN: usize = 4096;

const CHECKSUM_AT: usize = 68;

/// What a batch header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// Bytes of this header.
    pub(crate) len: u64,
    /// Required flags.
    pub(crate) required: u16,
    /// The segment's.
    pub(crate) generation: u64,
    /// The batch's, counted through the run.
    pub(crate) number: u64,
    /// Where this header is.
    pub(crate) position: Position,
    /// The position behind the batch before.
    pub(crate) previous: Position,
    /// Up to where everything was known to be synced.
    pub(crate) synced: Position,
    /// Bytes of payload.
    pub(crate) payload: u32,
    /// Records in it.
    pub(crate) records: u32,
}

impl BatchHeader {
    /// The position behind the batch.
    pub(crate) fn end(&self) -> Position {
        Position(self.position.0 + self.total())
    }

    /// Bytes of header and payload.
    pub(crate) fn total(&self) -> u64 {
        self.len + u64::from(self.payload)
    }

    /// Whether repair has put it over a damage.
    pub(crate) fn is_hole(&self) -> bool {
        self.required & HOLE != 0
    }

    /// The header's bytes, always of [`HEADER_LEN`].
    pub(crate) fn encode(&self, seed: Seed) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &72_u16.to_le_bytes());
        put(&mut bytes, 10, &self.required.to_le_bytes());
        put(&mut bytes, 16, &self.generation.to_le_bytes());
        put(&mut bytes, 24, &self.number.to_le_bytes());
        put(&mut bytes, 32, &self.position.0.to_le_bytes());
        put(&mut bytes, 40, &self.previous.0.to_le_bytes());
        put(&mut bytes, 48, &self.synced.0.to_le_bytes());
        put(&mut bytes, 56, &self.payload.to_le_bytes());
        put(&mut bytes, 60, &self.records.to_le_bytes());
        let checksum = seed.of_header(&bytes[..CHECKSUM_AT], &[]);
        put(&mut bytes, CHECKSUM_AT, &checksum.to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`, if an intact one of this segment is there.
    pub(crate) fn decode(bytes: &[u8], seed: Seed) -> Option<Self> {
        if bytes.len() < HEADER_LEN || bytes[..8] != MAGIC {
            return None;
        }
        let len = usize::from(u16_at(bytes, 8));
        if !(HEADER_LEN..=MAX_HEADER_LEN.min(bytes.len())).contains(&len) {
            return None;
        }
        if seed.of_header(&bytes[..CHECKSUM_AT], &bytes[HEADER_LEN..len])
            != u32_at(bytes, CHECKSUM_AT)
        {
            return None;
        }
        Some(Self {
            len: in_file(len),
            required: u16_at(bytes, 10),
            generation: u64_at(bytes, 16),
            number: u64_at(bytes, 24),
            position: Position(u64_at(bytes, 32)),
            previous: Position(u64_at(bytes, 40)),
            synced: Position(u64_at(bytes, 48)),
            payload: u32_at(bytes, 56),
            records: u32_at(bytes, 60),
        })
    }

    /// Why this version can't read what is behind the header, if it can't.
    pub(crate) fn unsupported(&self) -> Option<String> {
        (self.required & !HOLE != 0)
            .then(|| format!("required flags {:#x} in a batch header", self.required))
    }
}

/// Bytes read of a header at once: every header fits.
pub(crate) const HEADER_READ: usize = MAX_HEADER_LEN;

/// Encodes a batch into one buffer, which is used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    records: u32,
    seed: u32,
}

impl Builder {
    /// Begins a batch: the header's place is left free.
    pub(crate) fn begin(&mut self, seed: Seed, number: u64) {
        self.bytes.clear();
        self.bytes.resize(HEADER_LEN, 0);
        self.records = 0;
        self.seed = seed.of_batch(number);
    }

    /// Adds a record that `encode` writes, and returns how many bytes that were.
    pub(crate) fn record(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_OVERHEAD]);
        encode(&mut self.bytes);
        let body = start + RECORD_OVERHEAD;
        let len = self.bytes.len() - body;
        let len_field = u32_of(len).to_le_bytes();
        let checksum = record_checksum(self.seed, len_field, &self.bytes[body..]);
        put(&mut self.bytes, start, &len_field);
        put(&mut self.bytes, start + 4, &checksum.to_le_bytes());
        self.records += 1;
        len
    }

    /// Bytes so far, header included.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Puts the header in its place, with what the builder knows filled in.
    pub(crate) fn finish(&mut self, mut header: BatchHeader, seed: Seed) -> BatchHeader {
        header.payload = u32_of(self.bytes.len() - HEADER_LEN);
        header.records = self.records;
        put(&mut self.bytes, 0, &header.encode(seed));
        header
    }

    /// The batch, followed by `padding` zeros.
    pub(crate) fn padded(&mut self, padding: usize) -> &[u8] {
        self.bytes.resize(self.bytes.len() + padding, 0);
        &self.bytes
    }

    /// Gives back what an unusually large batch took.
    pub(crate) fn shrink(&mut self, to: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(to);
    }
}

/// The intact record at `at` of a payload: its bytes, and where the next one begins.
pub(crate) fn record_at(
    payload: &[u8],
    at: usize,
    seed: Seed,
    number: u64,
) -> Option<(&[u8], usize)> {
    let header = payload.get(at..at + RECORD_OVERHEAD)?;
    let len = usize::try_from(u32_at(header, 0)).ok()?;
    let body = at + RECORD_OVERHEAD;
    let bytes = payload.get(body..body.checked_add(len)?)?;
    let checksum = record_checksum(
        seed.of_batch(number),
        [header[0], header[1], header[2], header[3]],
        bytes,
    );
    (checksum == u32_at(header, 4)).then_some((bytes, body + len))
}

fn record_checksum(seed: u32, len: [u8; 4], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &len), bytes)
}

fn u32_of(len: usize) -> u32 {
    u32::try_from(len).expect("a batch fits into a segment, which is at most 1 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SegmentHeader;

    fn seed(generation: u64, salt: u64) -> Seed {
        SegmentHeader {
            generation,
            base: Position(0),
            size: 8192,
            salt,
            fresh: None,
        }
        .seed()
    }

    fn header() -> BatchHeader {
        BatchHeader {
            len: 72,
            required: 0,
            generation: 3,
            number: 5,
            position: Position(400),
            previous: Position(390),
            synced: Position(390),
            payload: 0,
            records: 0,
        }
    }

    #[test]
    fn a_batch_reads_as_it_was_written() {
        let seed = seed(3, 99);
        let mut builder = Builder::default();
        builder.begin(seed, 5);
        builder.record(|out| out.extend_from_slice(b"one"));
        builder.record(|_| {});
        let written = builder.finish(header(), seed);
        let bytes = builder.padded(100);

        let read = BatchHeader::decode(bytes, seed).expect("intact");
        assert_eq!(read, written);
        assert_eq!((read.records, read.payload), (2, 19));
        let payload = &bytes[72..72 + 19];
        assert_eq!(record_at(payload, 0, seed, 5), Some((&b"one"[..], 11)));
        assert_eq!(record_at(payload, 11, seed, 5), Some((&b""[..], 19)));
        assert_eq!(record_at(payload, 19, seed, 5), None);
    }

    #[test]
    fn a_batch_is_only_read_with_its_own_salt_generation_and_number() {
        let own = seed(3, 99);
        let mut builder = Builder::default();
        builder.begin(own, 5);
        builder.record(|out| out.extend_from_slice(b"one"));
        builder.finish(header(), own);
        let bytes = builder.padded(0);
        for other in [seed(4, 99), seed(3, 98)] {
            assert_eq!(BatchHeader::decode(bytes, other), None);
            assert_eq!(record_at(&bytes[72..], 0, other, 5), None);
        }
        assert_eq!(record_at(&bytes[72..], 0, own, 6), None);
    }

    #[test]
    fn a_longer_header_is_read_and_its_end_is_checked() {
        let seed = seed(3, 99);
        let mut bytes = header().encode(seed).to_vec();
        bytes.extend_from_slice(b"optional");
        put(&mut bytes, 8, &80_u16.to_le_bytes());
        let checksum = seed.of_header(&bytes[..CHECKSUM_AT], &bytes[HEADER_LEN..]);
        put(&mut bytes, CHECKSUM_AT, &checksum.to_le_bytes());

        assert_eq!(
            BatchHeader::decode(&bytes, seed).map(|header| header.len),
            Some(80)
        );
        bytes[75] ^= 1;
        assert_eq!(BatchHeader::decode(&bytes, seed), None);
    }

    #[test]
    fn an_unknown_required_flag_is_refused() {
        let header = BatchHeader {
            required: 0x4000,
            ..header()
        };
        assert!(header.unsupported().is_some());
    }
}
