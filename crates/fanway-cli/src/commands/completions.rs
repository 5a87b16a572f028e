//! `fanway completions`: what completes commands and options in a shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::arguments::Arguments;
use crate::output::{Style, page, text_only};

/// Which shell.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    text_only(style, "a script for a shell")?;
    let mut script = Vec::new();
    generate(
        options.shell,
        &mut Arguments::command(),
        "fanway",
        &mut script,
    );
    page(str::from_utf8(&script)?)?;
    Ok(ExitCode::SUCCESS)
}
