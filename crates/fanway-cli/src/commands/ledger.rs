//! `fanway ledger`: the ledger in the data folder of a server that isn't running.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use fanway_journal::fs::RealFs;
use fanway_journal::verify;
use fanway_store_local::{journal_path, ledger_path};
use serde_json::json;

use crate::output::{Style, print};

const EXAMPLES: &str = "\
Examples:
  fanway ledger check ./fanway-data";

/// What to do with which ledger.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that it is sound; changes nothing
    Check {
        /// The data folder
        #[arg(default_value = "./fanway-data")]
        path: PathBuf,
    },
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let Action::Check { path } = &options.action;
    // A server that runs has the journal's lock, and is told by name. Its ledger would only be
    // seen as it stood at some moment, so nothing breaks where one starts meanwhile.
    verify(&journal_path(path), &RealFs)?;
    let report = fanway_store_local::check(&ledger_path(path))?;
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
    });
    let problems: String = report
        .problems
        .iter()
        .map(|problem| format!("wrong: {problem}\n"))
        .collect();
    let verdict = if sound { "sound" } else { "not sound" };
    let text = format!(
        "{problems}{verdict}: {} messages unfinished with {} deliveries pending, {} dead letters, {} in the history",
        report.unfinished, report.pending, report.dead, report.history
    );
    print(style, &json, text)?;
    Ok(ExitCode::from(u8::from(!sound)))
}
