//! Where logs go: standard error, as lines with fields.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::fmt;

use crate::output::{Style, Wrong};

/// Begins to write logs that pass `filter`, such as `info` or `fanway_dispatch=debug,warn`.
pub(crate) fn start(filter: &str, style: Style) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| Wrong(format!("`--log {filter}`: {error}")))?;
    let logs = fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    match style {
        Style::Text => logs.init(),
        Style::Json => logs.json().init(),
    }
    Ok(())
}
