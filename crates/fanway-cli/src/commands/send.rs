//! `fanway send`: a request to the gateway, as a sender.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::client::{self, Answer, Call, Server};
use crate::commands::status;
use crate::output::{Style, print};
use crate::request;

/// What to send, and where.
#[derive(Debug, Args)]
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
    #[arg(short = 'H', long = "header", value_parser = request::header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// Wait until the message has ended, so long at most
    #[arg(long, value_parser = crate::durations::parse)]
    wait: Option<Duration>,

    /// The gateway
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    gateway: Server,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let body = request::body(&options.data)?;
    let call = Call {
        method: options.method.clone(),
        path: options.path.clone(),
        headers: request::headers(&options.headers, &body),
        body,
        wait: Duration::ZERO,
    };
    client::block_on(async {
        let answer = options.gateway.call(call).await?;
        let accepted = answer.json()?;
        let id = accepted["id"].as_str().and_then(|id| id.parse().ok());
        match (options.wait, id) {
            (Some(wait), Some(id)) => status::follow(&options.gateway, id, Some(wait), style).await,
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
