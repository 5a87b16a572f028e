//! `fanway redrive`: sending many deliveries again, as durable jobs, as an operator.

mod start;
mod wait;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use fanway_types::JobId;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::client;
use crate::output::{Style, print};
use crate::query::Query;
use crate::table::{Table, cell};

const PATH: &str = "/api/v1/redrives";

const COLUMNS: [&str; 8] = [
    "id",
    "state",
    "started_at",
    "target",
    "route",
    "found",
    "redriven",
    "passed_over",
];

const FIELDS: [&str; 17] = [
    "id",
    "state",
    "started_at",
    "ended_at",
    "include",
    "target",
    "route",
    "reason",
    "text",
    "since",
    "until",
    "to",
    "new_key",
    "pace",
    "found",
    "redriven",
    "passed_over",
];

const EXAMPLES: &str = "\
A redrive goes on by itself, the oldest first, over a restart of the server too. What was delivered
or is dead stays in the history; each new delivery names the one whose place it takes. What can't
be sent again, since its request is no longer kept or today's config has no such step, is passed
over.

Examples:
  fanway redrive start --target inventory --dry-run
  fanway redrive start --target inventory --pace 100/s --wait
  fanway redrive pause job_01m81ks00m9cvgwxg99nryncx6
`fanway dead redrive` sends single ones again, with an edited body if need be.";

/// What to do with redrives, and where.
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
    /// Start one, for all dead letters that the filter means
    Start(start::Options),
    /// List redrives, latest first
    List {
        /// The most to list
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: usize,
    },
    /// Show one: how far it has come
    Show {
        /// The redrive's id
        id: JobId,
        /// Wait until it has ended; the exit status is 1 where it was cancelled
        #[arg(long)]
        wait: bool,
    },
    /// Hold one, until it is resumed
    Pause {
        /// The redrive's id
        id: JobId,
    },
    /// Let one go on that is held
    Resume {
        /// The redrive's id
        id: JobId,
    },
    /// End one; what it has made anew stays so
    Cancel {
        /// The redrive's id
        id: JobId,
    },
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let admin = &options.admin;
    client::block_on(async {
        let (id, what) = match &options.action {
            Action::Start(wanted) => return wanted.run(admin, style).await,
            Action::List { limit } => {
                let redrives = admin.list(PATH, Query::default(), "redrives", *limit);
                redrives.await?.print(style, &COLUMNS, "redrives")?;
                return Ok(ExitCode::SUCCESS);
            }
            Action::Show { id, wait: true } => return wait::wait(admin, *id, style).await,
            Action::Show { id, .. } => {
                show(&get(admin, *id).await?, style)?;
                return Ok(ExitCode::SUCCESS);
            }
            Action::Pause { id } => (id, "pause"),
            Action::Resume { id } => (id, "resume"),
            Action::Cancel { id } => (id, "cancel"),
        };
        let answer = admin
            .post(format!("{PATH}/{id}/{what}"), &json!({}))
            .await?;
        show(&answer.json()?, style)?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn get(admin: &Admin, id: JobId) -> anyhow::Result<Value> {
    admin.get(format!("{PATH}/{id}")).await
}

fn show(redrive: &Value, style: Style) -> anyhow::Result<()> {
    print(style, redrive, Table::fields(redrive, &FIELDS))
}

/// How far it has come: `1200 of 5000 redriven, 3 passed over`.
fn progress(redrive: &Value) -> String {
    format!(
        "{} of {} redriven, {} passed over",
        cell(&redrive["redriven"]),
        cell(&redrive["found"]),
        cell(&redrive["passed_over"])
    )
}
