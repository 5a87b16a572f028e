//! `fanway status`: where a message stands, as its sender sees it.

mod changes;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use fanway_types::MessageId;
use serde_json::Value;

use crate::client;
use crate::gateway::Gateway;
use crate::output::{Style, print};
use crate::table::{Table, cell};

/// The longest that one request waits; the gateway may answer earlier.
const ONE_WAIT: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
Exit status:
  0  the message hasn't failed; with --wait it has ended besides; with --follow it is delivered
  1  otherwise

Examples:
  fanway status msg_01m81krzz26d1przeapjk202mc
  fanway status msg_01m81krzz26d1przeapjk202mc --wait 30s
  fanway status msg_01m81krzz26d1przeapjk202mc --follow --json | jq -c .state";

/// Which message.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// The message's id
    id: MessageId,

    #[command(flatten)]
    until: Until,

    #[command(flatten)]
    gateway: Gateway,
}

/// Whether to wait for a message's end, and how.
#[derive(Debug, Args)]
pub(crate) struct Until {
    /// Wait until the message has ended, so long at most: 500ms, 10s, 5m, 1h
    #[arg(long, value_name = "DURATION", value_parser = crate::durations::parse)]
    wait: Option<Duration>,

    /// Print each change, a line each, until the message has ended (or --wait is over)
    ///
    /// First comes where the message stands now. A connection that breaks is opened again, and
    /// what has changed meanwhile is told then. With --json each line is the message as a whole.
    #[arg(long)]
    follow: bool,
}

impl Until {
    /// Whether only to look.
    pub(crate) fn is_now(&self) -> bool {
        self.wait.is_none() && !self.follow
    }

    /// Shows a message until it has ended or the time is over.
    pub(crate) async fn show(
        &self,
        gateway: &Gateway,
        id: MessageId,
        style: Style,
    ) -> anyhow::Result<ExitCode> {
        if self.follow {
            return changes::follow(gateway, id, self.wait, style).await;
        }
        let begun = Instant::now();
        let message = loop {
            let left = self.wait.unwrap_or_default();
            let left = left.saturating_sub(begun.elapsed());
            let message = gateway.message(id, left.min(ONE_WAIT)).await?;
            if has_ended(&message) || left.is_zero() {
                break message;
            }
        };
        print(style, &message, text(&message))?;
        let is_late = self.wait.is_some() && !has_ended(&message);
        let failed = message["state"] == "failed" || is_late;
        Ok(ExitCode::from(u8::from(failed)))
    }
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    client::block_on(options.until.show(&options.gateway, options.id, style))
}

fn has_ended(message: &Value) -> bool {
    message["state"] != "pending"
}

/// A message, as a person reads it.
pub(crate) fn text(message: &Value) -> String {
    let names = [
        "step",
        "target",
        "state",
        "held_by",
        "attempts",
        "last_status",
        "next_attempt_at",
    ];
    let deliveries = message["deliveries"].as_array().into_iter().flatten();
    format!(
        "{} {}\n{}",
        cell(&message["id"]),
        cell(&message["state"]),
        Table::of(deliveries, &names)
    )
}
