//! `fanway bench`: load on a running gateway, with a latency histogram.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use fanway_types::ByteCount;
use http_body_util::Full;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::{Value, json};

use crate::client::Server;
use crate::durations::{self, show};
use crate::load::{self, Params, Report};
use crate::output::{Style, Wrong, print};
use crate::request;

const EXAMPLES: &str = "\
Exit status:
  0  requests were accepted
  1  none was

Examples:
  fanway bench http://127.0.0.1:8080/orders
  fanway bench http://127.0.0.1:8080/orders --rate 2000 --duration 1m -d @order.json";

/// What load to make, and where.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// The route's URL: `http://127.0.0.1:8080/orders`
    url: Uri,

    /// Connections to hold
    #[arg(long, default_value = "64")]
    connections: NonZeroUsize,

    /// How long
    #[arg(long, default_value = "10s", value_parser = durations::parse)]
    duration: Duration,

    /// Requests a second, due at fixed times; without it each connection sends as fast as it is answered
    #[arg(long)]
    rate: Option<NonZeroU32>,

    /// The size of the body, which is JSON
    #[arg(long, default_value = "1KiB")]
    size: ByteCount,

    /// The body instead: a text, @FILE, or - for standard input
    #[arg(short, long, conflicts_with = "size")]
    data: Option<String>,

    /// The method
    #[arg(short = 'X', long, default_value = "POST")]
    method: Method,

    /// A header, `name: value`; may be given several times
    #[arg(short = 'H', long = "header", value_parser = request::header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// Allow a gateway on another machine: only where you may put load on it
    #[arg(long)]
    allow_remote: bool,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let server = server(&options.url)?;
    if !options.allow_remote {
        check_loopback(&server)?;
    }
    let params = Params {
        request: whole_request(options, &server)?,
        server,
        connections: options.connections,
        duration: options.duration,
        rate: options.rate,
    };
    let report = load::run(&params)?;
    print(style, &json(&report), text(&report))?;
    let any = report.latency.total() > 0;
    Ok(ExitCode::from(u8::from(!any)))
}

fn server(url: &Uri) -> anyhow::Result<Server> {
    let origin = match (url.scheme_str(), url.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => url.to_string(),
    };
    Server::gateway(&origin).map_err(|error| Wrong(format!("`{url}`: {error}")).into())
}

fn check_loopback(server: &Server) -> anyhow::Result<()> {
    let mut addresses = server
        .endpoint()
        .to_socket_addrs()
        .with_context(|| format!("{server} can't be reached"))?;
    if addresses.all(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    let refusal =
        format!("{server} is another machine; --allow-remote puts load on it all the same");
    Err(Wrong(refusal).into())
}

fn whole_request(options: &Options, server: &Server) -> anyhow::Result<Request<Full<Bytes>>> {
    let body = match &options.data {
        Some(data) => request::body(data)?,
        None => filler(options.size),
    };
    let path = options
        .url
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let mut whole = Request::new(Full::new(body.clone()));
    *whole.method_mut() = options.method.clone();
    *whole.uri_mut() = path.parse()?;
    *whole.headers_mut() = request::headers(&options.headers, &body);
    let host = HeaderValue::from_str(server.authority().as_str())?;
    whole.headers_mut().entry(HOST).or_insert(host);
    Ok(whole)
}

/// JSON of that size, or of the smallest that it can have.
fn filler(size: ByteCount) -> Bytes {
    let frame = json!({"filler": ""}).to_string();
    let filler = "x".repeat(size.as_usize().saturating_sub(frame.len()));
    json!({"filler": filler}).to_string().into()
}

/// Quantiles in thousandths, with their names.
const QUANTILES: [(&str, u64); 4] = [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999)];

fn json(report: &Report) -> Value {
    let micros = |duration: Duration| json!(duration.as_micros());
    let mut latency: serde_json::Map<String, Value> = QUANTILES
        .iter()
        .map(|(name, rank)| ((*name).to_owned(), micros(report.latency.quantile(*rank))))
        .collect();
    latency.insert("max".to_owned(), micros(report.latency.longest()));
    let statuses: BTreeMap<String, u64> = report
        .statuses
        .iter()
        .map(|(status, count)| (status.as_u16().to_string(), *count))
        .collect();
    json!({
        "seconds": report.took.as_secs_f64(),
        "accepted": report.latency.total(),
        "accepted_per_second": per_second(report),
        "latency_micros": latency,
        "statuses": statuses,
        "failures": report.failures,
        "unsent": report.unsent,
    })
}

fn text(report: &Report) -> String {
    let latency: Vec<String> = QUANTILES
        .iter()
        .map(|(name, rank)| format!("{name} {}", show(report.latency.quantile(*rank))))
        .collect();
    let mut text = format!(
        "accepted  {} in {}, {:.0}/s\nlatency   {}  max {}",
        report.latency.total(),
        show(report.took),
        per_second(report),
        latency.join("  "),
        show(report.latency.longest()),
    );
    let refused = report
        .statuses
        .iter()
        .filter(|(status, _)| !status.is_success());
    for (status, count) in refused {
        text += &format!("\nrefused   {count} with {status}");
    }
    for (failure, count) in &report.failures {
        text += &format!("\nfailed    {count}: {failure}");
    }
    if report.unsent > 0 {
        text += &format!(
            "\nunsent    {}: due, but no connection was free",
            report.unsent
        );
    }
    text
}

fn per_second(report: &Report) -> f64 {
    report.latency.total() as f64 / report.took.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use fanway_types::ByteCount;
    use serde_json::Value;

    use super::filler;

    #[test]
    fn the_filler_is_json_of_the_size_that_was_asked() {
        for size in [14, 100, 1024] {
            let body = filler(ByteCount::new(size));
            assert_eq!(body.len() as u64, size.max(13));
            assert!(serde_json::from_slice::<Value>(&body).is_ok());
        }
    }
}
