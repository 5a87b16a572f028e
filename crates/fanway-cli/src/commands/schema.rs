//! `fanway schema`: the JSON Schema of the config.

use std::process::ExitCode;

use crate::output::line;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    line(fanway_config::schema())?;
    Ok(ExitCode::SUCCESS)
}
