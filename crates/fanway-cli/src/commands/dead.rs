//! `fanway dead`: dead letters, as an operator, by the admin API.

mod redrive;
mod text;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use fanway_types::DeliveryId;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::client::{self, Answer};
use crate::filter::Filter;
use crate::output::{Style, note, print};

const COLUMNS: [&str; 8] = [
    "id",
    "route",
    "step",
    "target",
    "reason",
    "last_status",
    "attempts",
    "died_at",
];

const EXAMPLES: &str = "\
Examples:
  fanway dead list --target inventory --since 2h
  fanway dead show dlv_01m81ks00m9cvgwxg99nryncx6_0
  fanway dead redrive dlv_01m81ks00m9cvgwxg99nryncx6_0
  fanway dead discard dlv_01m81ks00m9cvgwxg99nryncx6_0 --reason 'a test order'
`fanway redrive` sends many again, as a job.";

const LIST_EXAMPLES: &str = "\
Examples:
  fanway dead list
  fanway dead list --target inventory --reason exhausted --since 2h
  fanway dead list --text 'no such sku' --limit 1000 --json | jq -r '.[].id'";

/// What to do with dead letters, and where.
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
    /// List dead letters, latest first
    #[command(after_long_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        filter: Filter,
        /// The most to list
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: usize,
    },
    /// Show one with its request and what the target answered
    Show {
        /// The dead letter's id
        id: DeliveryId,
    },
    /// Send again, as new deliveries
    Redrive(redrive::Options),
    /// Take off the list; they stay dead in their messages' history
    Discard {
        /// The dead letters' ids
        #[arg(required = true)]
        ids: Vec<DeliveryId>,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let admin = &options.admin;
    client::block_on(async {
        match &options.action {
            Action::List { filter, limit } => {
                let letters = admin.list("/api/v1/dead", filter.query(), "dead", *limit);
                letters.await?.print(style, &COLUMNS, "dead letters")?;
                Ok(ExitCode::SUCCESS)
            }
            Action::Show { id } => {
                let letter = admin.get(format!("/api/v1/dead/{id}")).await?;
                print(style, &letter, text::text(&letter))?;
                Ok(ExitCode::SUCCESS)
            }
            Action::Redrive(wanted) => wanted.run(admin, style).await,
            Action::Discard { ids, reason } => {
                let body = json!({"reason": reason});
                let show = |id: DeliveryId, answer: &Answer| {
                    answer.accepted()?;
                    let discarded = json!({"discarded": id.to_string()});
                    print(style, &discarded, format!("{id} discarded"))
                };
                Ok(each(admin, ids, "discard", &body, show).await)
            }
        }
    })
}

/// Asks for the same with each dead letter. One that fails is told and keeps none of the others
/// from its turn, but the whole has failed then.
async fn each(
    admin: &Admin,
    ids: &[DeliveryId],
    what: &str,
    body: &Value,
    show: impl Fn(DeliveryId, &Answer) -> anyhow::Result<()>,
) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        let answer = admin.post(format!("/api/v1/dead/{id}/{what}"), body).await;
        if let Err(error) = answer.and_then(|answer| show(*id, &answer)) {
            note(failure(*id, &error));
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// An error with the id that it is about, once: the server's words mostly have it.
fn failure(id: DeliveryId, error: &anyhow::Error) -> String {
    let (id, error) = (id.to_string(), format!("{error:#}"));
    if error.contains(&id) {
        format!("fanway: {error}")
    } else {
        format!("fanway: {id}: {error}")
    }
}
