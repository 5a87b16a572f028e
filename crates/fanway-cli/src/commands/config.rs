//! `fanway config`: which config a server uses, and changing it while it runs, as an operator.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::admin::{Admin, config_errors};
use crate::client::{self, Answer};
use crate::output::{Style, print};
use crate::table::{Table, cell};

const PATH: &str = "/api/v1/config";

const EXAMPLES: &str = "\
A config is checked whole first: one that has errors changes nothing. Requests in progress and
attempts in flight finish under the one that they began with, and messages keep the plan that they
were accepted with. A SIGHUP reloads too, and so does a change of a file (`server.watch`).

Exit status of reload and rollback: 1 where the config is refused, with all of its errors.

Examples:
  fanway check && fanway config reload
  fanway config show
  fanway config rollback";

/// What to do with the config, and where.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// What to do.
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which config is in use: its generation, fingerprint and files
    Show,
    /// Read the config's files again and put them to use
    Reload,
    /// Put the config to use again that was in use before
    Rollback,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let admin = &options.admin;
    client::block_on(async {
        let what = match &options.action {
            Action::Show => {
                let config = admin.get(PATH.to_owned()).await?;
                print(style, &config, text(&config))?;
                return Ok(ExitCode::SUCCESS);
            }
            Action::Reload => "reload",
            Action::Rollback => "rollback",
        };
        let answer = admin.post(format!("{PATH}/{what}"), &json!({})).await?;
        changed(&answer, style)
    })
}

/// Shows the config that is in use now, or all that is wrong with the one that was wanted.
fn changed(answer: &Answer, style: Style) -> anyhow::Result<ExitCode> {
    if let Some(errors) = config_errors(answer) {
        let json = json!({"ok": false, "errors": errors});
        let plural = if errors.len() == 1 { "" } else { "s" };
        let texts: String = errors.iter().map(|error| format!("{error}\n\n")).collect();
        let count = errors.len();
        print(
            style,
            &json,
            format!("{texts}{count} error{plural}; nothing has changed"),
        )?;
        return Ok(ExitCode::FAILURE);
    }
    let config = answer.json()?;
    print(style, &config, text(&config))?;
    Ok(ExitCode::SUCCESS)
}

fn text(config: &Value) -> String {
    let mut table = Table::fields(config, &["generation", "fingerprint", "loaded_at"]);
    for file in config["files"].as_array().into_iter().flatten() {
        table.row(["file".to_owned(), cell(file)]);
    }
    let previous = &config["previous"];
    if previous.is_object() {
        let (number, fingerprint) = (&previous["generation"], &previous["fingerprint"]);
        let previous = format!("{} ({})", cell(number), cell(fingerprint));
        table.row(["previous".to_owned(), previous]);
    }
    let refused = &config["refused"];
    if refused.is_object() {
        table.row(["refused at".to_owned(), cell(&refused["at"])]);
        for error in refused["errors"].as_array().into_iter().flatten() {
            table.row(["refused because".to_owned(), first_line(error)]);
        }
    }
    table.to_string()
}

fn first_line(error: &Value) -> String {
    let text = error.as_str().unwrap_or_default();
    cell(&text.lines().next().unwrap_or_default().into())
}
