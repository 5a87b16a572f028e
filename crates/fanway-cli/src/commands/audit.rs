//! `fanway audit`: who changed what, when, as an operator.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::admin::Admin;
use crate::client;
use crate::output::Style;
use crate::query::Query;

const COLUMNS: [&str; 5] = ["at", "actor", "action", "subject", "detail"];

const EXAMPLES: &str = "\
Every change by the admin API leaves a record. Who made it is what --actor says, by default your
user's name, or else the address that it came from.

Examples:
  fanway audit list
  fanway audit list --limit 1000 --json | jq -c '.[] | select(.action == \"target.pause\")'";

/// What to do with audit records, and where.
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
    /// List audit records, latest first
    List {
        /// The most to list
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: usize,
    },
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let Action::List { limit } = &options.action;
    let records = options
        .admin
        .list("/api/v1/audit", Query::default(), "audit", *limit);
    client::block_on(records)?.print(style, &COLUMNS, "audit records")?;
    Ok(ExitCode::SUCCESS)
}
