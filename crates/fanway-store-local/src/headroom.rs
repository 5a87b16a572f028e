//! Room on the disk for the ledger.
//!
//! The journal keeps a reserve of its own. The ledger can't: it grows as it is posted to, and
//! frees room only when it can write. So messages are refused while the disk has less room than
//! the ledger may need for what was accepted already: what waits to be posted, once in the
//! write-ahead log and once in the database, and a log's worth for the outcomes that let it
//! shrink again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanway_types::ByteCount;

/// Tells how many bytes are left on the disk; `None` where nobody knows.
pub type FreeSpace = Arc<dyn Fn() -> Option<ByteCount> + Send + Sync>;

/// What the file system of `folder` has left for this process.
#[must_use]
pub fn free_space(folder: &Path) -> Option<ByteCount> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(ByteCount::new(stat.f_bavail.saturating_mul(stat.f_frsize)))
}

/// The room that is left, as it was last looked at.
#[derive(Debug)]
pub(crate) struct Headroom {
    left: AtomicU64,
    /// What the ledger's write-ahead log may take.
    log: u64,
}

impl Headroom {
    /// Nothing is known yet: there is room.
    pub(crate) fn new(log: ByteCount) -> Self {
        Self {
            left: AtomicU64::new(u64::MAX),
            log: log.get(),
        }
    }

    /// Notes how much is left.
    pub(crate) fn note(&self, left: Option<ByteCount>) {
        let left = left.map_or(u64::MAX, ByteCount::get);
        self.left.store(left, Ordering::Relaxed);
    }

    /// How much is missing before more may be accepted, with so many bytes not posted yet.
    pub(crate) fn missing(&self, unposted: u64) -> Option<ByteCount> {
        let needed = unposted.saturating_mul(2).saturating_add(self.log);
        let missing = needed.saturating_sub(self.left.load(Ordering::Relaxed));
        (missing > 0).then_some(ByteCount::new(missing))
    }
}

#[cfg(test)]
mod tests {
    use fanway_types::ByteCount;

    use super::{Headroom, free_space};

    #[test]
    fn what_is_not_posted_needs_room_twice_and_the_log_once() {
        let headroom = Headroom::new(ByteCount::new(100));
        assert_eq!(headroom.missing(1 << 40), None, "nothing is known yet");
        headroom.note(Some(ByteCount::new(160)));
        assert_eq!(headroom.missing(30), None);
        assert_eq!(headroom.missing(31), Some(ByteCount::new(2)));
        headroom.note(None);
        assert_eq!(headroom.missing(31), None);
    }

    #[test]
    fn the_file_system_tells_what_is_left() {
        assert!(free_space(&std::env::temp_dir()).is_some());
        assert_eq!(free_space("/there/is/no/such/folder".as_ref()), None);
    }
}
