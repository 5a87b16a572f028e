//! All that the comparison measured, and what follows from it: medians, and ratios within a round.

use std::collections::HashMap;
use std::time::Duration;

use super::candidate::Kind;
use super::hanging::Hanging;
use super::round::Sample;
use super::{FEW, MANY};

/// All that the comparison measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// A sample for each round.
    pub(crate) samples: HashMap<(Kind, u32), Vec<Sample>>,
    /// The disk's own 99th percentile, before each of Fanway's measurements with few connections.
    pub(crate) disk: Vec<Duration>,
    /// The most memory that was resident, in bytes.
    pub(crate) peaks: HashMap<Kind, u64>,
    pub(crate) hanging: Vec<Hanging>,
}

impl Figures {
    fn of(&self, kind: Kind, connections: u32) -> &[Sample] {
        self.samples
            .get(&(kind, connections))
            .map_or(&[], Vec::as_slice)
    }

    /// The median of a figure; NaN where it wasn't measured.
    pub(crate) fn median(&self, kind: Kind, connections: u32, of: fn(&Sample) -> f64) -> f64 {
        median(self.of(kind, connections).iter().map(of))
    }

    /// Bytes written to the disk for an event: the least of all rounds, since what others write to
    /// it is counted too and only adds. NaN where nobody counts them.
    pub(crate) fn written(&self, kind: Kind, connections: u32) -> f64 {
        let samples = self.of(kind, connections).iter();
        samples
            .map(|sample| sample.written)
            .fold(f64::NAN, f64::min)
    }

    /// The median of Fanway's figure by another candidate's of the same round.
    pub(crate) fn against(&self, other: Kind, of: fn(&Sample) -> f64) -> f64 {
        let pairs = self.of(Kind::Fanway, MANY).iter().zip(self.of(other, MANY));
        median(pairs.map(|(fanway, other)| of(fanway) / of(other)))
    }

    /// Events a second.
    pub(crate) fn events_per_second(&self, kind: Kind, connections: u32) -> f64 {
        self.median(kind, connections, |sample| sample.events_per_second)
    }

    /// The accept's 99th percentile with few connections by the disk's own.
    pub(crate) fn accept_by_disk(&self) -> f64 {
        let samples = self.of(Kind::Fanway, FEW).iter();
        let pairs = samples.zip(&self.disk);
        median(
            pairs
                .map(|(sample, disk)| sample.answered.quantiles.p99.seconds() / disk.as_secs_f64()),
        )
    }

    /// Requests that were refused or not answered.
    pub(crate) fn failed(&self, kind: Kind, connections: u32) -> u64 {
        let samples = self.of(kind, connections).iter();
        samples.map(|sample| sample.answered.failed).sum()
    }
}

/// The median; NaN of nothing.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let upper = numbers.get(numbers.len() / 2);
    let lower = numbers.get(numbers.len().saturating_sub(1) / 2);
    upper
        .zip(lower)
        .map_or(f64::NAN, |(upper, lower)| f64::midpoint(*upper, *lower))
}

/// The nearest whole number; zero of NaN and of what is below zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast keeps to what fits, and counts of a measurement do"
)]
pub(crate) fn rounded(number: f64) -> u32 {
    number.round() as u32
}

/// Bytes as MiB.
#[expect(
    clippy::cast_precision_loss,
    reason = "no memory has 2 to the 52 bytes"
)]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::{median, rounded};

    #[track_caller]
    fn check(numbers: &[f64], expected: f64) {
        let found = median(numbers.iter().copied());
        assert!(found.total_cmp(&expected).is_eq(), "{found}");
    }

    #[test]
    fn a_median_is_in_the_middle() {
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
        check(&[1.0], 1.0);
        check(&[], f64::NAN);
    }

    #[test]
    fn what_is_no_count_is_none() {
        assert_eq!([rounded(1.5), rounded(-3.0), rounded(f64::NAN)], [2, 0, 0]);
    }
}
