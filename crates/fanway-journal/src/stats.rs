//! Counters, kept without locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::width::in_file;

/// Buckets of a histogram: the last one takes everything from 2^38 up.
const BUCKETS: usize = 40;

/// What a journal has done since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Batches committed.
    pub batches: u64,
    /// Records committed.
    pub records: u64,
    /// Bytes of committed batches, headers included.
    pub bytes: u64,
    /// Bytes handed to the filesystem for batches, with the padding.
    pub written: u64,
    /// Groups refused, for whatever reason.
    pub refused: u64,
    /// Records in each batch.
    pub batch_records: Histogram,
    /// Microseconds of each sync of batches.
    pub sync_micros: Histogram,
    /// Segments that hold batches, the current one included.
    pub segments: usize,
    /// Prepared segments.
    pub spares: usize,
    /// Bytes of all segments' files.
    pub total: u64,
    /// Bytes that wait to be committed.
    pub queued: u64,
}

/// How often values of which magnitude were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket 0 counts zeros; bucket `n` counts values from 2^(n-1) to below 2^n. The last has no upper end.
    pub buckets: [u64; BUCKETS],
    /// The values' sum.
    pub sum: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    batch_records: Buckets,
    sync_micros: Buckets,
}

impl Counters {
    pub(crate) fn batch(&self, records: usize, bytes: u64, written: u64) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(in_file(records), Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.written.fetch_add(written, Ordering::Relaxed);
        self.batch_records.add(in_file(records));
    }

    pub(crate) fn sync(&self, took: Duration) {
        self.sync_micros
            .add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters' part of the stats.
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            batches: self.batches.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            batch_records: self.batch_records.snapshot(),
            sync_micros: self.sync_micros.snapshot(),
            segments: 0,
            spares: 0,
            total: 0,
            queued: 0,
        }
    }
}

#[derive(Debug)]
struct Buckets {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
        }
    }
}

impl Buckets {
    fn add(&self, value: u64) {
        self.counts[bucket(value)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn snapshot(&self) -> Histogram {
        let buckets = std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed));
        Histogram {
            buckets,
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

fn bucket(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    usize::try_from(bits).map_or(BUCKETS - 1, |bits| bits.min(BUCKETS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_bucket_of_their_magnitude() {
        for (value, expected) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 2),
            (4, 3),
            (1023, 10),
            (1024, 11),
            (u64::MAX, BUCKETS - 1),
        ] {
            assert_eq!(bucket(value), expected, "{value}");
        }
    }
}
