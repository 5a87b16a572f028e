//! `fanway ledger export`: the messages that are kept, decrypted.

use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use fanway_store_local::{Kept, export, ledger_path};
use fanway_types::MessageId;
use serde_json::{Map, Value, json};

use super::{Place, check_stopped, encryption};
use crate::output::{Style, next_line};

/// Which messages of which ledger, and by which keys.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,

    /// A config with the keys of what is encrypted; without it only what isn't can be printed
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Only this message
    #[arg(short, long, value_name = "ID")]
    message: Option<MessageId>,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let path = &options.place.path;
    check_stopped(path)?;
    let encryption = encryption(options.config.as_deref())?;
    let (mut found, mut failed) = (false, None);
    export(&ledger_path(path), &encryption, options.message, |kept| {
        found = true;
        let json = json(&kept);
        let printed = next_line(Style::Json, &json, "");
        printed.unwrap_or_else(|error| {
            failed = Some(error);
            false
        })
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if let Some(message) = options.message.filter(|_| !found) {
        anyhow::bail!("{message} isn't kept in the ledger");
    }
    Ok(ExitCode::SUCCESS)
}

fn json(kept: &Kept) -> Value {
    let (view, request) = (&kept.view, &kept.message.request);
    let deliveries: Vec<Value> = view
        .deliveries
        .iter()
        .map(|delivery| {
            json!({
                "id": delivery.id,
                "step": delivery.step.as_str(),
                "target": delivery.target.as_str(),
                "state": delivery.state,
                "attempts": delivery.attempts,
                "last_status": delivery.status,
                "last_at": delivery.at,
                "next_attempt_at": delivery.due,
                "reason": delivery.reason,
                "detail": delivery.detail.as_deref(),
            })
        })
        .collect();
    let headers: Vec<Value> = request
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let mut sent = Map::new();
    sent.insert("method".to_owned(), json!(request.method));
    sent.insert("path".to_owned(), json!(request.path));
    sent.insert("query".to_owned(), json!(request.query));
    sent.insert("headers".to_owned(), json!(headers));
    if kept.has_body {
        let (name, body) = match str::from_utf8(&request.body) {
            Ok(text) => ("body", text.to_owned()),
            Err(_) => ("body_base64", STANDARD.encode(&request.body)),
        };
        sent.insert(name.to_owned(), json!(body));
    }
    json!({
        "id": view.id,
        "route": view.route.as_str(),
        "state": view.state,
        "received_at": view.id.timestamp(),
        "ended_at": view.ended_at,
        "callback": kept.message.terms.callback,
        "request": sent,
        "deliveries": deliveries,
    })
}
