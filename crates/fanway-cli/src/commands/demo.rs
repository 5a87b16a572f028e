//! `fanway demo`: the order example, end to end.

use std::env::args;
use std::process::ExitCode;

use clap::Args;

use crate::logging;
use crate::output::{Style, Wrong};

const EXAMPLES: &str = "\
Examples:
  fanway demo
  fanway demo --exit";

/// How to run the demo.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// End when everything has been shown, instead of staying up to be tried
    #[arg(long)]
    exit: bool,

    /// Which logs to write besides
    #[arg(long, value_name = "FILTER", default_value = "error")]
    log: String,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    if style == Style::Json {
        return Err(Wrong("the demo is for people: it has no --json".to_owned()).into());
    }
    logging::start(&options.log, style)?;
    fanway_demo::run(&fanway_demo::Options {
        exit: options.exit,
        program: args().next().unwrap_or_else(|| "fanway".to_owned()),
    })?;
    Ok(ExitCode::SUCCESS)
}
