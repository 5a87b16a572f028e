//! The admin API, as the commands for operators ask it.

use std::env;

use clap::Args;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::advice::Door;
use crate::client::{Answer, Call, Server};
use crate::output::{Style, line, note};
use crate::query::Query;
use crate::table::Table;

const ACTOR: HeaderName = HeaderName::from_static("fanway-actor");
/// The most that one page has.
const PAGE: usize = 500;

/// Where operators ask, and who does.
#[derive(Debug, Args)]
pub(crate) struct Admin {
    /// The admin API
    #[arg(
        long = "admin",
        global = true,
        value_name = "URL",
        default_value = Door::Admin.address(),
        value_parser = Server::admin
    )]
    pub(crate) server: Server,

    /// Who asks, for the audit record: up to 100 visible characters [default: your user's name]
    #[arg(long, global = true, value_name = "NAME", value_parser = actor)]
    actor: Option<HeaderValue>,
}

/// What a list has, up to the number that was asked for.
pub(crate) struct Listed {
    entries: Vec<Value>,
    has_more: bool,
}

impl Admin {
    /// Asks for a document.
    pub(crate) async fn get(&self, path: String) -> anyhow::Result<Value> {
        let call = Call {
            path,
            ..Call::default()
        };
        self.server.call(call).await?.json()
    }

    /// Asks for a change.
    pub(crate) async fn post(&self, path: String, body: &Value) -> anyhow::Result<Answer> {
        self.change(Method::POST, path, body).await
    }

    /// Asks for a change of what is there.
    pub(crate) async fn patch(&self, path: String, body: &Value) -> anyhow::Result<Answer> {
        self.change(Method::PATCH, path, body).await
    }

    async fn change(&self, method: Method, path: String, body: &Value) -> anyhow::Result<Answer> {
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
        if let Some(actor) = self.actor.clone().or_else(user) {
            headers.insert(ACTOR, actor);
        }
        let call = Call {
            method,
            path,
            headers,
            body: body.to_string().into(),
            ..Call::default()
        };
        self.server.call(call).await
    }

    /// Reads a list page by page; its entries are under `key`.
    pub(crate) async fn list(
        &self,
        path: &str,
        query: Query,
        key: &str,
        limit: usize,
    ) -> anyhow::Result<Listed> {
        let mut listed = Listed {
            entries: Vec::new(),
            has_more: false,
        };
        let mut cursor = None;
        while listed.entries.len() < limit {
            let most = PAGE.min(limit - listed.entries.len());
            let query = query.clone().with("limit", Some(most));
            let query = query.with("cursor", cursor.as_ref());
            let mut page = self.get(format!("{path}{query}")).await?;
            if let Value::Array(found) = page[key].take() {
                listed.entries.extend(found);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            listed.has_more = cursor.is_some();
            if !listed.has_more {
                break;
            }
        }
        Ok(listed)
    }
}

impl Listed {
    /// Prints it, with these columns for people; says where there are more of `what`.
    pub(crate) fn print(self, style: Style, columns: &[&str], what: &str) -> anyhow::Result<()> {
        let count = self.entries.len();
        match style {
            Style::Json => line(json!(self.entries))?,
            Style::Text => line(Table::of(&self.entries, columns))?,
        }
        if self.has_more {
            note(format!(
                "fanway: there are more {what}; a --limit above {count} lists them"
            ));
        }
        Ok(())
    }
}

/// Whether it is a config that is refused, and then all that is wrong with it.
pub(crate) fn config_errors(answer: &Answer) -> Option<Vec<String>> {
    let problem = answer.problem();
    let errors = problem["errors"].as_array()?;
    let texts = errors.iter().filter_map(Value::as_str).map(str::to_owned);
    (answer.status == StatusCode::UNPROCESSABLE_ENTITY).then(|| texts.collect())
}

fn actor(text: &str) -> Result<HeaderValue, String> {
    let is_visible =
        |letter: char| letter == ' ' || !letter.is_control() && !letter.is_whitespace();
    let length = text.chars().count();
    let is_name = !text.trim().is_empty() && length <= 100 && text.chars().all(is_visible);
    is_name
        .then(|| HeaderValue::from_bytes(text.as_bytes()).ok())
        .flatten()
        .ok_or_else(|| "expected 1 to 100 visible characters".to_owned())
}

/// Whom the environment names, where it is a name.
fn user() -> Option<HeaderValue> {
    actor(&env::var("USER").ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::actor;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        assert_eq!(actor(text).is_ok(), expected, "{text:?}");
    }

    #[test]
    fn an_actor_is_a_short_visible_name() {
        check("alice", true);
        check("Zoë on call", true);
        check("", false);
        check(" ", false);
        check("a\nb", false);
        check(&"ë".repeat(100), true);
        check(&"ë".repeat(101), false);
    }
}
