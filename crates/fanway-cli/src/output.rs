//! What is printed: data on standard output, for people or as JSON.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

use serde_json::Value;

/// Whether people or programs read the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Text for people.
    Text,
    /// JSON.
    Json,
}

impl Style {
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Something was asked in a way that can't be answered: the exit status is 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Wrong(pub(crate) String);

/// Refuses `--json` for what is of one form only: `what` names it.
pub(crate) fn text_only(style: Style, what: &str) -> Result<(), Wrong> {
    match style {
        Style::Text => Ok(()),
        Style::Json => Err(Wrong(format!("{what} has no --json"))),
    }
}

/// Prints `json`, or `text` for people, and a line's end.
pub(crate) fn print(style: Style, json: &Value, text: impl Display) -> anyhow::Result<()> {
    match style {
        Style::Json => line(json),
        Style::Text => line(text),
    }
}

/// Prints a line.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    page(&format!("{text}\n"))
}

/// Prints text that has its lines' ends. A reader that has gone away, such as `head`, is no
/// failure.
pub(crate) fn page(text: &str) -> anyhow::Result<()> {
    write(text).map(|_is_read| ())
}

/// Prints a line of many that come one after another. False where the reader has gone away, so
/// that there is nobody to print more for.
pub(crate) fn next_line(style: Style, json: &Value, text: impl Display) -> anyhow::Result<bool> {
    match style {
        Style::Json => write(&format!("{json}\n")),
        Style::Text => write(&format!("{text}\n")),
    }
}

/// Returns whether somebody reads it.
fn write(text: &str) -> anyhow::Result<bool> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Says something that is no data, on standard error.
pub(crate) fn note(text: impl Display) {
    // Where standard error is closed there is nowhere left to say so.
    let _closed = writeln!(stderr().lock(), "{text}");
}
