//! The memory that messages may take, counted in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ByteCount;

/// How many bytes of messages may be in memory at once. Clones share the budget.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    used: AtomicU64,
    limit: u64,
}

impl Shared {
    /// Takes `bytes`, all or none; false where they aren't there.
    fn try_take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }
}

impl MemoryBudget {
    /// A budget of `limit` bytes, none of them used.
    #[must_use]
    pub fn new(limit: ByteCount) -> Self {
        Self {
            shared: Arc::new(Shared {
                used: AtomicU64::new(0),
                limit: limit.get(),
            }),
        }
    }

    /// Takes `bytes` from the budget until the reservation is dropped; `None` where they aren't there.
    #[must_use]
    pub fn try_reserve(&self, bytes: ByteCount) -> Option<Reservation> {
        let bytes = bytes.get();
        if !self.shared.try_take(bytes) {
            return None;
        }
        Some(Reservation {
            bytes,
            shared: Arc::clone(&self.shared),
        })
    }

    /// Bytes that can be reserved now.
    #[must_use]
    pub fn free(&self) -> ByteCount {
        ByteCount::new(self.shared.limit.saturating_sub(self.used().get()))
    }

    /// Bytes that are reserved now.
    #[must_use]
    pub fn used(&self) -> ByteCount {
        ByteCount::new(self.shared.used.load(Ordering::Relaxed))
    }
}

/// Bytes taken from a [`MemoryBudget`], given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    bytes: u64,
    shared: Arc<Shared>,
}

impl Reservation {
    /// Takes `bytes` more from the budget; false, and nothing taken, where they aren't there.
    #[must_use]
    pub fn try_grow(&mut self, bytes: ByteCount) -> bool {
        let grown = self.shared.try_take(bytes.get());
        if grown {
            self.bytes += bytes.get();
        }
        grown
    }

    /// Gives back what is above `bytes`; keeps all where it holds less.
    pub fn shrink_to(&mut self, bytes: ByteCount) {
        let spare = self.bytes.saturating_sub(bytes.get());
        self.bytes -= spare;
        self.shared.used.fetch_sub(spare, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryBudget;
    use crate::ByteCount;

    #[test]
    fn what_is_dropped_can_be_reserved_again() {
        let budget = MemoryBudget::new(ByteCount::new(100));
        let mut first = budget
            .try_reserve(ByteCount::new(80))
            .expect("the budget is empty");
        assert!(budget.try_reserve(ByteCount::new(21)).is_none());
        first.shrink_to(ByteCount::new(50));
        assert!(budget.try_reserve(ByteCount::new(50)).is_some());
        drop(first);
        assert_eq!(budget.used(), ByteCount::new(0));
    }

    #[test]
    fn a_reservation_grows_as_far_as_the_budget_goes() {
        let budget = MemoryBudget::new(ByteCount::new(100));
        let mut growing = budget
            .try_reserve(ByteCount::new(60))
            .expect("the budget is empty");
        assert!(!growing.try_grow(ByteCount::new(41)));
        assert!(growing.try_grow(ByteCount::new(40)));
        assert_eq!(budget.used(), ByteCount::new(100));
        drop(growing);
        assert_eq!(budget.used(), ByteCount::new(0));
    }
}
