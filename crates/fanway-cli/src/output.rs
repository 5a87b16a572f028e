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

/// Prints `json`, or `text` for people, and a line's end.
pub(crate) fn print(style: Style, json: &Value, text: impl Display) -> anyhow::Result<()> {
    match style {
        Style::Json => line(json),
        Style::Text => line(text),
    }
}

/// Prints a line. A reader that has gone away, such as `head`, is no failure.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    match writeln!(stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Says something that is no data, on standard error.
pub(crate) fn note(text: impl Display) {
    // Where standard error is closed there is nowhere left to say so.
    let _closed = writeln!(stderr().lock(), "{text}");
}
