//! How long callers waited.

use std::time::Duration;

/// How long each caller waited, and how many were left with a failure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    times: Vec<Duration>,
    /// Orders of which at least one call failed, with nobody left to make it again.
    pub(crate) failed: usize,
}

impl Waits {
    pub(crate) fn add(&mut self, time: Duration, failed: bool) {
        self.times.push(time);
        self.failed += usize::from(failed);
    }

    /// Adds the times of other callers.
    pub(crate) fn append(&mut self, other: Self) {
        self.times.extend(other.times);
        self.failed += other.failed;
    }

    /// How many callers there were.
    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    /// The time that this share of callers, in percent, waited at most.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Waits;

    #[test]
    fn percentiles_are_times_that_somebody_waited() {
        let mut waits = Waits::default();
        assert_eq!(waits.percentile(99), Duration::ZERO);
        for millis in (1..=100).rev() {
            waits.add(Duration::from_millis(millis), millis > 90);
        }
        assert_eq!(waits.percentile(50), Duration::from_millis(51));
        assert_eq!(waits.percentile(99), Duration::from_millis(100));
        assert_eq!((waits.count(), waits.failed), (100, 10));
    }
}
