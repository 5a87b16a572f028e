//! `fanway target`: where targets stand, and steering them, as an operator.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use fanway_types::TargetName;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::client;
use crate::output::{Style, line, print};
use crate::table::{Table, cell};

const COLUMNS: [&str; 10] = [
    "target",
    "state",
    "held_by",
    "held_until",
    "breaker",
    "force",
    "in_flight",
    "pending",
    "oldest",
    "dead",
];

const EXAMPLES: &str = "\
What is set stays over a restart and a reload, until it is set otherwise. Nothing is lost meanwhile:
what comes for a target that is held waits.

Examples:
  fanway target list
  fanway target pause inventory --reason 'moving house'
  fanway target resume inventory
  fanway target open shipping      # attempt nothing, as if it were down
  fanway target close shipping     # attempt everything, whatever it answers
  fanway target auto shipping      # back to what follows from its answers";

/// What to do with targets, and where.
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
    /// List all targets: where each stands and what waits for it
    List,
    /// Show a target
    Show {
        /// The target
        name: TargetName,
    },
    /// Attempt nothing until it is resumed; what comes for it waits
    Pause(Wanted),
    /// End a pause
    Resume(Wanted),
    /// Force its breaker open: nothing is attempted, and no probe is made
    Open(Wanted),
    /// Force its breaker closed: attempts are made whatever it answers
    Close(Wanted),
    /// Let its breaker follow from its answers again
    Auto(Wanted),
}

/// Which target, and why.
#[derive(Debug, Args)]
struct Wanted {
    /// The target
    name: TargetName,
    /// Why, for those who find it so, and for the audit record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let admin = &options.admin;
    client::block_on(async {
        let (wanted, change) = match &options.action {
            Action::List => return list(admin, style).await,
            Action::Show { name } => {
                let target = admin.get(format!("/api/v1/targets/{name}")).await?;
                return show(&target, style);
            }
            Action::Pause(wanted) => (wanted, json!({"paused": true})),
            Action::Resume(wanted) => (wanted, json!({"paused": false})),
            Action::Open(wanted) => (wanted, json!({"breaker": "open"})),
            Action::Close(wanted) => (wanted, json!({"breaker": "closed"})),
            Action::Auto(wanted) => (wanted, json!({"breaker": "auto"})),
        };
        steer(admin, wanted, change, style).await
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(admin: &Admin, style: Style) -> anyhow::Result<()> {
    let mut targets = admin.get("/api/v1/targets".to_owned()).await?;
    let targets = targets["targets"].take();
    match style {
        Style::Json => line(targets),
        Style::Text => {
            let targets = targets.as_array().into_iter().flatten();
            line(Table::of(targets, &COLUMNS))
        }
    }
}

async fn steer(
    admin: &Admin,
    wanted: &Wanted,
    mut change: Value,
    style: Style,
) -> anyhow::Result<()> {
    change["reason"] = wanted.reason.as_str().into();
    let path = format!("/api/v1/targets/{}", wanted.name);
    let target = admin.patch(path, &change).await?.json()?;
    show(&target, style)
}

fn show(target: &Value, style: Style) -> anyhow::Result<()> {
    let mut table = Table::fields(target, &["target", "origin"]);
    for name in &COLUMNS[1..] {
        table.row([(*name).to_owned(), cell(&target[*name])]);
    }
    let paused = &target["paused"];
    if paused.is_object() {
        table.row(["paused since".to_owned(), cell(&paused["since"])]);
        table.row(["paused because".to_owned(), cell(&paused["reason"])]);
    }
    print(style, target, table)
}
