//! How long things took, counted as `fanway bench` counts it. It never allocates once it is made, so
//! that it can't hold up what it measures.

#[path = "../../crates/fanway-cli/src/histogram.rs"]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the command adds histograms together, too")
)]
mod histogram;

use std::time::Duration;

use serde_json::{Value, json};

use histogram::Histogram;

/// Counts of durations from a microsecond up.
#[derive(Clone, Debug, Default)]
pub struct Durations(Histogram);

impl Durations {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        self.0.record(duration);
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.total()
    }

    /// Quantiles and the longest, in microseconds.
    #[must_use]
    pub fn report(&self) -> Value {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let quantile = |per_mille| micros(self.0.quantile(per_mille));
        json!({
            "p50": quantile(500),
            "p99": quantile(990),
            "p99.9": quantile(999),
            "max": micros(self.0.longest()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::Durations;

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
