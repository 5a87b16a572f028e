//! What is printed: results on standard output, what is going on on standard error.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

/// Prints a result.
pub(crate) fn line(text: impl Display) {
    // A reader that has gone away, such as `head`, is no failure.
    let _closed = writeln!(stdout().lock(), "{text}");
}

/// Says what is going on.
pub(crate) fn note(text: impl Display) {
    // Where standard error is closed there is nowhere left to say so.
    let _closed = writeln!(stderr().lock(), "{text}");
}
