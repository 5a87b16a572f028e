//! What a journal is opened with.

use std::path::PathBuf;
use std::time::Duration;

use crate::format::{BLOCK, MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE};
use crate::progress::Progress;
use crate::turns::Turns;
use crate::width::in_file;

/// How a journal is kept. [`Params::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Params {
    /// The journal's folder; nothing else may live in it. It is made if it isn't there.
    pub dir: PathBuf,
    /// Bytes of a segment's file: a multiple of 4 KiB from 8 KiB to 1 GiB. 64 MiB by default.
    ///
    /// A group of entries must fit into one segment. The size may change between two starts.
    pub segment_size: u64,
    /// When written batches are synced. Always by default.
    pub sync: Syncing,
    /// Which threads append. A batch with messages waits until none of them is at work. By default nobody is ever.
    pub turns: Turns,
    /// How long it waits for that at the longest, from when the committer could take it. 300 µs by default, zero
    /// for never. With few callers their threads rest at once, and there is no wait.
    pub linger: Duration,
    /// How long outcomes wait at the longest for a message to be committed with. 5 ms by default.
    pub tick: Duration,
    /// Bytes of prepared room that only outcomes may use. 8 MiB by default. Must be less than what the
    /// prepared segments hold, or messages would never be taken.
    pub reserve: u64,
    /// How many segments are kept prepared ahead of the current one, at least 1; 2 by default. Trimmed
    /// segments beyond that are deleted.
    pub spares: usize,
    /// Bytes that may wait to be committed. Messages are refused beyond it, outcomes beyond twice as much.
    /// 64 MiB by default.
    pub max_queued: u64,
    /// Bytes that the journal may take on disk, prepared segments included. Without it the disk is the limit.
    /// At least two segments.
    pub max_total: Option<u64>,
    /// How long to wait after a segment couldn't be prepared (a full disk, most likely) until it is tried
    /// again. 1 s by default; trimming brings it forward.
    pub retry: Duration,
    /// Who is told when what was refused while room was being prepared is worth another try. Nobody by default.
    pub progress: Progress,
}

/// When written batches are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncing {
    /// Every batch is synced before its entries are told as committed.
    Always,
    /// The file is synced when this long has gone by since it was written. **Entries are told as committed
    /// before they are synced**: a power loss loses the last ones.
    Interval(Duration),
    /// Nothing is synced but by [`flush`](crate::Journal::flush) and [`close`](crate::Journal::close): a power
    /// loss can lose everything since. For measurements.
    Never,
}

impl Params {
    /// The defaults, for a journal in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_size: 64 << 20,
            sync: Syncing::Always,
            turns: Turns::default(),
            linger: Duration::from_micros(300),
            tick: Duration::from_millis(5),
            reserve: 8 << 20,
            spares: 2,
            max_queued: 64 << 20,
            max_total: None,
            retry: Duration::from_secs(1),
            progress: Progress::default(),
        }
    }

    /// Bytes that batches can take in a segment of this size.
    pub(crate) fn capacity(&self) -> u64 {
        self.segment_size - BLOCK
    }

    /// What is wrong with these, if anything.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        if !self.segment_size.is_multiple_of(BLOCK) {
            return Some("the segment size is not a multiple of 4096");
        }
        if !(MIN_SEGMENT_SIZE..=MAX_SEGMENT_SIZE).contains(&self.segment_size) {
            return Some("the segment size is not between 8 KiB and 1 GiB");
        }
        if self.spares == 0 {
            return Some("at least one spare segment is needed");
        }
        if self.reserve >= self.capacity().saturating_mul(in_file(self.spares)) {
            return Some(
                "the reserve is as large as all prepared segments: no message would ever be taken",
            );
        }
        if self
            .max_total
            .is_some_and(|total| total < 2 * self.segment_size)
        {
            return Some("the total size has no room for two segments");
        }
        None
    }
}
