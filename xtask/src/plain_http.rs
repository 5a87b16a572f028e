//! GET and POST, each over a connection of its own: enough for metrics and the admin API.
//!
//! It speaks HTTP/1.0, to which no server answers in chunks. Answers are read to their end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The body.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).context("the answer is no JSON")
    }
}

/// Asks for something.
pub(crate) fn ask(server: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    exchange(server, "GET", path, "").with_context(|| format!("no answer to GET {path}"))
}

/// Asks for something to be done.
pub(crate) fn post(server: SocketAddr, path: &str, body: &Value) -> anyhow::Result<Answer> {
    let answer = exchange(server, "POST", path, &body.to_string());
    answer.with_context(|| format!("no answer to POST {path}"))
}

fn exchange(server: SocketAddr, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {server}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.context("no status")?,
        body: body.to_owned(),
    })
}

/// The body of an answer with status 200.
pub(crate) fn get(server: SocketAddr, path: &str) -> anyhow::Result<String> {
    let Answer { status, body } = ask(server, path)?;
    if status != 200 {
        bail!("GET {path}: {status}");
    }
    Ok(body)
}

/// The same, of an answer in JSON.
pub(crate) fn get_json(server: SocketAddr, path: &str) -> anyhow::Result<Value> {
    let body = get(server, path)?;
    serde_json::from_str(&body).with_context(|| format!("no JSON from GET {path}"))
}

/// A figure without labels from `/metrics`.
pub(crate) fn figure(admin: SocketAddr, name: &str) -> anyhow::Result<f64> {
    let [figure] = figures(admin, [name])?;
    Ok(figure)
}

/// Several such figures, of one moment.
pub(crate) fn figures<const N: usize>(
    admin: SocketAddr,
    names: [&str; N],
) -> anyhow::Result<[f64; N]> {
    let metrics = get(admin, "/metrics")?;
    let mut figures = [0.0; N];
    for (figure, name) in figures.iter_mut().zip(names) {
        *figure = read_figure(&metrics, name).with_context(|| format!("no metric {name}"))?;
    }
    Ok(figures)
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
