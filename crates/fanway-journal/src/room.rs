//! What still fits: the promise that whatever was admitted can be written.
//!
//! Groups are written in the order in which they were admitted, and none spans two segments, so that a segment's
//! last bytes may stay unused. `Room` replays that packing for everything that waits, each group as if it were a
//! batch of its own. Together they take less, never more, and a cursor that is never behind at one group is never
//! behind at the next: so the real one can't run out of segments before this one does.

/// The prepared room and how much of it is spoken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    capacity: u64,
    /// Prepared segments behind the current one.
    ready: u64,
    /// Which segment the next group goes into: 0 is the current one.
    ahead: u64,
    /// Bytes used in it.
    used: u64,
}

impl Room {
    /// An unused current segment and nothing prepared.
    pub(crate) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            ready: 0,
            ahead: 0,
            used: 0,
        }
    }

    /// Bytes that can still be admitted, if they come in groups of the right size.
    pub(crate) fn left(&self) -> u64 {
        let behind = (self.ready + 1).saturating_sub(self.ahead + 1) * self.capacity;
        behind + self.capacity.saturating_sub(self.used)
    }

    /// Takes room for a group of `cost` bytes, if `keep` bytes are left then.
    pub(crate) fn admit(&mut self, cost: u64, keep: u64) -> bool {
        let after = self.with(cost);
        let fits =
            after.ahead <= after.ready && after.used <= after.capacity && after.left() >= keep;
        if fits {
            *self = after;
        }
        fits
    }

    /// Whether [`admit`](Self::admit) would say yes.
    pub(crate) fn would_admit(&self, cost: u64, keep: u64) -> bool {
        self.clone().admit(cost, keep)
    }

    /// Begins anew at what is really used of the current segment, with the groups that still wait.
    pub(crate) fn replay(&mut self, used: u64, waiting: impl Iterator<Item = u64>) {
        self.ahead = 0;
        self.used = used;
        for cost in waiting {
            *self = self.with(cost);
        }
        debug_assert!(
            self.ahead <= self.ready,
            "what was admitted must fit: {self:?}"
        );
    }

    /// A segment has been prepared.
    pub(crate) fn prepared(&mut self) {
        self.ready += 1;
    }

    /// A prepared segment has become the current one. [`replay`](Self::replay) follows.
    pub(crate) fn rotated(&mut self) {
        self.ready -= 1;
        self.ahead = self.ahead.saturating_sub(1);
    }

    fn with(&self, cost: u64) -> Self {
        let mut after = self.clone();
        if self.used + cost > self.capacity {
            after.ahead += 1;
            after.used = 0;
        }
        after.used += cost;
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(capacity: u64, ready: u64) -> Room {
        Room {
            capacity,
            ready,
            ahead: 0,
            used: 0,
        }
    }

    #[test]
    fn a_group_is_not_split_between_segments() {
        let mut room = room(100, 1);
        assert!(room.admit(60, 0));
        assert_eq!(room.left(), 140);
        assert!(room.admit(60, 0), "into the second one");
        assert_eq!(room.left(), 40);
        assert!(
            !room.admit(60, 0),
            "140 bytes were left, but not in one piece"
        );
        assert!(room.admit(40, 0));
        assert_eq!(room.left(), 0);
    }

    #[test]
    fn what_must_be_kept_is_kept() {
        let mut room = room(100, 1);
        assert!(room.admit(90, 100));
        assert!(!room.admit(20, 90), "the second segment would have 80 left");
        assert!(room.admit(20, 80));
    }

    proptest::proptest! {
        /// The committer packs the same groups together, with fewer headers: it never needs more segments.
        #[test]
        fn packing_groups_together_never_takes_more_segments(
            groups in proptest::collection::vec((1_u64..60, proptest::bool::ANY), 1..200),
        ) {
            const HEADER: u64 = 10;
            let mut admitted = room(100, u64::MAX / 1000);
            let (mut segment, mut used) = (0, 0);
            for (size, opens_batch) in groups {
                proptest::prop_assert!(admitted.admit(size + HEADER, 0));
                let fits = used + size <= 100;
                // A batch ends at a segment's end, or whenever the queue was empty.
                let cost = if opens_batch || used == 0 || !fits { size + HEADER } else { size };
                if used + cost > 100 {
                    segment += 1;
                    used = size + HEADER;
                } else {
                    used += cost;
                }
                proptest::prop_assert!((segment, used) <= (admitted.ahead, admitted.used));
            }
        }
    }
}
