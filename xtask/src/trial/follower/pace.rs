//! How fast requests are accepted, as `fanway bench` measures it.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// Connections of the load.
const CONNECTIONS: &str = "16";

/// How fast requests are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    per_second: f64,
    p99: Duration,
}

impl Pace {
    /// Measures it for so long.
    pub(crate) fn measure(
        fanway: &Path,
        gateway: SocketAddr,
        load: Duration,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(fanway);
        command.args(["--json", "bench", &format!("http://{gateway}/orders")]);
        command.args(["--connections", CONNECTIONS]);
        command.args(["--duration", &format!("{}s", load.as_secs())]);
        let output = command.output()?;
        if !output.status.success() {
            bail!(
                "the load failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let report: Value = serde_json::from_slice(&output.stdout)?;
        Self::read(&report).with_context(|| format!("`fanway bench` said {report}"))
    }

    fn read(report: &Value) -> Option<Self> {
        let p99 = report["latency_micros"]["p99"].as_u64()?;
        Some(Self {
            per_second: report["accepted_per_second"].as_f64()?,
            p99: Duration::from_micros(p99),
        })
    }

    /// The ratio of this to the mean of two others, in words.
    pub(crate) fn against(self, one: Self, other: Self) -> String {
        let rate = self.per_second / f64::midpoint(one.per_second, other.per_second);
        let p99 = |pace: Self| pace.p99.as_secs_f64();
        let latency = p99(self) / f64::midpoint(p99(one), p99(other));
        format!("{rate:.2} of the rate, {latency:.2} of the 99th percentile")
    }
}

impl Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, p99 } = self;
        write!(f, "{per_second:.0} accepted a second, p99 {p99:.1?}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Pace;

    #[test]
    fn a_pace_is_set_against_the_mean_of_two() {
        let pace = |rate: f64, p99: u64| {
            let report = json!({"accepted_per_second": rate, "latency_micros": {"p99": p99}});
            Pace::read(&report).expect("a report")
        };
        let ratio = pace(900.0, 3_000).against(pace(1_100.0, 1_000), pace(700.0, 2_000));
        assert_eq!(ratio, "1.00 of the rate, 2.00 of the 99th percentile");
    }
}
