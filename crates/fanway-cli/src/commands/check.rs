//! `fanway check`: all errors of a config, each with line and column.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fanway_config::{Config, Errors, Problem};
use fanway_server::ConfigFile;
use serde_json::{Value, json};

use crate::output::{Style, note, print};

const EXAMPLES: &str = "\
What the config refers to is asked for, as at a start: a `${command:…}` is run and a `${vault:…}` is
read. Check only configs that you would run.

Exit status:
  0  the config is right; warnings go to standard error
  1  it has errors

Examples:
  fanway check
  fanway check -c fanway.new.yaml --json | jq -r '.errors[].message'
`fanway explain` shows what a request would cause under it.";

/// Which config.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// The config
    #[arg(short, long, value_name = "FILE", default_value = "fanway.yaml")]
    config: PathBuf,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    match ConfigFile::new(options.config.clone()).read() {
        Ok(config) => {
            accepted(&config, style)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => refused(&errors, style),
    }
}

/// Shows all that is wrong with a config.
pub(crate) fn refused(errors: &Errors, style: Style) -> anyhow::Result<ExitCode> {
    let problems = problems(errors.problems());
    let json = json!({"ok": false, "errors": problems, "warnings": []});
    print(style, &json, errors)?;
    Ok(ExitCode::FAILURE)
}

fn accepted(config: &Config, style: Style) -> anyhow::Result<()> {
    let (targets, routes) = (config.targets.len(), config.routes.len());
    let json = json!({
        "ok": true,
        "targets": targets,
        "routes": routes,
        "errors": [],
        "warnings": problems(&config.warnings),
    });
    if style == Style::Text {
        warn(config);
    }
    let text = format!(
        "ok: {}, {}",
        count(targets, "target"),
        count(routes, "route")
    );
    print(style, &json, text)
}

/// Says what is allowed and yet probably not meant.
pub(crate) fn warn(config: &Config) {
    for warning in &config.warnings {
        note(format!("warning: {warning}\n"));
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn problems(problems: &[Problem]) -> Vec<Value> {
    let json = |problem: &Problem| {
        json!({
            "code": problem.code.as_str(),
            "file": problem.file,
            "line": problem.place.map(|place| place.line),
            "column": problem.place.map(|place| place.column),
            "message": problem.message,
            "hint": problem.hint,
        })
    };
    problems.iter().map(json).collect()
}
