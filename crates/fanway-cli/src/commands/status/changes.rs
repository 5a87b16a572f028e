//! `fanway status --follow`: each change of a message, until it has ended.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use fanway_types::MessageId;
use serde_json::Value;
use tokio::time::timeout;

use crate::events::Told;
use crate::gateway::Gateway;
use crate::output::{Style, next_line, note};
use crate::table::{cell, details};

/// Prints a message's changes until it has ended, or `wait` is over. Succeeds where it is
/// delivered.
pub(super) async fn follow(
    gateway: &Gateway,
    id: MessageId,
    wait: Option<Duration>,
    style: Style,
) -> anyhow::Result<ExitCode> {
    let followed = print_all(gateway, id, style);
    let ended = match wait {
        None => followed.await?,
        Some(wait) => match timeout(wait, followed).await {
            Ok(ended) => ended?,
            Err(_) => {
                note(format!("fanway: {id} hasn't ended within {wait:?}"));
                return Ok(ExitCode::FAILURE);
            }
        },
    };
    let is_delivered = ended["state"] == "delivered";
    Ok(ExitCode::from(u8::from(!is_delivered)))
}

/// Prints each change; returns the message as it was told last.
async fn print_all(gateway: &Gateway, id: MessageId, style: Style) -> anyhow::Result<Value> {
    let mut events = gateway.events(id).await?;
    let mut known = Value::Null;
    loop {
        let event = match events.next().await? {
            Told::Event(event) if event.name == "message" => event,
            Told::Event(_) | Told::Again => continue,
            Told::Over => return Ok(known),
        };
        let message: Value =
            serde_json::from_str(&event.data).context("the gateway's event is no JSON")?;
        let is_read = match style {
            Style::Json => next_line(style, &message, "")?,
            Style::Text => {
                let lines = lines(&known, &message);
                lines.is_empty() || next_line(style, &message, lines.join("\n"))?
            }
        };
        if super::has_ended(&message) || !is_read {
            return Ok(message);
        }
        known = message;
    }
}

/// What is different, a line for each delivery, and one for the message itself: before them where
/// it is new, and after them where it has ended.
fn lines(known: &Value, message: &Value) -> Vec<String> {
    let deliveries = message["deliveries"].as_array();
    let deliveries = deliveries.map_or(&[][..], Vec::as_slice);
    let changed = deliveries
        .iter()
        .enumerate()
        .filter(|(index, delivery)| known["deliveries"][index] != **delivery);
    let mut lines: Vec<String> = changed
        .map(|(_, delivery)| delivery_line(message, delivery))
        .collect();
    if known["state"] != message["state"] {
        let ended = &message["ended_at"];
        let (at, place) = if ended.is_null() {
            (&message["received_at"], 0)
        } else {
            (ended, lines.len())
        };
        let line = format!(
            "{}  {}  {}",
            cell(at),
            cell(&message["id"]),
            cell(&message["state"])
        );
        lines.insert(place, line);
    }
    lines
}

fn delivery_line(message: &Value, delivery: &Value) -> String {
    let at = [&delivery["last_at"], &message["received_at"]];
    let at = at.into_iter().find(|at| !at.is_null()).map(cell);
    let details = details(
        delivery,
        &[
            ("status ", "last_status"),
            ("attempts ", "attempts"),
            ("held by ", "held_by"),
            ("next attempt at ", "next_attempt_at"),
        ],
    );
    let line = format!(
        "{}  {}  {}  {details}",
        at.unwrap_or_default(),
        cell(&delivery["step"]),
        cell(&delivery["state"])
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::lines;

    fn message(state: &str, ended_at: Option<&str>, deliveries: &Value) -> Value {
        json!({
            "id": "msg_1",
            "state": state,
            "received_at": "10:00",
            "ended_at": ended_at,
            "deliveries": deliveries,
        })
    }

    fn delivery(step: &str, state: &str, attempts: u32) -> Value {
        json!({
            "step": step,
            "state": state,
            "held_by": null,
            "attempts": attempts,
            "last_status": (attempts > 0).then_some(503),
            "last_at": (attempts > 0).then_some("10:01"),
            "next_attempt_at": (state == "retrying").then_some("10:02"),
        })
    }

    #[track_caller]
    fn check(known: &Value, message: &Value, expected: &[&str]) {
        assert_eq!(lines(known, message), expected);
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let waits = [
            delivery("mail", "pending", 0),
            delivery("log", "pending", 0),
        ];
        let first = message("pending", None, &json!(waits));
        let told = [
            "10:00  msg_1  pending",
            "10:00  mail  pending",
            "10:00  log  pending",
        ];
        check(&Value::Null, &first, &told);
        check(&first, &first, &[]);

        let fails = [
            delivery("mail", "retrying", 1),
            delivery("log", "pending", 0),
        ];
        let second = message("pending", None, &json!(fails));
        let told = ["10:01  mail  retrying  status 503, attempts 1, next attempt at 10:02"];
        check(&first, &second, &told);

        let ends = [delivery("mail", "retrying", 1), delivery("log", "dead", 1)];
        let last = message("failed", Some("10:03"), &json!(ends));
        let told = [
            "10:01  log  dead  status 503, attempts 1",
            "10:03  msg_1  failed",
        ];
        check(&second, &last, &told);
    }

    #[test]
    fn what_others_wrote_cant_steer_the_terminal() {
        let odd = [delivery("a\u{1b}[2J", "pending", 0)];
        let told = ["10:00  msg_1  pending", "10:00  a\\u{1b}[2J  pending"];
        check(&Value::Null, &message("pending", None, &json!(odd)), &told);
    }
}
