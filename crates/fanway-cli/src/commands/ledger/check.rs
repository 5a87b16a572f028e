//! `fanway ledger check`: whether the ledger is sound, and what is encrypted in it opens.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fanway_store_local::{ledger_path, try_keys};
use serde_json::json;

use super::{Place, check_stopped, encryption};
use crate::output::{Style, print};

/// Which ledger, and by which keys.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,

    /// A config with the keys of what is encrypted, to try them on all of it
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let path = &options.place.path;
    check_stopped(path)?;
    let mut report = fanway_store_local::check(&ledger_path(path))?;
    let mut encrypted = None;
    if let Some(config) = &options.config {
        let sealed = try_keys(&ledger_path(path), &encryption(Some(config))?)?;
        if sealed.shut > 0 {
            let problem = format!("{} encrypted values that don't open", sealed.shut);
            report.problems.push(problem);
        }
        encrypted = Some(sealed.values);
    }
    let sound = report.problems.is_empty();
    let json = json!({
        "sound": sound,
        "problems": report.problems,
        "unfinished": report.unfinished,
        "pending": report.pending,
        "dead": report.dead,
        "history": report.history,
        "posted": report.posted,
        "backlog": report.backlog,
        "encrypted": encrypted,
    });
    let problems: String = report
        .problems
        .iter()
        .map(|problem| format!("wrong: {problem}\n"))
        .collect();
    let verdict = if sound { "sound" } else { "not sound" };
    let opened = encrypted.map(|values| format!(", {values} encrypted values tried"));
    let text = format!(
        "{problems}{verdict}: {} messages unfinished with {} deliveries pending, {} dead letters, {} in the history{}",
        report.unfinished,
        report.pending,
        report.dead,
        report.history,
        opened.unwrap_or_default()
    );
    print(style, &json, text)?;
    Ok(ExitCode::from(u8::from(!sound)))
}
