//! How long answers took: quantiles of one measurement, and what several rounds say together.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::figures::median;

/// A time in microseconds, as figures are kept in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Micros(u64);

impl Micros {
    pub(crate) fn new(micros: u64) -> Self {
        Self(micros)
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }

    pub(crate) fn seconds(self) -> f64 {
        Duration::from_micros(self.0).as_secs_f64()
    }

    pub(crate) fn millis(self) -> f64 {
        self.seconds() * 1e3
    }
}

impl From<Duration> for Micros {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

/// Quantiles of a latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: Micros,
    pub(crate) p99: Micros,
    pub(crate) p999: Micros,
    pub(crate) slowest: Micros,
}

impl Quantiles {
    /// Reads what `fanway bench`, the sender, a sink or wrk's script says.
    pub(crate) fn read(micros: &Value) -> Option<Self> {
        let of = |name: &str| micros[name].as_u64().map(Micros);
        Some(Self {
            p50: of("p50")?,
            p99: of("p99")?,
            p999: of("p99.9")?,
            slowest: of("max")?,
        })
    }

    /// Medians over the rounds, and the slowest of all.
    pub(crate) fn over(rounds: &[Self]) -> Self {
        let of = |quantile: fn(&Self) -> Micros| {
            let seconds = median(rounds.iter().map(|round| quantile(round).seconds()));
            Duration::try_from_secs_f64(seconds)
                .unwrap_or_default()
                .into()
        };
        Self {
            p50: of(|round| round.p50),
            p99: of(|round| round.p99),
            p999: of(|round| round.p999),
            slowest: rounds
                .iter()
                .map(|round| round.slowest)
                .max()
                .unwrap_or_default(),
        }
    }

    /// Cells of a table, in milliseconds.
    pub(crate) fn cells(&self) -> String {
        let [p50, p99, p999, slowest] =
            [self.p50, self.p99, self.p999, self.slowest].map(Micros::millis);
        format!("{p50:.2} | {p99:.2} | {p999:.2} | {slowest:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Micros, Quantiles};

    #[test]
    fn rounds_say_their_medians_and_the_slowest_of_all() {
        let round = |p50, slowest| Quantiles {
            p50: Micros(p50),
            slowest: Micros(slowest),
            ..Quantiles::default()
        };
        let rounds = [round(300, 10), round(100, 9_000), round(200, 20)];
        assert_eq!(Quantiles::over(&rounds), round(200, 9_000));
        assert_eq!(Quantiles::over(&[]), Quantiles::default());
    }
}
