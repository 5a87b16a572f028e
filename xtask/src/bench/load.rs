//! What makes the load: wrk where it is installed, since it is cheap, and `fanway bench` otherwise;
//! where requests are due at fixed times, the sender of `baselines/`.

mod wrk;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::quantiles::Quantiles;
use super::{BODY, MANY};
use wrk::Wrk;

/// What makes the load.
#[derive(Debug)]
pub(crate) struct Loader {
    fanway: PathBuf,
    sender: PathBuf,
    wrk: Option<Wrk>,
}

/// The requests that are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) path: String,
    /// Bytes of a body.
    pub(crate) size: usize,
    /// Sent in turn to so many paths, `path` and a number below that; without it to `path`.
    pub(crate) spread: Option<u32>,
    /// Each body has a `customer_id`, one of so many at random; without it none has.
    pub(crate) keys: Option<u32>,
}

impl Requests {
    /// To one path.
    pub(crate) fn to(path: &str, size: usize) -> Self {
        Self {
            path: path.to_owned(),
            size,
            spread: None,
            keys: None,
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self::to("/orders", BODY)
    }
}

/// A fixed rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Requests that become due in a second.
    pub(crate) per_second: u32,
    pub(crate) duration: Duration,
}

/// How requests were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) quantiles: Quantiles,
    /// Requests that were accepted.
    pub(crate) accepted: u64,
    /// Requests that were refused, not answered, or due and never sent.
    pub(crate) failed: u64,
}

impl Loader {
    /// Takes wrk where it is installed. Its scripts are put into `folder`.
    pub(crate) fn find(fanway: &Path, baselines: &Path, folder: &Path) -> Self {
        Self {
            fanway: fanway.to_owned(),
            sender: baselines.join("sender"),
            wrk: Wrk::find(folder),
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.wrk.as_ref().map_or("`fanway bench`", |_| "wrk")
    }

    /// Whether it can send to several paths in turn, and with several keys.
    pub(crate) fn can_spread(&self) -> bool {
        self.wrk.is_some()
    }

    /// As many requests as are answered, over so many connections.
    pub(crate) fn run(
        &self,
        gateway: SocketAddr,
        requests: &Requests,
        connections: u32,
        duration: Duration,
    ) -> anyhow::Result<Answered> {
        match &self.wrk {
            Some(wrk) => wrk.run(gateway, requests, connections, duration),
            None => self.own(gateway, requests, connections, duration),
        }
    }

    /// Requests that are due at fixed times, over [`MANY`] connections. Tells also what the sender
    /// says of its slowest moments.
    pub(crate) fn run_at_rate(
        &self,
        gateway: SocketAddr,
        requests: &Requests,
        rate: Rate,
    ) -> anyhow::Result<(Answered, Value)> {
        let mut command = Command::new(&self.sender);
        command.arg(gateway.to_string()).arg(&requests.path);
        let numbers = [rate.per_second.into(), rate.duration.as_secs(), MANY.into()];
        command.args(numbers.map(|number| number.to_string()));
        command.arg(requests.size.to_string());
        let report: Value = serde_json::from_str(&output(&mut command)?)?;
        let answered = read_sender(&report).with_context(|| format!("the sender said {report}"))?;
        Ok((answered, report))
    }

    fn own(
        &self,
        gateway: SocketAddr,
        requests: &Requests,
        connections: u32,
        duration: Duration,
    ) -> anyhow::Result<Answered> {
        let mut command = Command::new(&self.fanway);
        command.args(["--json", "bench", &url(gateway, requests)]);
        command.args(["--connections", &connections.to_string()]);
        command.args(["--duration", &format!("{}s", duration.as_secs())]);
        command.args(["--size", &format!("{}B", requests.size)]);
        let report: Value = serde_json::from_str(&output(&mut command)?)?;
        read_own(&report).with_context(|| format!("`fanway bench` said {report}"))
    }
}

fn url(gateway: SocketAddr, requests: &Requests) -> String {
    format!("http://{gateway}{}", requests.path)
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("the load can't be started")?;
    if !output.status.success() {
        bail!(
            "the load failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn read_own(report: &Value) -> Option<Answered> {
    let failures = report["failures"].as_object()?.values();
    let refused = report["statuses"].as_object()?.iter();
    let refused = refused.filter(|(status, _)| !status.starts_with('2'));
    let failed = failures.chain(refused.map(|(_, count)| count));
    Some(Answered {
        quantiles: Quantiles::read(&report["latency_micros"])?,
        accepted: report["accepted"].as_u64()?,
        failed: failed.filter_map(Value::as_u64).sum(),
    })
}

fn read_sender(report: &Value) -> Option<Answered> {
    Some(Answered {
        quantiles: Quantiles::read(&report["latency_micros"])?,
        accepted: report["answered"].as_u64()?,
        failed: report["failed"].as_u64()? + report["unsent"].as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Answered, read_own, read_sender};
    use crate::bench::quantiles::Quantiles;

    fn latency() -> Value {
        json!({"p50": 300, "p99": 900, "p99.9": 1_500, "max": 4_000})
    }

    #[track_caller]
    fn check(found: Option<Answered>, accepted: u64, failed: u64) {
        let quantiles = Quantiles::read(&latency()).expect("all are there");
        let expected = Answered {
            quantiles,
            accepted,
            failed,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn what_our_own_load_says_is_read() {
        let report = json!({
            "accepted": 100,
            "latency_micros": latency(),
            "statuses": {"202": 100, "503": 3},
            "failures": {"connection broken": 2},
        });
        check(read_own(&report), 100, 5);
    }

    #[test]
    fn what_the_sender_says_is_read() {
        let mut report = json!({
            "answered": 100,
            "latency_micros": latency(),
            "failed": 2,
            "unsent": 7,
        });
        check(read_sender(&report), 100, 9);
        report["latency_micros"]["max"] = Value::Null;
        assert_eq!(read_sender(&report), None);
    }
}
