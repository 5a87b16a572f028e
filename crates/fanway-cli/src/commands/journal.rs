//! `fanway journal`: the journal in the data folder of a server that isn't running.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use fanway_journal::fs::RealFs;
use fanway_journal::repair::Mended;
use fanway_journal::verify::{Outcome, Report};
use fanway_journal::{Stop, repair, verify};
use fanway_store_local::journal_path;
use serde_json::{Value, json};

use crate::output::{Style, print};

const EXAMPLES: &str = "\
Examples:
  fanway journal verify ./fanway-data
  fanway journal repair ./fanway-data --json";

/// What to do with which journal.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check it as a start would, and further; changes nothing
    Verify {
        /// The data folder
        #[arg(default_value = "./fanway-data")]
        path: PathBuf,
    },
    /// Set aside what is damaged, keep the rest, so that a start goes well
    Repair {
        /// The data folder
        #[arg(default_value = "./fanway-data")]
        path: PathBuf,
    },
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    match &options.action {
        Action::Verify { path } => {
            let report = verify(&journal_path(path), &RealFs)?;
            print(style, &json(&report), text(&report))?;
            let refused = matches!(report.verdict, Outcome::Refused(_));
            Ok(ExitCode::from(u8::from(refused)))
        }
        Action::Repair { path } => {
            let done = repair(&journal_path(path), &RealFs)?;
            let mended: Vec<Value> = done.mended.iter().map(mended_json).collect();
            let lines: String = done.mended.iter().map(mended_text).collect();
            let json = json!({"mended": mended, "after": json(&done.after)});
            print(style, &json, lines + &text(&done.after))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn mended_json(mended: &Mended) -> Value {
    json!({"damage": mended.damage.to_string(), "set_aside": mended.side_file})
}

fn mended_text(mended: &Mended) -> String {
    match &mended.side_file {
        Some(file) => format!(
            "mended {}; set aside in {}\n",
            mended.damage,
            file.display()
        ),
        None => format!("mended {}\n", mended.damage),
    }
}

fn verdict(report: &Report) -> String {
    match &report.verdict {
        Outcome::Intact => "intact".to_owned(),
        Outcome::Cut(bytes) => {
            format!("intact but for {bytes} bytes of a last batch that was never acknowledged")
        }
        Outcome::Refused(error) => format!("a start is refused: {error}"),
    }
}

fn stop(report: &Report) -> &'static str {
    match report.stop {
        Stop::Never => "never started",
        Stop::Clean => "clean",
        Stop::Unclean => "unclean",
    }
}

fn json(report: &Report) -> Value {
    let damage: Vec<String> = report.damage.iter().map(ToString::to_string).collect();
    let segments: Vec<Value> = report
        .segments
        .iter()
        .map(|segment| {
            let (file, intact) = (&segment.file, &segment.intact);
            json!({"file": file, "batches": intact.batches, "records": intact.records, "bytes": intact.bytes})
        })
        .collect();
    json!({
        "verdict": verdict(report),
        "sound": !matches!(report.verdict, Outcome::Refused(_)),
        "stop": stop(report),
        "batches": report.kept.batches,
        "records": report.kept.records,
        "bytes": report.kept.bytes,
        "damage": damage,
        "segments": segments,
        "spares": report.spares,
    })
}

fn text(report: &Report) -> String {
    let damage: String = report
        .damage
        .iter()
        .map(|damage| format!("\ndamaged: {damage}"))
        .collect();
    let kept = &report.kept;
    format!(
        "{}\nlast stop {}; {} records in {} batches, {} bytes, {} segments{damage}",
        verdict(report),
        stop(report),
        kept.records,
        kept.batches,
        kept.bytes,
        report.segments.len(),
    )
}
