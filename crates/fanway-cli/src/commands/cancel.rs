//! `fanway cancel`: calling a message off, as its sender.

use std::process::ExitCode;

use clap::Args;
use fanway_types::MessageId;
use hyper::StatusCode;

use crate::client;
use crate::commands::status;
use crate::gateway::Gateway;
use crate::output::{Style, note, print};

const EXAMPLES: &str = "\
What is delivered stays delivered, and an attempt in flight decides how its delivery ends; what
waits is cancelled. A message that was called off before may be called off again.

Exit status:
  0  nothing more is begun for the message
  1  it had ended already, or isn't known

Examples:
  fanway cancel msg_01m81krzz26d1przeapjk202mc";

/// Which message.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// The message's id
    id: MessageId,

    #[command(flatten)]
    gateway: Gateway,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let id = options.id;
    let answer = client::block_on(options.gateway.cancel(id))?;
    let message = answer.json()?;
    print(style, &message, status::text(&message))?;
    if answer.status == StatusCode::ACCEPTED {
        note(format!(
            "fanway: attempts in flight decide how their deliveries end: fanway status {id} --wait 30s"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
