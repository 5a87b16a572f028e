//! How long things took: counts of durations, exact to one part in 64.
//!
//! A duration in microseconds is counted in a bucket that is found from its highest seven bits, so
//! that the buckets grow with the values and a fixed table covers all of them.

use std::time::Duration;

/// Buckets for each power of two.
const PER_POWER: u64 = 64;
const POWERS: u64 = 58;

/// Counts of durations from a microsecond up.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = usize::try_from(PER_POWER * (POWERS + 1)).expect("a few thousand");
        Self {
            counts: vec![0; buckets],
            total: 0,
            longest: 0,
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros)] += 1;
        self.total += 1;
        self.longest = self.longest.max(micros);
    }

    /// Adds what another has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The longest one.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest)
    }

    /// The duration that `per_mille` of 1,000 don't exceed; zero where none was counted.
    pub(crate) fn quantile(&self, per_mille: u64) -> Duration {
        let rank = self.total.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper_end(bucket).min(self.longest));
            }
        }
        Duration::ZERO
    }
}

fn bucket(micros: u64) -> usize {
    let power = u64::from(u64::BITS - micros.leading_zeros()).saturating_sub(7);
    let bucket = power * PER_POWER + (micros >> power);
    usize::try_from(bucket).expect("less than the number of buckets")
}

/// The largest duration that falls into a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let power = (bucket / PER_POWER).saturating_sub(1);
    let digits = bucket - power * PER_POWER;
    u64::try_from(((u128::from(digits) + 1) << power) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Histogram, bucket, upper_end};

    #[test]
    fn each_value_lies_within_its_bucket() {
        for micros in (0..10_000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX]) {
            let found = bucket(micros);
            assert!(micros <= upper_end(found), "{micros}");
            assert!(found == 0 || micros > upper_end(found - 1), "{micros}");
            assert!(upper_end(found) - micros <= micros / 64, "{micros}");
        }
    }

    #[test]
    fn quantiles_are_found_among_what_was_counted() {
        let mut low = Histogram::default();
        let mut high = Histogram::default();
        (1..=50).for_each(|micros| low.record(Duration::from_micros(micros)));
        (51..=100).for_each(|micros| high.record(Duration::from_micros(micros)));
        low.add(&high);
        assert_eq!(low.total(), 100);
        assert_eq!(low.quantile(500), Duration::from_micros(50));
        assert_eq!(low.quantile(990), Duration::from_micros(99));
        assert_eq!(low.quantile(1000), Duration::from_micros(100));
        assert_eq!(low.longest(), Duration::from_micros(100));
        assert_eq!(Histogram::default().quantile(500), Duration::ZERO);
    }
}
