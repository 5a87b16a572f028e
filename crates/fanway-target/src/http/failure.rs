//! Failures on their way out of an exchange, and how the words of the libraries below become ours.

use std::error::Error;
use std::fmt::Write;
use std::io;

use crate::{Exchange, FailureKind, Sent};

/// A failed attempt, before it becomes an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) sent: Sent,
    pub(super) detail: String,
}

impl Failure {
    /// A failure before anything was sent.
    pub(super) fn unsent(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            sent: Sent::Nothing,
            detail: detail.into(),
        }
    }

    /// A failure after which the peer may have seen the request.
    pub(super) fn maybe_sent(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            sent: Sent::Maybe,
            detail: detail.into(),
        }
    }

    /// A failure in a phase with the peer named: `connect to a:443: connection refused`.
    pub(super) fn while_doing(self, what: &str, peer: &str) -> Self {
        Self {
            detail: format!("{what} {peer}: {}", self.detail),
            ..self
        }
    }
}

impl From<Failure> for Exchange {
    fn from(Failure { kind, sent, detail }: Failure) -> Self {
        Self::Failed { kind, sent, detail }
    }
}

/// An error with its causes, each once: libraries tend to repeat them.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = describe_one(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = describe_one(cause);
        if !text.contains(&cause_text) {
            write!(text, ": {cause_text}").expect("a String takes all text");
        }
        next = cause.source();
    }
    text
}

/// What the system says, without the error's number, in the same words on every system.
fn describe_one(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => error.to_string(),
    }
}
