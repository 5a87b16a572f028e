//! How long things took: counts in buckets that grow with the values, exact to one part in 64. It
//! never allocates once it is made, so that it can't hold up what it measures.

use std::time::Duration;

use serde_json::{Value, json};

/// Buckets for each power of two.
const PER_POWER: u64 = 64;
const POWERS: u64 = 58;

/// Counts of durations from a microsecond up.
#[derive(Clone, Debug)]
pub struct Durations {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Default for Durations {
    fn default() -> Self {
        let buckets = usize::try_from(PER_POWER * (POWERS + 1)).expect("a few thousand");
        Self {
            counts: vec![0; buckets],
            total: 0,
            longest: 0,
        }
    }
}

impl Durations {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros)] += 1;
        self.total += 1;
        self.longest = self.longest.max(micros);
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Quantiles and the longest, in microseconds.
    #[must_use]
    pub fn report(&self) -> Value {
        json!({
            "p50": self.quantile(500),
            "p99": self.quantile(990),
            "p99.9": self.quantile(999),
            "max": self.longest,
        })
    }

    /// What `per_mille` of 1,000 don't exceed, in microseconds; zero where none was counted.
    fn quantile(&self, per_mille: u64) -> u64 {
        let rank = self.total.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_end(bucket).min(self.longest);
            }
        }
        0
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

    use serde_json::json;

    use super::{Durations, bucket, upper_end};

    #[test]
    fn each_value_lies_within_its_bucket() {
        for micros in (0..10_000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX]) {
            let found = bucket(micros);
            assert!(micros <= upper_end(found), "{micros}");
            assert!(found == 0 || micros > upper_end(found - 1), "{micros}");
        }
    }

    #[test]
    fn quantiles_are_found_among_what_was_counted() {
        let mut durations = Durations::default();
        (1..=100).for_each(|micros| durations.record(Duration::from_micros(micros)));
        let expected = json!({"p50": 50, "p99": 99, "p99.9": 100, "max": 100});
        assert_eq!(durations.report(), expected);
        assert_eq!(durations.total(), 100);
        assert_eq!(Durations::default().report()["p50"], 0);
    }
}
