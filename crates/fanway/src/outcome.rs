//! How deliveries end: one outcome for each, whatever became of the others.

use std::fmt;
use std::ops::Index;
use std::slice;
use std::vec;

use fanway_target::Captured;
use fanway_types::{DeliveryId, TargetName};

use crate::seam::{FailureKind, Sent};

/// What a target has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Of the body, what [`capture`](crate::TargetBuilder::capture) asks for.
    pub body: Captured,
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The target answered, and it was no success.
    Answered(Answer),
    /// There was no answer.
    Unanswered {
        /// What failed.
        kind: FailureKind,
        /// Whether the target may have seen the request.
        sent: Sent,
        /// What failed, for an operator: without path, query, headers or body.
        detail: String,
    },
}

/// What kept a delivery from being attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// The target's concurrency or rate, or deliveries before it.
    Limit,
    /// The target's breaker is open.
    Breaker,
    /// The target refuses our credentials.
    Credentials,
    /// The target has asked for time, by 429 or by what it says of its limits.
    Pushback,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The target has it.
    Delivered(Answer),
    /// It failed for good: another attempt would end the same way.
    Refused(Failure),
    /// Its attempts, or the time that the retry policy has for them, are used up.
    GaveUp(Failure),
    /// The deadline came, or would have before the next attempt.
    Deadline {
        /// How the last attempt ended that did.
        last: Option<Failure>,
        /// Whether an attempt was under way and was broken off: the target may have seen it.
        is_broken_off: bool,
    },
    /// The target took no attempts until the deadline, or wouldn't have.
    Held {
        /// Why.
        by: Hold,
        /// How the last attempt ended, where there was one.
        last: Option<Failure>,
    },
}

/// How one delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a delivery that failed says so only here"]
pub struct Outcome {
    /// The target.
    pub target: TargetName,
    /// The delivery, whose id every attempt carried as its `Idempotency-Key`.
    pub delivery: DeliveryId,
    /// Attempts that were begun.
    pub attempts: u32,
    /// How it ended.
    pub end: End,
}

impl Outcome {
    /// Whether the target has it.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        matches!(self.end, End::Delivered(_))
    }

    /// The last status code that the target answered with, where it did.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.end {
            End::Delivered(answer) => Some(answer.status),
            _ => match self.failure()? {
                Failure::Answered(answer) => Some(answer.status),
                Failure::Unanswered { .. } => None,
            },
        }
    }

    /// How the last attempt failed; `None` where it was delivered, or never came to an end.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.end {
            End::Delivered(_) => None,
            End::Refused(failure) | End::GaveUp(failure) => Some(failure),
            End::Deadline { last, .. } | End::Held { last, .. } => last.as_ref(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match &self.end {
            End::Delivered(_) => "delivered",
            End::Refused(_) => "refused",
            End::GaveUp(_) => "gave up",
            End::Deadline { .. } => "not before the deadline",
            End::Held { by, .. } => by.as_str(),
        };
        write!(f, "{}: {word}", self.target)?;
        match (self.status(), self.failure()) {
            (Some(status), _) => write!(f, " ({status})"),
            (None, Some(Failure::Unanswered { detail, .. })) => write!(f, " ({detail})"),
            (None, _) => Ok(()),
        }
    }
}

impl Hold {
    /// A text for it, as [`Outcome`] shows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "held by its limits",
            Self::Breaker => "held by its breaker",
            Self::Credentials => "held, since our credentials are refused",
            Self::Pushback => "held, since it asked for time",
        }
    }
}

/// How a message's deliveries ended, in the order in which they were added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "deliveries that failed say so only here"]
pub struct Outcomes(pub(crate) Vec<Outcome>);

impl Outcomes {
    /// Whether every target has its part.
    #[must_use]
    pub fn all_delivered(&self) -> bool {
        self.0.iter().all(Outcome::is_delivered)
    }

    /// Those that weren't delivered.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.0.iter().filter(|outcome| !outcome.is_delivered())
    }

    /// The first outcome of the target with this name.
    #[must_use]
    pub fn get(&self, target: &str) -> Option<&Outcome> {
        self.0
            .iter()
            .find(|outcome| outcome.target.as_str() == target)
    }

    /// All of them.
    pub fn iter(&self) -> slice::Iter<'_, Outcome> {
        self.0.iter()
    }
}

impl Index<&str> for Outcomes {
    type Output = Outcome;

    /// The first outcome of the target with this name.
    ///
    /// # Panics
    /// Where the message had nothing for such a target.
    fn index(&self, target: &str) -> &Outcome {
        self.get(target)
            .expect("the message has something for the target")
    }
}

impl<'a> IntoIterator for &'a Outcomes {
    type Item = &'a Outcome;
    type IntoIter = slice::Iter<'a, Outcome>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Outcomes {
    type Item = Outcome;
    type IntoIter = vec::IntoIter<Outcome>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
