//! Asking: what is asked of whom, what is answered, and why there is no answer.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use fanway_config::{CommandLine, Reference};
use fanway_target::http::HttpTargetError;
use fanway_types::Secret;
use tokio::time::Instant;

use crate::command::CommandError;
use crate::vault::Lease;

/// What is asked for at once: a program's output, all fields of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    Command(CommandLine),
    Vault(String),
}

impl From<&Reference> for Question {
    fn from(reference: &Reference) -> Self {
        match reference {
            Reference::Command(line) => Self::Command(line.clone()),
            Reference::Vault { path, .. } => Self::Vault(path.clone()),
        }
    }
}

/// As it stands in a config, without the field.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(line) => Reference::Command(line.clone()).fmt(f),
            Self::Vault(path) => write!(f, "${{vault:{path}}}"),
        }
    }
}

impl Question {
    /// Who is asked, as metrics have it.
    pub(crate) fn source(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Vault(_) => "vault",
        }
    }
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Printed(Secret),
    /// Each field that is a text, a number or a flag; the others have no value.
    Fields(BTreeMap<String, Option<Secret>>),
}

/// An answer, when it came and how long it holds.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) told: Told,
    pub(crate) at: Instant,
    pub(crate) lease: Option<Lease>,
}

impl Answer {
    /// What a reference stands for by it.
    pub(crate) fn value(&self, reference: &Reference) -> Result<Secret, String> {
        match (&self.told, reference) {
            (Told::Fields(fields), Reference::Vault { field, .. }) => match fields.get(field) {
                Some(Some(value)) => Ok(value.clone()),
                Some(None) => Err(format!("`{field}` is neither a text nor a number there")),
                None if fields.is_empty() => Err("there is no field at all there".to_owned()),
                None => {
                    let names: Vec<_> = fields.keys().map(String::as_str).collect();
                    Err(format!(
                        "there is no `{field}` there, only {}",
                        names.join(", ")
                    ))
                }
            },
            (Told::Printed(value), _) => Ok(value.clone()),
            (Told::Fields(_), Reference::Command(_)) => {
                unreachable!("a question is answered in its own kind")
            }
        }
    }
}

/// Why there is no answer. Has nothing of any secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("the vault can't be reached: {0}")]
    Unreachable(String),
    #[error("the vault answers with {status}{said}")]
    Unwell { status: u16, said: String },
    #[error("{}{said}", refusal(*status))]
    Refused { status: u16, said: String },
    #[error("the vault's answer isn't one: {0}")]
    Malformed(&'static str),
    #[error("the login at the vault failed: {0}")]
    Login(#[source] Box<Self>),
    #[error("the file {path} can't be read: {source}")]
    TokenFile {
        path: String,
        source: std::io::Error,
    },
    #[error("the vault can't be asked as it is configured")]
    Target(#[from] HttpTargetError),
    #[error("there is no thread to ask from")]
    Runtime(#[source] std::io::Error),
}

fn refusal(status: u16) -> String {
    match status {
        403 => "the vault refuses it (403)".to_owned(),
        404 => "the vault has nothing there (404)".to_owned(),
        other => format!("the vault refuses it ({other})"),
    }
}

impl AskError {
    /// Whether it says nothing of what is asked for, only that there is no answer for the moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Unwell { .. } | Self::Runtime(_) => true,
            Self::Login(error) => error.is_passing(),
            Self::Command(_)
            | Self::Refused { .. }
            | Self::Malformed(_)
            | Self::TokenFile { .. }
            | Self::Target(_) => false,
        }
    }

    /// It, and what it comes from.
    pub(crate) fn words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = match self {
            // What these come from is in their words.
            Self::Login(_) | Self::TokenFile { .. } => None,
            other => other.source(),
        };
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        words
    }
}
