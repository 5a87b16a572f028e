//! `fanway tail`: what happens on a server, as it happens.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;
use fanway_types::{DeliveryState, MessageId, RouteName, TargetName};
use serde_json::{Map, Value};
use tokio::signal::ctrl_c;

use crate::admin::Admin;
use crate::client;
use crate::events::{Events, Told};
use crate::output::{Style, next_line, note};
use crate::query::Query;
use crate::sse::Event;
use crate::table::{cell, details};

const EXAMPLES: &str = "\
Each line has the time, the message, its route and what has happened: `accepted`, `cancelled`,
`redriven`, or the state of a delivery after an attempt, with its step and target. With --json each
line is an object whose `event` is `accepted`, `attempt`, `cancelled`, `redriven` or `missed`.

Whoever reads too slowly misses events, and is told so. A connection that breaks is opened again.

Examples:
  fanway tail
  fanway tail --target inventory --state dead
  fanway tail --json | jq -c 'select(.last_status >= 500)'";

/// Which events, and where.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// Only those of messages of this route
    #[arg(long, value_name = "NAME")]
    route: Option<RouteName>,

    /// Only attempts of this target
    #[arg(long, value_name = "NAME")]
    target: Option<TargetName>,

    /// Only those that lead to this state of a delivery; `pending` for messages that are accepted
    #[arg(long, value_parser = PossibleValuesParser::new(DeliveryState::ALL.map(DeliveryState::as_str)))]
    state: Option<String>,

    /// Only those of this message
    #[arg(long, value_name = "ID")]
    message: Option<MessageId>,

    #[command(flatten)]
    admin: Admin,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    client::block_on(async {
        tokio::select! {
            biased;
            interrupted = ctrl_c() => interrupted.context("signals can't be caught")?,
            printed = print_all(options, style) => printed?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints events until nobody reads them.
async fn print_all(options: &Options, style: Style) -> anyhow::Result<()> {
    let query = Query::default()
        .with("route", options.route.as_ref())
        .with("target", options.target.as_ref())
        .with("state", options.state.as_ref())
        .with("message", options.message);
    let path = format!("/api/v1/events{query}");
    let mut events = Events::listen(&options.admin.server, path).await?;
    note("fanway: listening; Ctrl-C ends");
    loop {
        let is_read = match events.next().await? {
            Told::Event(event) => show(&event, style)?,
            Told::Again => {
                note("fanway: listening again; what has happened meanwhile isn't shown");
                true
            }
            Told::Over => return Ok(()),
        };
        if !is_read {
            return Ok(());
        }
    }
}

/// Prints an event; false where nobody reads it.
fn show(event: &Event, style: Style) -> anyhow::Result<bool> {
    let data: Map<String, Value> =
        serde_json::from_str(&event.data).context("the server's event is no JSON object")?;
    let name = [("event".to_owned(), Value::from(event.name.as_str()))];
    let json: Value = name.into_iter().chain(data).collect::<Map<_, _>>().into();
    if event.name == "missed" && style == Style::Text {
        note(missed(&json));
        return Ok(true);
    }
    next_line(style, &json, text(&json))
}

fn missed(event: &Value) -> String {
    let batches = event["batches"].as_u64().unwrap_or_default();
    let plural = if batches == 1 { "" } else { "es" };
    format!("fanway: too slow: {batches} batch{plural} of events missed")
}

fn text(event: &Value) -> String {
    let at = match &event["at"] {
        Value::Null => "-".to_owned(),
        at => cell(at),
    };
    let head = format!(
        "{at}  {}  {}",
        cell(&event["message"]),
        cell(&event["route"])
    );
    match event["event"].as_str() {
        Some("attempt") => format!("{head}  {}", attempt(event)),
        Some("redriven") => format!(
            "{head}  redriven  {} takes the place of {}",
            cell(&event["delivery"]),
            cell(&event["redriven"])
        ),
        _ => format!("{head}  {}", cell(&event["event"])),
    }
}

fn attempt(event: &Value) -> String {
    let details = details(
        event,
        &[
            ("status ", "last_status"),
            ("attempts ", "attempts"),
            ("reason ", "reason"),
            ("next attempt at ", "next_attempt_at"),
            ("", "detail"),
        ],
    );
    let attempt = format!(
        "{} to {}  {}  {details}",
        cell(&event["step"]),
        cell(&event["target"]),
        cell(&event["state"])
    );
    attempt.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{missed, text};

    #[track_caller]
    fn check(more: Value, expected: &str) {
        let mut event = json!({"message": "msg_1", "route": "mails"});
        let Value::Object(more) = more else {
            unreachable!("an object is given");
        };
        event.as_object_mut().expect("an object").extend(more);
        assert_eq!(text(&event), expected);
    }

    #[test]
    fn each_event_is_a_line() {
        check(
            json!({"event": "accepted", "at": "10:00", "state": "pending"}),
            "10:00  msg_1  mails  accepted",
        );
        check(
            json!({"event": "attempt", "at": "10:01", "step": "mail", "target": "smtp", "attempts": 2,
                "state": "retrying", "last_status": 503, "next_attempt_at": "10:02", "detail": "a\nb"}),
            "10:01  msg_1  mails  mail to smtp  retrying  status 503, attempts 2, next attempt at 10:02, a\\nb",
        );
        check(json!({"event": "cancelled"}), "-  msg_1  mails  cancelled");
        check(
            json!({"event": "redriven", "delivery": "dlv_1.r1", "redriven": "dlv_1"}),
            "-  msg_1  mails  redriven  dlv_1.r1 takes the place of dlv_1",
        );
    }

    #[test]
    fn what_was_missed_is_counted() {
        assert_eq!(
            missed(&json!({"batches": 1})),
            "fanway: too slow: 1 batch of events missed"
        );
        assert_eq!(
            missed(&json!({"batches": 2})),
            "fanway: too slow: 2 batches of events missed"
        );
    }
}
