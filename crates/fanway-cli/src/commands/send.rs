//! `fanway send`: a request to the gateway, as a sender.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use fanway_types::IdempotencyKey;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::client::{self, Answer, Call};
use crate::commands::status::Until;
use crate::gateway::Gateway;
use crate::output::{Style, note, print};
use crate::request;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const NOT_BEFORE: HeaderName = HeaderName::from_static("fanway-not-before");
const EXPIRES: HeaderName = HeaderName::from_static("fanway-expires");
const CALLBACK: HeaderName = HeaderName::from_static("fanway-callback");

const EXAMPLES: &str = "\
Without --wait and --follow the exit status is 0 once the message is durable. With them it says how
the message ended: see `fanway status --help`.

Examples:
  fanway send /orders -d '{\"id\": 7}'
  fanway send /orders -d @order.json --idempotency-key order-7 --wait 30s
  fanway send /orders -d @order.json --not-before 10m --expires 2h
  cat order.json | fanway send /orders -d - -H 'x-tenant: blue' --follow";

/// What to send, and where.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// The route's path, with its query: `/orders`
    path: String,

    /// The method
    #[arg(short = 'X', long, default_value = "POST")]
    method: Method,

    /// The body: a text, @FILE, or - for standard input
    #[arg(short, long, default_value = "", hide_default_value = true)]
    data: String,

    /// A header, `name: value`; may be given several times
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = request::header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    #[command(flatten)]
    terms: Terms,

    #[command(flatten)]
    until: Until,

    #[command(flatten)]
    gateway: Gateway,
}

/// What to ask for besides delivery.
#[derive(Debug, Args)]
struct Terms {
    /// Stands for this request: sent again with the same key it is still one message
    #[arg(long, value_name = "KEY", value_parser = key)]
    idempotency_key: Option<HeaderValue>,

    /// When the first attempt is made: a time such as 2026-11-22T10:07:07Z, or how long from now,
    /// such as 10m, 2h or 7d; 30d at most
    #[arg(long, value_name = "TIME")]
    not_before: Option<HeaderValue>,

    /// When what hasn't been delivered is given up: as --not-before, 365d at most
    #[arg(long, value_name = "TIME")]
    expires: Option<HeaderValue>,

    /// Who is told when the message has ended; the route has to allow it
    #[arg(long, value_name = "URL")]
    callback: Option<HeaderValue>,
}

impl Terms {
    fn add_to(&self, headers: &mut HeaderMap) {
        let terms = [
            (KEY, &self.idempotency_key),
            (NOT_BEFORE, &self.not_before),
            (EXPIRES, &self.expires),
            (CALLBACK, &self.callback),
        ];
        for (name, value) in terms {
            if let Some(value) = value {
                headers.append(name, value.clone());
            }
        }
    }
}

/// A key as a string of structured fields (RFC 9651, section 3.3.3), so that any will do.
fn key(text: &str) -> Result<HeaderValue, String> {
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.is_empty() || text.len() > IdempotencyKey::LONGEST || !is_printable {
        return Err(format!(
            "expected 1 to {} printable ASCII characters",
            IdempotencyKey::LONGEST
        ));
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
        .try_into()
        .map_err(|_| "the key fits into no header".to_owned())
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let body = request::body(&options.data)?;
    let mut headers = request::headers(&options.headers, &body);
    options.terms.add_to(&mut headers);
    let call = Call {
        method: options.method.clone(),
        path: options.path.clone(),
        headers,
        body,
        wait: Duration::ZERO,
    };
    let gateway = &options.gateway;
    client::block_on(async {
        let answer = gateway.server.call(call).await?;
        let accepted = answer.json()?;
        if answer.headers.contains_key(REPLAYED) {
            note("fanway: the gateway has this request already: it is the same message");
        }
        let id = accepted["id"].as_str().and_then(|id| id.parse().ok());
        match id {
            Some(id) if !options.until.is_now() => {
                let shown = options.until.show(gateway, id, style).await;
                shown.with_context(|| format!("{id} was accepted"))
            }
            _ => {
                print(style, &accepted, text(&answer, &accepted))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

fn text(answer: &Answer, accepted: &Value) -> String {
    match (accepted["id"].as_str(), accepted["state"].as_str()) {
        (Some(id), Some(state)) => format!("{id} {state}"),
        _ => format!("{} {accepted}", answer.status),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::key;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let header = key(text).ok();
        assert_eq!(
            header.as_ref().map(HeaderValue::as_bytes),
            expected.map(str::as_bytes)
        );
    }

    #[test]
    fn a_key_is_quoted_whatever_it_is() {
        check("order-7", Some("\"order-7\""));
        check("a b,\"c\\", Some("\"a b,\\\"c\\\\\""));
        check("", None);
        check("é", None);
        check("a\nb", None);
        check(&"k".repeat(256), None);
    }
}
