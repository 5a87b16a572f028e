//! What a target's config says of answers, compiled: which are a success, which are worth another
//! attempt, which are final.

use std::fmt;
use std::str::FromStr;

use crate::retry::{Preset, PresetError};
use crate::statuses::{StatusSet, Statuses};

/// What is said of a target's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The statuses of a success.
    pub success: Vec<Statuses>,
    /// What is worth another attempt.
    pub on: Vec<Worth>,
    /// What never is, whatever `on` says.
    pub never: Vec<Statuses>,
    /// What a success is whose body is refused.
    pub otherwise: Otherwise,
}

impl Default for Params {
    /// 2xx is a success, and `transient` is worth another attempt.
    fn default() -> Self {
        Self {
            success: vec![Statuses::SUCCESSFUL],
            on: vec![Worth::Preset(Preset::Transient)],
            never: Vec::new(),
            otherwise: Otherwise::Retry,
        }
    }
}

/// Something that is worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// What a preset names, no answer included.
    Preset(Preset),
    /// Answers with these statuses.
    Statuses(Statuses),
    /// No answer: a connection, TLS or I/O error, or a time-out.
    Unanswered,
}

impl fmt::Display for Worth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => preset.fmt(f),
            Self::Statuses(statuses) => statuses.fmt(f),
            Self::Unanswered => f.write_str("unanswered"),
        }
    }
}

impl FromStr for Worth {
    /// It isn't a preset either; nor is it anything else that may stand here.
    type Err = PresetError;

    fn from_str(text: &str) -> Result<Self, PresetError> {
        if text == "unanswered" {
            return Ok(Self::Unanswered);
        }
        match text.parse() {
            Ok(statuses) => Ok(Self::Statuses(statuses)),
            Err(_) => text.parse().map(Self::Preset),
        }
    }
}

/// What an answer with the status of a success is whose body is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// A failure that may pass.
    #[default]
    Retry,
    /// A failure for good.
    Fail,
}

impl Otherwise {
    /// The word for it, as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Fail => "fail",
        }
    }
}

/// [`Params`], compiled: a question costs a look-up.
///
/// 401, 407 and 429 are about the sender and not about the message, so a class or a range doesn't
/// take them in where it stands under `success` or `never`: a target whose credentials have
/// expired would have its whole backlog given up. Named by themselves they are what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    success: StatusSet,
    never: StatusSet,
    retried: StatusSet,
    /// Statuses that are named by themselves, so that they are no sign of refused credentials.
    named: StatusSet,
    is_silence_retried: bool,
    otherwise: Otherwise,
    gone: Gone,
    is_from_data: bool,
}

/// What a 410 says is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// What was asked for.
    Resource,
    /// The one of several addresses that has answered it.
    Address,
    /// The target.
    Target,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(&Params::default())
    }
}

impl Rules {
    /// Compiles them.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        let worth = params.on.iter();
        let retried = worth.clone().flat_map(|worth| statuses_of(*worth));
        let in_on = worth.filter_map(|worth| match worth {
            Worth::Statuses(statuses) => statuses.single(),
            Worth::Preset(_) | Worth::Unanswered => None,
        });
        let elsewhere = params.success.iter().chain(&params.never);
        let named: StatusSet = elsewhere
            .filter_map(|statuses| statuses.single())
            .chain(in_on)
            .collect();
        let is_webhook = params.on.contains(&Worth::Preset(Preset::StandardWebhooks));
        let answers_silence = |worth: &Worth| matches!(worth, Worth::Preset(_) | Worth::Unanswered);
        Self {
            success: about_messages(&params.success),
            never: about_messages(&params.never),
            retried: retried.collect(),
            is_silence_retried: params.on.iter().any(answers_silence),
            otherwise: params.otherwise,
            gone: match is_webhook && !named.contains(410) {
                true => Gone::Target,
                false => Gone::Resource,
            },
            named,
            is_from_data: false,
        }
    }

    /// The same for a target that came with messages, an origin of many addresses: 410 is an
    /// ordinary answer, and where it may not be connected to, another attempt would be forbidden
    /// too.
    #[must_use]
    pub fn from_data(self) -> Self {
        Self {
            gone: Gone::Resource,
            is_from_data: true,
            ..self
        }
    }

    /// The same for a target with several addresses: a 410 that would disable a target with one
    /// says that this address is gone, and is worth another attempt, at another.
    #[must_use]
    pub fn of_several(self) -> Self {
        let gone = match self.gone {
            Gone::Target => Gone::Address,
            Gone::Address | Gone::Resource => self.gone,
        };
        Self { gone, ..self }
    }

    /// Whether a status says that the one of several addresses that has answered it is gone.
    #[must_use]
    pub fn sets_aside(&self, status: u16) -> bool {
        status == 410 && self.gone == Gone::Address
    }

    /// The statuses of a success.
    #[must_use]
    pub fn success(&self) -> &StatusSet {
        &self.success
    }

    /// A status as the [watch](crate::credentials::Watch) over our credentials is to see it: one
    /// that is said to mean something else says nothing of them, and is 0.
    #[must_use]
    pub fn as_to_credentials(&self, status: u16) -> u16 {
        if self.named.contains(status) {
            0
        } else {
            status
        }
    }

    /// Whether a status says something about our credentials, as far as its number goes: it isn't
    /// said to mean something else.
    #[must_use]
    pub fn concerns_credentials(&self, status: u16) -> bool {
        matches!(status, 401 | 403 | 407) && !self.named.contains(status)
    }

    pub(super) fn is_success(&self, status: u16) -> bool {
        self.success.contains(status)
    }

    pub(super) fn is_final(&self, status: u16) -> bool {
        self.never.contains(status)
    }

    pub(super) fn is_retried(&self, status: u16) -> bool {
        self.retried.contains(status) || self.sets_aside(status)
    }

    pub(super) fn is_silence_retried(&self) -> bool {
        self.is_silence_retried
    }

    pub(super) fn is_from_data(&self) -> bool {
        self.is_from_data
    }

    pub(super) fn gone_disables(&self) -> bool {
        self.gone == Gone::Target
    }

    pub(super) fn otherwise(&self) -> Otherwise {
        self.otherwise
    }
}

/// What is named, without what classes and ranges don't take in.
fn about_messages(named: &[Statuses]) -> StatusSet {
    let taken_in = |statuses: &Statuses| {
        let is_single = statuses.single().is_some();
        statuses
            .iter()
            .filter(move |status| is_single || !matches!(status, 401 | 407 | 429))
    };
    named.iter().flat_map(taken_in).collect()
}

fn statuses_of(worth: Worth) -> Vec<u16> {
    match worth {
        Worth::Preset(preset) => (100..=999).filter(|it| preset.retries(*it)).collect(),
        Worth::Statuses(statuses) => statuses.iter().collect(),
        Worth::Unanswered => Vec::new(),
    }
}
