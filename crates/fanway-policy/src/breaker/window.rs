//! Attempts of the last while, how many failed and how many were slow, in memory that doesn't grow with them.
//!
//! The window is cut into ten buckets; what is counted reaches back between nine and ten tenths
//! of it.

use std::time::{Duration, Instant};

const BUCKETS: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Which tenth, counted from the window's start, it holds the counts of.
    tenth: u128,
    counts: Counts,
}

/// What is counted of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) failures: u32,
    pub(super) slow: u32,
    pub(super) total: u32,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            failures: self.failures.saturating_add(other.failures),
            slow: self.slow.saturating_add(other.slow),
            total: self.total.saturating_add(other.total),
        }
    }
}

/// Counts over a sliding window.
#[derive(Debug)]
pub(super) struct Window {
    start: Instant,
    /// A tenth of the window, in nanoseconds; at least 1.
    width: u128,
    /// The latest tenth that was added to.
    latest: u128,
    buckets: [Bucket; BUCKETS],
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            start: now,
            width: (length.as_nanos() / BUCKETS as u128).max(1),
            latest: 0,
            buckets: [Bucket::default(); BUCKETS],
        }
    }

    /// Counts an attempt.
    pub(super) fn add(&mut self, has_failed: bool, was_slow: bool, now: Instant) {
        let tenth = now.saturating_duration_since(self.start).as_nanos() / self.width;
        self.latest = self.latest.max(tenth);
        let place = usize::try_from(self.latest % BUCKETS as u128).expect("less than ten");
        let bucket = &mut self.buckets[place];
        if bucket.tenth != self.latest {
            *bucket = Bucket {
                tenth: self.latest,
                ..Bucket::default()
            };
        }
        bucket.counts = bucket.counts.plus(Counts {
            failures: has_failed.into(),
            slow: was_slow.into(),
            total: 1,
        });
    }

    /// What lies within the window, as it stood at the last [`add`](Self::add).
    pub(super) fn counts(&self) -> Counts {
        let latest = self.latest;
        self.buckets
            .iter()
            .filter(|bucket| latest - bucket.tenth < BUCKETS as u128)
            .fold(Counts::default(), |counts, bucket| {
                counts.plus(bucket.counts)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Counts, Window};

    #[track_caller]
    fn check(attempts: &[(u64, bool)], expected: (u32, u32)) {
        let start = Instant::now();
        let mut window = Window::new(Duration::from_secs(10), start);
        for (second, failed) in attempts {
            window.add(*failed, !failed, start + Duration::from_secs(*second));
        }
        let (failures, total) = expected;
        let slow = total - failures;
        let expected = Counts {
            failures,
            slow,
            total,
        };
        assert_eq!(window.counts(), expected);
    }

    #[test]
    fn only_what_lies_within_the_window_counts() {
        check(&[], (0, 0));
        check(&[(0, true), (5, false), (9, true)], (2, 3));
        check(&[(0, true), (5, false), (10, true)], (1, 2));
        check(&[(0, true), (5, false), (14, true)], (1, 2));
        check(&[(0, true), (5, false), (15, true)], (1, 1));
        check(&[(3, true), (1_000_003, true)], (1, 1));
    }

    #[test]
    fn a_window_of_no_length_holds_the_last_moment() {
        let start = Instant::now();
        let mut window = Window::new(Duration::ZERO, start);
        window.add(true, false, start);
        window.add(true, false, start + Duration::from_secs(1));
        assert_eq!(window.counts().total, 1);
    }
}
