//! GET over a connection of its own: enough for metrics and the admin API.
//!
//! It speaks HTTP/1.0, to which no server answers in chunks. Answers are read to their end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of an answer with status 200.
pub(crate) fn get(server: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .with_context(|| format!("no answer to GET {path}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("GET {path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// The same, of an answer in JSON.
pub(crate) fn get_json(server: SocketAddr, path: &str) -> anyhow::Result<Value> {
    let body = get(server, path)?;
    serde_json::from_str(&body).with_context(|| format!("no JSON from GET {path}"))
}

/// A figure without labels from `/metrics`.
pub(crate) fn figure(admin: SocketAddr, name: &str) -> anyhow::Result<f64> {
    let metrics = get(admin, "/metrics")?;
    read_figure(&metrics, name).with_context(|| format!("no metric {name}"))
}

fn read_figure(metrics: &str, name: &str) -> Option<f64> {
    let mut values = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::read_figure;

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let metrics = "# HELP a_b text\na_b_total 3\na_b 4.5\na{b=\"c\"} 1\n";
        assert_eq!(read_figure(metrics, "a_b"), Some(4.5));
        assert_eq!(read_figure(metrics, "a"), None);
    }
}
