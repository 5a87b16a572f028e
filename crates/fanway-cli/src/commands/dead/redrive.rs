//! `fanway dead redrive`: new deliveries for the dead letters that are named.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use fanway_types::{DeliveryId, TargetName};
use serde_json::{Value, json};

use super::each;
use crate::admin::Admin;
use crate::client::Answer;
use crate::output::{Style, Wrong, print};
use crate::request;
use crate::table::cell;

const EXAMPLES: &str = "\
Prints the id of each new delivery. It has a budget of attempts of its own. Its attempts carry the
`Idempotency-Key` of the dead letter, so that a target which has done its work already can say so;
with --body or --new-key one of their own.

Examples:
  fanway dead redrive dlv_01m81ks00m9cvgwxg99nryncx6_0
  fanway dead redrive dlv_01m81ks00m9cvgwxg99nryncx6_0 --to inventory_2
  fanway dead show dlv_01m81ks00m9cvgwxg99nryncx6_0 --json | jq .request.body.text -r > body.json
  fanway dead redrive dlv_01m81ks00m9cvgwxg99nryncx6_0 --body body.json";

/// Which dead letters, and how they are sent again.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Options {
    /// The dead letters' ids
    #[arg(required = true)]
    ids: Vec<DeliveryId>,

    /// Another target to send to, instead of the step's own
    #[arg(long, value_name = "TARGET")]
    to: Option<TargetName>,

    /// A file whose content goes in place of the message's body, or - for standard input; for one
    /// dead letter only
    ///
    /// What a step's expressions make of the message they make of this.
    #[arg(long, value_name = "FILE")]
    body: Option<String>,

    /// The media type of what --body gives [default: the message's own]
    #[arg(long, value_name = "TYPE", requires = "body")]
    content_type: Option<String>,

    /// Carry an `Idempotency-Key` of its own: the target is to do its work again
    #[arg(long)]
    new_key: bool,

    /// Which plan to follow
    #[arg(long, value_enum, default_value_t = Plan::Today)]
    plan: Plan,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Plan {
    /// What the route does today
    #[value(alias = "current")]
    Today,
    /// What it did when the message was accepted
    Pinned,
}

impl Plan {
    /// The admin API's word for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Today => "current",
            Self::Pinned => "pinned",
        }
    }
}

impl Options {
    pub(super) async fn run(&self, admin: &Admin, style: Style) -> anyhow::Result<ExitCode> {
        if self.body.is_some() && self.ids.len() > 1 {
            return Err(Wrong("--body is for one dead letter".to_owned()).into());
        }
        let wanted = self.wanted()?;
        let show = |_, answer: &Answer| {
            let redriven = answer.json()?;
            print(style, &redriven, cell(&redriven["delivery"]))
        };
        Ok(each(admin, &self.ids, "redrive", &wanted, show).await)
    }

    /// What is asked for with each.
    fn wanted(&self) -> anyhow::Result<Value> {
        let mut wanted = json!({"plan": self.plan.as_str(), "new_key": self.new_key});
        if let Some(to) = &self.to {
            wanted["to"] = to.as_str().into();
        }
        if let Some(file) = &self.body {
            wanted["body_base64"] = STANDARD.encode(request::file(file)?).into();
        }
        if let Some(media_type) = &self.content_type {
            wanted["content_type"] = media_type.as_str().into();
        }
        Ok(wanted)
    }
}
