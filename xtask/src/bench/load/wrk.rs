//! wrk: the scripts that it gets, and what they print.
//!
//! What wrk itself prints is for people, with units that change and without the quantiles that are
//! wanted here: the script prints a line of JSON when all is done.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::{Answered, Requests, output, url};
use crate::bench::quantiles::Quantiles;
use crate::built;

/// What the line begins with that the script prints.
const MARK: &str = "answered ";
/// Answers that are later count as failures, and not among the latencies.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Prints, in microseconds, what `Quantiles::read` reads, and what failed.
const DONE: &str = r#"
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    'answered {"latency_micros": {"p50": %.0f, "p99": %.0f, "p99.9": %.0f, "max": %.0f},' ..
    ' "requests": %.0f, "status": %.0f, "failed": %.0f}\n',
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
    summary.requests, errors.status, failed))
end
"#;

/// wrk, where it is installed.
#[derive(Debug)]
pub(crate) struct Wrk {
    program: PathBuf,
    folder: PathBuf,
}

impl Wrk {
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        Some(Self {
            program: built::installed("wrk")?,
            folder: folder.to_owned(),
        })
    }

    pub(crate) fn run(
        &self,
        gateway: SocketAddr,
        requests: &Requests,
        connections: u32,
        duration: Duration,
    ) -> anyhow::Result<Answered> {
        let script = self.folder.join("post.lua");
        fs::write(&script, script_text(requests))?;
        let mut command = Command::new(&self.program);
        command.args(["-t1", &format!("-c{connections}")]);
        command.arg(format!("-d{}s", duration.as_secs()));
        command.arg(format!("--timeout={}s", TIMEOUT.as_secs()));
        command.arg("-s").arg(script).arg(url(gateway, requests));
        let report = output(&mut command)?;
        read(&report).with_context(|| format!("wrk said {report}"))
    }
}

/// The seed of the keys' order: the same for all who are measured.
const SEED: u32 = 5;

fn script_text(requests: &Requests) -> String {
    let filler = requests.size.saturating_sub(r#"{"filler":""}"#.len());
    let mut script = format!(
        "wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\n\
         wrk.body = '{{\"filler\":\"' .. string.rep('x', {filler}) .. '\"}}'\n"
    );
    if let Some(paths) = requests.spread {
        script += &spread(&requests.path, paths);
    }
    if let Some(keys) = requests.keys {
        script += &keyed(requests.size, keys);
    }
    script + DONE
}

/// Requests are rendered before the load begins, so that each costs only a look-up.
fn spread(path: &str, paths: u32) -> String {
    format!(
        "local rendered, last = {{}}, 0\n\
         init = function()\n  \
           for i = 1, {paths} do rendered[i] = wrk.format(nil, '{path}' .. (i - 1)) end\n\
         end\n\
         request = function()\n  \
           last = last % {paths} + 1\n  \
           return rendered[last]\n\
         end\n"
    )
}

/// Rendered before the load begins, too.
fn keyed(size: usize, keys: u32) -> String {
    let filler = size.saturating_sub(r#"{"customer_id":"c00000000","filler":""}"#.len());
    format!(
        "local rendered = {{}}\n\
         init = function()\n  \
           local filler = string.rep('x', {filler})\n  \
           local body = '{{\"customer_id\":\"c%08d\",\"filler\":\"%s\"}}'\n  \
           for i = 1, {keys} do\n    \
             rendered[i] = wrk.format(nil, nil, nil, string.format(body, i, filler))\n  \
           end\n  \
           math.randomseed({SEED})\n\
         end\n\
         request = function() return rendered[math.random({keys})] end\n"
    )
}

/// Reads the script's line, wherever it stands among what wrk prints.
fn read(report: &str) -> Option<Answered> {
    let mut lines = report.lines().rev();
    let line = lines.find_map(|line| line.trim().strip_prefix(MARK))?;
    let said: Value = serde_json::from_str(line).ok()?;
    let count = |name: &str| said[name].as_u64();
    Some(Answered {
        quantiles: Quantiles::read(&said["latency_micros"])?,
        accepted: count("requests")?.saturating_sub(count("status")?),
        failed: count("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{read, script_text};
    use crate::bench::load::{Answered, Requests};
    use crate::bench::quantiles::Quantiles;

    #[test]
    fn the_line_of_the_script_is_found_among_what_wrk_prints() {
        let report = "Running 1s test @ http://127.0.0.1:1/orders\n  1 threads and 4 connections\n\
                      Requests/sec:  7105.11\nTransfer/sec:      1.39MB\n\
                      answered {\"latency_micros\": {\"p50\": 1250, \"p99\": 80500, \"p99.9\": 81000, \
                      \"max\": 99123}, \"requests\": 7105, \"status\": 5, \"failed\": 8}\n";
        let quantiles = json!({"p50": 1_250, "p99": 80_500, "p99.9": 81_000, "max": 99_123});
        let expected = Answered {
            quantiles: Quantiles::read(&quantiles).expect("all are there"),
            accepted: 7_100,
            failed: 8,
        };
        assert_eq!(read(report), Some(expected));
    }

    #[test]
    fn what_is_not_whole_is_not_read() {
        assert_eq!(
            read("unable to connect to 127.0.0.1:1 Connection refused"),
            None
        );
        assert_eq!(read("answered {\"latency_micros\": {\"p50\": 1250"), None);
        assert_eq!(read("answered {\"latency_micros\": {\"p50\": nan}}"), None);
    }

    #[test]
    fn requests_are_spread_only_where_that_is_asked() {
        let mut requests = Requests::to("/orders/", 100);
        assert!(!script_text(&requests).contains("request = function"));
        requests.spread = Some(10_000);
        let script = script_text(&requests);
        assert!(script.contains("last % 10000 + 1") && script.contains("'/orders/' .. (i - 1)"));
        assert!(script.contains("string.rep('x', 87)") && script.contains("done = function"));
    }

    #[test]
    fn bodies_have_keys_only_where_that_is_asked() {
        let mut requests = Requests::to("/orders", 100);
        assert!(!script_text(&requests).contains("customer_id"));
        requests.keys = Some(10_000);
        let script = script_text(&requests);
        assert!(
            script.contains("rendered[math.random(10000)]") && script.contains("done = function")
        );
        let empty = r#"{"customer_id":"c00000001","filler":""}"#.len();
        assert!(script.contains(&format!("local filler = string.rep('x', {})", 100 - empty)));
    }
}
