//! `fanway explain`: what a request would cause under a config. Nothing is sent.

mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use fanway_server::ConfigFile;
use fanway_server::explain::{ExplainRequest, Explained, explain};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde_json::json;
use similar::TextDiff;

use crate::commands::check;
use crate::output::{Style, Wrong, print};
use crate::request;
use crate::request_file::RequestFile;

/// Lines around a difference.
const CONTEXT: usize = 3;

const EXAMPLES: &str = "\
Shown is which route takes the request, and why the others don't; what each check says; and for each
step what its expressions give and the request that would be sent, with credentials hidden. No
server is needed, and nothing is sent or kept. Where no attempt can be made, since an expression
fails, the delivery would be a dead letter at once. Ids are made up: they have the time, and zeros.
The config's secrets are asked for, as `fanway check` does: commands are run, the vault is read.

A request file is an HTTP/1.1 message, or less of one:
  POST /orders
  Content-Type: application/json

  {\"id\": 7}

Exit status:
  0  the request would be accepted; with --diff: both configs are right, whatever differs
  1  it would be refused, or the config has errors; with --diff and --exit-code: they differ

Examples:
  fanway explain POST /orders -d '{\"id\": 7}'
  fanway explain --request order.http --json | jq '.steps[].request.url'
  fanway explain POST /orders -d @order.json --diff fanway.new.yaml";

/// Which request, and under which config.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// The method
    #[arg(required_unless_present = "request", requires = "path")]
    method: Option<Method>,

    /// The path, with its query: `/orders?x=1`
    #[arg(value_parser = request::path)]
    path: Option<Uri>,

    /// A header, `name: value`; may be given several times
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = request::header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// The body: a text, @FILE, or - for standard input
    #[arg(short, long, default_value = "", hide_default_value = true)]
    data: String,

    /// A file that has the request, or - for standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["method", "path", "headers", "data"]
    )]
    request: Option<String>,

    /// The config
    #[arg(short, long, value_name = "FILE", default_value = "fanway.yaml")]
    config: PathBuf,

    /// Another config: show what would be different under it
    #[arg(long, value_name = "FILE")]
    diff: Option<PathBuf>,

    /// With --diff: end with status 1 where something is different
    #[arg(long, requires = "diff")]
    exit_code: bool,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let request = options.request()?;
    let mut configs = vec![&options.config];
    configs.extend(&options.diff);
    let mut explained = Vec::new();
    for file in configs {
        let config = match ConfigFile::new(file.clone()).read() {
            Ok(config) => config,
            Err(errors) => return check::refused(&errors, style),
        };
        explained.push(explain(&config, &request)?);
    }
    match (&options.diff, &explained[..]) {
        (Some(other), [before, after]) => {
            let differ = compare([&options.config, other], [before, after], style)?;
            Ok(ExitCode::from(u8::from(differ && options.exit_code)))
        }
        _ => {
            let explained = &explained[0];
            let json = serde_json::to_value(explained)?;
            print(style, &json, text::text(explained))?;
            Ok(ExitCode::from(u8::from(!explained.is_accepted())))
        }
    }
}

impl Options {
    fn request(&self) -> anyhow::Result<ExplainRequest> {
        let received_at = SystemTime::now().into();
        if let Some(file) = &self.request {
            let wrong = |error| Wrong(format!("{file}: {error}"));
            let RequestFile {
                method,
                uri,
                headers,
                body,
            } = RequestFile::parse(&request::file(file)?).map_err(wrong)?;
            return Ok(ExplainRequest {
                method,
                uri,
                headers,
                body,
                received_at,
            });
        }
        let body: Bytes = request::body(&self.data)?;
        Ok(ExplainRequest {
            method: self.method.clone().context("there is no method")?,
            uri: self.path.clone().context("there is no path")?,
            headers: request::headers(&self.headers, &body),
            body,
            received_at,
        })
    }
}

/// Shows what is different, and returns whether anything is.
fn compare(files: [&Path; 2], explained: [&Explained; 2], style: Style) -> anyhow::Result<bool> {
    let [before, after] = explained;
    let [from, to] = files.map(|file| file.display().to_string());
    let differ = before != after;
    let json = json!({"differ": differ, "before": before, "after": after});
    print(style, &json, difference([&from, &to], explained))?;
    Ok(differ)
}

/// The difference of two explanations, as git shows one.
fn difference([from, to]: [&str; 2], explained: [&Explained; 2]) -> String {
    let [before, after] = explained.map(|explained| text::text(explained) + "\n");
    if before == after {
        return "nothing is different".to_owned();
    }
    let difference = TextDiff::from_lines(&before, &after);
    let shown = difference
        .unified_diff()
        .context_radius(CONTEXT)
        .header(from, to)
        .to_string();
    shown.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
