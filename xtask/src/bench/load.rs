//! What makes the load: wrk where it is installed, since it is cheap; `fanway bench` otherwise,
//! and where requests are due at fixed times.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::BODY;
use crate::built;

/// What makes the load.
#[derive(Debug)]
pub(crate) struct Loader {
    fanway: PathBuf,
    /// wrk and its script.
    wrk: Option<(PathBuf, PathBuf)>,
}

/// How it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Requests that were refused, or not answered.
    pub(crate) failed: u64,
}

impl Loader {
    /// Takes wrk where it is installed. Its script is put into `folder`.
    pub(crate) fn find(fanway: &Path, folder: &Path) -> anyhow::Result<Self> {
        let script = folder.join("post.lua");
        let frame = r#"{"filler":""}"#.len();
        let text = format!(
            "wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\n\
             wrk.body = '{{\"filler\":\"' .. string.rep('x', {}) .. '\"}}'\n",
            BODY - frame
        );
        fs::write(&script, text)?;
        Ok(Self {
            fanway: fanway.to_owned(),
            wrk: built::installed("wrk").map(|wrk| (wrk, script)),
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.wrk.as_ref().map_or("`fanway bench`", |_| "wrk")
    }

    /// As many requests as are answered, over so many connections.
    pub(crate) fn run(
        &self,
        gateway: SocketAddr,
        connections: u32,
        duration: Duration,
    ) -> anyhow::Result<Answered> {
        let Some((wrk, script)) = &self.wrk else {
            return self.own(gateway, connections, duration, None);
        };
        let seconds = duration.as_secs();
        let mut command = Command::new(wrk);
        command.args([
            "-t1",
            "--latency",
            &format!("-c{connections}"),
            &format!("-d{seconds}s"),
        ]);
        command.arg("-s").arg(script).arg(url(gateway));
        let report = output(&mut command)?;
        read_wrk(&report).with_context(|| format!("wrk said {report}"))
    }

    /// So many requests a second, each due at its time.
    pub(crate) fn run_at_rate(
        &self,
        gateway: SocketAddr,
        rate: u32,
        duration: Duration,
    ) -> anyhow::Result<Answered> {
        self.own(gateway, super::MANY, duration, Some(rate))
    }

    fn own(
        &self,
        gateway: SocketAddr,
        connections: u32,
        duration: Duration,
        rate: Option<u32>,
    ) -> anyhow::Result<Answered> {
        let mut command = Command::new(&self.fanway);
        command.args(["--json", "bench", &url(gateway)]);
        command.args(["--connections", &connections.to_string()]);
        command.args(["--duration", &format!("{}s", duration.as_secs())]);
        command.args(["--size", &format!("{BODY}B")]);
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        let report: Value = serde_json::from_str(&output(&mut command)?)?;
        read_own(&report).with_context(|| format!("`fanway bench` said {report}"))
    }
}

fn url(gateway: SocketAddr) -> String {
    format!("http://{gateway}/orders")
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        bail!(
            "the load failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn read_own(report: &Value) -> Option<Answered> {
    let quantile = |name: &str| {
        report["latency_micros"][name]
            .as_u64()
            .map(Duration::from_micros)
    };
    let failures = report["failures"]
        .as_object()?
        .values()
        .filter_map(Value::as_u64);
    let refused = report["statuses"].as_object()?.iter();
    let refused = refused.filter(|(status, _)| !status.starts_with('2'));
    Some(Answered {
        p50: quantile("p50")?,
        p99: quantile("p99")?,
        failed: failures
            .chain(refused.filter_map(|(_, count)| count.as_u64()))
            .sum(),
    })
}

fn read_wrk(report: &str) -> Option<Answered> {
    let lines = || report.lines().map(str::trim);
    let quantile = |name: &str| read_time(lines().find_map(|line| line.strip_prefix(name))?.trim());
    let refused = lines().find_map(|line| line.strip_prefix("Non-2xx or 3xx responses:"));
    let broken = lines().find_map(|line| line.strip_prefix("Socket errors:"));
    let broken = broken.unwrap_or_default().split([' ', ',']);
    let failed = broken
        .chain(refused.map(str::trim))
        .filter_map(|count| count.parse::<u64>().ok());
    Some(Answered {
        p50: quantile("50%")?,
        p99: quantile("99%")?,
        failed: failed.sum(),
    })
}

/// A time as wrk writes it: `1.25ms`.
fn read_time(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let seconds = match &text[unit..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(text[..unit].parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Answered, read_own, read_time, read_wrk};

    #[test]
    fn what_wrk_says_is_read() {
        let report = "  Latency Distribution\n     50%    1.25ms\n     75%    2.00ms\n     99%   80.50ms\n\
                      \n  Socket errors: connect 0, read 2, write 0, timeout 1\n  Non-2xx or 3xx responses: 7\n";
        let expected = Answered {
            p50: Duration::from_micros(1_250),
            p99: Duration::from_micros(80_500),
            failed: 10,
        };
        assert_eq!(read_wrk(report), Some(expected));
        assert_eq!(read_wrk("unable to connect"), None);
    }

    #[test]
    fn what_our_own_load_says_is_read() {
        let report = json!({
            "latency_micros": {"p50": 300, "p99": 900},
            "statuses": {"202": 100, "503": 3},
            "failures": {"connection broken": 2},
        });
        let expected = Answered {
            p50: Duration::from_micros(300),
            p99: Duration::from_micros(900),
            failed: 5,
        };
        assert_eq!(read_own(&report), Some(expected));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(read_time("530.00us"), Some(Duration::from_micros(530)));
        assert_eq!(read_time("1.02s"), Some(Duration::from_millis(1_020)));
        assert_eq!(read_time("12"), None);
    }
}
