//! Wall-clock time that follows tokio's, which stands still in a paused test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fanway_types::Timestamp;
use tokio::time::Instant;

/// A wall clock that shows a chosen time at its start and goes on with tokio's clock. Clones are
/// the same clock.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    start: Instant,
    at_start: Timestamp,
    jumped_millis: Arc<AtomicI64>,
}

impl VirtualClock {
    /// A clock that shows `now` now.
    #[must_use]
    pub fn starting_at(now: Timestamp) -> Self {
        Self {
            start: Instant::now(),
            at_start: now,
            jumped_millis: Arc::default(),
        }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let steady = self.at_start.saturating_add(self.start.elapsed());
        let jumped = self.jumped_millis.load(Ordering::Relaxed);
        Timestamp::from_millis(steady.as_millis().saturating_add_signed(jumped))
    }

    /// Sets it forward by so many milliseconds, or back, as somebody who mends the time does.
    pub fn jump(&self, millis: i64) {
        self.jumped_millis.fetch_add(millis, Ordering::Relaxed);
    }
}
