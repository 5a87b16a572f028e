//! What only measurements and tests set: the sizes and times inside the store.

use std::fmt;
use std::time::Duration;

use fanway_store::lane::Room;
use fanway_types::ByteCount;

use crate::headroom::FreeSpace;
use crate::steps::Steps;

/// Sizes and times inside the store. [`Tuning::default`] is what a server runs with.
#[derive(Clone)]
pub struct Tuning {
    /// What waits for a lane that keeps up; beyond it the lane has fallen behind. 4,096 deliveries
    /// and 8 MiB of bodies by default.
    pub feed: Room,
    /// What is committed and not posted, beyond which nothing is accepted. 48 MiB by default.
    pub tail: ByteCount,
    /// How long accepting waits where that much isn't posted, before it is refused. 1 s by default.
    pub patience: Duration,
    /// How long a record rests before it is posted, while the tail is short. 400 ms by default: by
    /// then most messages have ended, and cost one row. What has ended sooner rests for an eighth.
    pub rest: Duration,
    /// How often what is too old is looked for, once nothing more was found. 10 s by default.
    pub prune: Duration,
    /// Bytes of the ledger's write-ahead log beyond which posting waits for a checkpoint. 32 MiB
    /// by default.
    pub log: ByteCount,
    /// Idempotency keys in memory, beyond which those that are posted are looked up in the ledger.
    /// 57,344 by default: a table of 64 Ki places holds no more.
    pub keys: usize,
    /// Tells what the disk has left; by default the file system is asked.
    pub free: Option<FreeSpace>,
    /// Where the posting thread is to die; by default nowhere.
    pub steps: Steps,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            feed: Room {
                deliveries: 4096,
                bytes: ByteCount::mib(8),
            },
            tail: ByteCount::mib(48),
            patience: Duration::from_secs(1),
            rest: Duration::from_millis(400),
            prune: Duration::from_secs(10),
            log: ByteCount::mib(32),
            keys: 56 * 1024,
            free: None,
            steps: Steps::default(),
        }
    }
}

impl fmt::Debug for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tuning")
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}
