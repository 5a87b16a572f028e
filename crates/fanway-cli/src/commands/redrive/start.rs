//! `fanway redrive start`: a job for all that a filter means.

use std::num::NonZeroU32;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use fanway_types::TargetName;
use serde_json::{Value, json};

use super::{PATH, show, wait};
use crate::admin::Admin;
use crate::filter::Filter;
use crate::output::{Style, Wrong, note, print};
use crate::table::cell;

const EXAMPLES: &str = "\
What is meant is what has ended by now: what dies again isn't taken again.

Exit status:
  0  it has started; with --wait it is done; with --dry-run it could be started
  1  it can't be started; with --wait also where it was cancelled

Examples:
  fanway redrive start --target inventory --dry-run
  fanway redrive start --target inventory --since 2h --pace 100/s --wait
  fanway redrive start --target old_crm --to new_crm
  fanway redrive start --target search --all --since 2026-11-22T00:00:00Z";

/// Which deliveries, and how they are sent again.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Options {
    #[command(flatten)]
    filter: Filter,

    /// Also what was delivered, as far as its requests are kept (`store.keep.bodies` in the
    /// config); it carries new `Idempotency-Key`s
    #[arg(long)]
    all: bool,

    /// Without any filter: everything is meant
    #[arg(long)]
    everything: bool,

    /// Another target to send to, instead of the steps' own
    #[arg(long, value_name = "TARGET")]
    to: Option<TargetName>,

    /// Carry `Idempotency-Key`s of their own: targets are to do their work again
    #[arg(long)]
    new_key: bool,

    /// New deliveries a second at most: 100/s
    #[arg(long, value_name = "RATE", value_parser = pace)]
    pace: Option<NonZeroU32>,

    /// Start nothing; say how many could be sent again, and how many are no longer kept
    #[arg(long)]
    dry_run: bool,

    /// Wait until it has ended, and show how far it has come
    ///
    /// It goes on by itself where this is broken off.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// Reads `100/s`, or the number alone.
fn pace(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number
        .parse()
        .map_err(|_| "expected a whole number a second, such as 100/s".to_owned())
}

impl Options {
    pub(super) async fn run(&self, admin: &Admin, style: Style) -> anyhow::Result<ExitCode> {
        if self.filter.is_empty() && !self.everything {
            let what = if self.all {
                "without a filter everything that is kept would be sent again"
            } else {
                "without a filter all dead letters would be sent again"
            };
            return Err(Wrong(format!("{what}; --everything says that this is meant")).into());
        }
        let answer = admin.post(PATH.to_owned(), &self.wanted()).await?;
        let answer = answer.json()?;
        if self.dry_run {
            print(style, &answer, counted(&answer))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !self.wait {
            show(&answer, style)?;
            return Ok(ExitCode::SUCCESS);
        }
        let id = answer["id"].as_str().and_then(|id| id.parse().ok());
        let id = id.context("the server's answer has no id")?;
        note(format!(
            "fanway: {id} has started, and goes on by itself: fanway redrive show {id}"
        ));
        wait::wait(admin, id, style).await
    }

    /// What is asked for.
    fn wanted(&self) -> Value {
        let mut wanted = self.filter.fields();
        let include = if self.all { "all" } else { "dead" };
        wanted.insert("include".to_owned(), include.into());
        wanted.insert("new_key".to_owned(), self.new_key.into());
        wanted.insert("dry_run".to_owned(), self.dry_run.into());
        if let Some(to) = &self.to {
            wanted.insert("to".to_owned(), to.as_str().into());
        }
        if let Some(pace) = self.pace {
            wanted.insert("pace".to_owned(), pace.get().into());
        }
        json!(wanted)
    }
}

fn counted(counted: &Value) -> String {
    format!(
        "{} can be sent again, {} are no longer kept",
        cell(&counted["sendable"]),
        cell(&counted["not_kept"])
    )
}

#[cfg(test)]
mod tests {
    use super::pace;

    #[test]
    fn a_pace_is_a_number_a_second() {
        assert_eq!(pace("100/s").map(u32::from), Ok(100));
        assert_eq!(pace("1").map(u32::from), Ok(1));
        for wrong in ["0/s", "100/m", "", "-1", "1.5/s"] {
            pace(wrong).expect_err(wrong);
        }
    }
}
