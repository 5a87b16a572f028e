//! `fanway status`: where a message stands, as its sender sees it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use fanway_types::MessageId;
use serde_json::Value;

use crate::client::{self, Call, Server};
use crate::output::{Style, print};
use crate::table::{Table, cell};

/// The longest that one request waits; the gateway may answer earlier.
const ONE_WAIT: Duration = Duration::from_secs(30);

/// Which message.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The message's id
    id: MessageId,

    /// Wait until the message has ended, so long at most
    #[arg(long, value_parser = crate::durations::parse)]
    wait: Option<Duration>,

    /// The gateway
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    gateway: Server,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    client::block_on(follow(&options.gateway, options.id, options.wait, style))
}

/// Asks for a message, again and again where it is to be waited for, and prints it. Fails where it
/// has failed, or where it was waited for and has not ended.
pub(crate) async fn follow(
    gateway: &Server,
    id: MessageId,
    wait: Option<Duration>,
    style: Style,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let message = loop {
        let left = wait.unwrap_or_default().saturating_sub(begun.elapsed());
        let message = ask(gateway, id, left.min(ONE_WAIT)).await?;
        if message["state"] != "pending" || left.is_zero() {
            break message;
        }
    };
    print(style, &message, text(&message))?;
    let failed = match message["state"].as_str() {
        Some("failed") => true,
        Some("pending") => wait.is_some(),
        _ => false,
    };
    Ok(ExitCode::from(u8::from(failed)))
}

async fn ask(gateway: &Server, id: MessageId, wait: Duration) -> anyhow::Result<Value> {
    let wait = Duration::from_secs(wait.as_millis().div_ceil(1000).try_into()?);
    let query = if wait.is_zero() {
        String::new()
    } else {
        format!("?wait={}s", wait.as_secs())
    };
    let call = Call {
        path: format!("/fanway/messages/{id}{query}"),
        wait,
        ..Call::default()
    };
    gateway.call(call).await?.json()
}

fn text(message: &Value) -> String {
    let keys = [
        "step",
        "target",
        "state",
        "held_by",
        "attempts",
        "last_status",
        "next_attempt_at",
    ];
    let mut table = Table::new(&keys);
    for delivery in message["deliveries"].as_array().into_iter().flatten() {
        table.row(keys.map(|key| cell(&delivery[key])));
    }
    format!(
        "{} {}\n{table}",
        cell(&message["id"]),
        cell(&message["state"])
    )
}
