//! `fanway dead`: dead letters, as an operator, by the admin API.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use fanway_types::{DeliveryId, RouteName, TargetName};
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::client::{self, Answer, Call, Server};
use crate::output::{Style, line, note, print};
use crate::table::{Table, cell, visible};

/// The most that one page has.
const PAGE: usize = 500;

/// What to do with dead letters, and where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to do.
    #[command(subcommand)]
    action: Action,

    /// The admin API
    #[arg(long, global = true, default_value = "http://127.0.0.1:8081")]
    admin: Server,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List dead letters, latest first
    List {
        /// Only those of this target
        #[arg(long)]
        target: Option<TargetName>,
        /// Only those of this route
        #[arg(long)]
        route: Option<RouteName>,
        /// The most to list
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one with its request and what the target answered
    Show {
        /// The dead letter's id
        id: DeliveryId,
    },
    /// Send again, as new deliveries
    Redrive {
        /// The dead letters' ids
        #[arg(required = true)]
        ids: Vec<DeliveryId>,
        /// Which plan to follow
        #[arg(long, value_enum, default_value_t = Plan::Current)]
        plan: Plan,
    },
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Plan {
    /// What the route does today
    Current,
    /// What it did when the message was accepted
    Pinned,
}

impl Plan {
    fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Pinned => "pinned",
        }
    }
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    client::block_on(async {
        match &options.action {
            Action::List {
                target,
                route,
                limit,
            } => {
                let target = target.as_ref().map(|name| format!("&target={name}"));
                let route = route.as_ref().map(|name| format!("&route={name}"));
                let filter = target.unwrap_or_default() + &route.unwrap_or_default();
                list(&options.admin, &filter, *limit, style).await?;
            }
            Action::Show { id } => {
                let letter = get(&options.admin, format!("/api/v1/dead/{id}")).await?;
                print(style, &letter, text(&letter))?;
            }
            Action::Redrive { ids, plan } => {
                let body = json!({"plan": plan.as_str()});
                let show = |_, answer: &Answer| {
                    let redriven = answer.json()?;
                    print(style, &redriven, cell(&redriven["delivery"]))
                };
                return Ok(each(&options.admin, ids, "redrive", &body, show).await);
            }
            Action::Discard { ids, reason } => {
                let body = json!({"reason": reason});
                let show = |id: DeliveryId, answer: &Answer| {
                    answer.accepted()?;
                    let discarded = json!({"discarded": id.to_string()});
                    print(style, &discarded, format!("{id} discarded"))
                };
                return Ok(each(&options.admin, ids, "discard", &body, show).await);
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Asks for the same with each dead letter. One that fails is told and keeps none of the others
/// from its turn, but the whole has failed then.
async fn each(
    admin: &Server,
    ids: &[DeliveryId],
    what: &str,
    body: &Value,
    show: impl Fn(DeliveryId, &Answer) -> anyhow::Result<()>,
) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        let answer = post(admin, *id, what, body).await;
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

/// Prints up to `limit` dead letters, page by page, and says where there are more.
async fn list(admin: &Server, filter: &str, limit: usize, style: Style) -> anyhow::Result<()> {
    let mut letters = Vec::new();
    let mut cursor = String::new();
    let mut has_more = false;
    while letters.len() < limit {
        let most = PAGE.min(limit - letters.len());
        let path = format!("/api/v1/dead?limit={most}{filter}{cursor}");
        let mut page = get(admin, path).await?;
        if let Value::Array(found) = page["dead"].take() {
            letters.extend(found);
        }
        let next = page["next"].as_str();
        has_more = next.is_some();
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    match style {
        Style::Json => line(json!(letters))?,
        Style::Text => line(table(&letters))?,
    }
    if has_more {
        let count = letters.len();
        note(format!(
            "fanway: there are more dead letters; a --limit above {count} lists them"
        ));
    }
    Ok(())
}

fn table(letters: &[Value]) -> String {
    let keys = [
        "id",
        "route",
        "step",
        "target",
        "reason",
        "last_status",
        "attempts",
        "died_at",
    ];
    let mut table = Table::new(&keys);
    for letter in letters {
        table.row(keys.map(|key| cell(&letter[key])));
    }
    table.to_string()
}

/// A dead letter and its request, as a person reads them.
fn text(letter: &Value) -> String {
    let keys = [
        "id",
        "message",
        "route",
        "step",
        "target",
        "reason",
        "last_status",
        "attempts",
        "died_at",
        "detail",
    ];
    let mut table = Table::default();
    for key in keys {
        table.row([key.to_owned(), cell(&letter[key])]);
    }
    let request = &letter["request"];
    if request.is_null() {
        return format!("{table}\n\n(the request is not kept)");
    }
    let query = request["query"].as_str().map(|query| format!("?{query}"));
    let mut text = format!(
        "{table}\n\n{} {}{}\n",
        cell(&request["method"]),
        cell(&request["path"]),
        query.unwrap_or_default()
    );
    for header in request["headers"].as_array().into_iter().flatten() {
        text += &format!("{}: {}\n", cell(&header[0]), cell(&header[1]));
    }
    let body = &request["body"];
    match body["text"].as_str() {
        Some(body) => text + "\n" + &visible(body),
        None => text + "\n(base 64) " + &cell(&body["base64"]),
    }
}

async fn get(admin: &Server, path: String) -> anyhow::Result<Value> {
    let call = Call {
        path,
        ..Call::default()
    };
    admin.call(call).await?.json()
}

async fn post(admin: &Server, id: DeliveryId, what: &str, body: &Value) -> anyhow::Result<Answer> {
    let json = HeaderValue::from_static("application/json");
    let call = Call {
        method: Method::POST,
        path: format!("/api/v1/dead/{id}/{what}"),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
        body: body.to_string().into(),
        ..Call::default()
    };
    admin.call(call).await
}
