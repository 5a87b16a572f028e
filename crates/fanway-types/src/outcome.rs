//! How attempts and deliveries end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::words;
use crate::{DeliveryId, TargetName, Timestamp};

/// What a lane has to say of a delivery after an attempt, or after finding that none is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The delivery.
    pub delivery: DeliveryId,
    /// When.
    pub at: Timestamp,
    /// What follows.
    pub verdict: Verdict,
    /// Attempts made so far, all of them.
    pub attempts: u32,
    /// Attempts that count against the retry policy's bound.
    pub used: u32,
    /// Time that counts against the retry policy's bound: attempts and the waits between them, but
    /// not what a breaker, a pause or a limit held it for.
    pub spent: Duration,
    /// The status code of the last answer, where there was one.
    pub status: Option<u16>,
    /// Why, for an operator: the error, or the beginning of the target's answer; at most 1 KiB.
    pub detail: Option<Arc<str>>,
    /// The target that has the delivery from now on, in place of the one that had it. Only with
    /// [`AgainCause::Fallback`].
    pub fallback: Option<TargetName>,
}

/// What follows from an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The delivery has ended.
    Ended(End),
    /// It is to be attempted again.
    Again {
        /// Not before this time.
        due: Timestamp,
        /// Why not now.
        cause: AgainCause,
    },
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The target has it.
    Delivered,
    /// Without success; kept for a person.
    Dead(DeadReason),
    /// There was nothing to do.
    Skipped,
    /// It was called off.
    Cancelled,
}

/// Why a delivery is to be attempted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgainCause {
    /// The attempt failed in a way that may pass.
    Failed,
    /// The target asked for time; no attempt is used up.
    Pushback,
    /// The attempt probed a target that was held, and failed; none is used up.
    Probe,
    /// Its target is held or has given it up: it goes to the fallback, with a budget of its own.
    Fallback,
}

words!(AgainCause {
    Failed => "failed",
    Pushback => "pushback",
    Probe => "probe",
    Fallback => "fallback",
});

/// Why a delivery is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeadReason {
    /// The target refused it for good.
    Refused,
    /// All attempts, or the time for them, are used up.
    Exhausted,
    /// One of the step's expressions failed.
    Expression,
    /// The process died twice while one of the step's expressions ran.
    Crash,
    /// The message's time was over.
    Expired,
    /// An earlier delivery of its order key is dead, and its step is
    /// [`DeadLetterRest`](crate::WhenDead::DeadLetterRest).
    Order,
    /// It names an address that Fanway may not connect to.
    Egress,
}

words!(DeadReason {
    Refused => "refused",
    Exhausted => "exhausted",
    Expression => "expression",
    Crash => "crash",
    Expired => "expired",
    Order => "order",
    Egress => "egress",
});

impl DeadReason {
    /// The reason that has this word, where there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl Outcome {
    /// The longest [`detail`](Self::detail), in bytes.
    pub const DETAIL_LIMIT: usize = 1024;

    /// Cuts a text to what a detail may hold, at a character's boundary.
    #[must_use]
    pub fn detail_of(text: &str) -> Arc<str> {
        text[..text.floor_char_boundary(Self::DETAIL_LIMIT)].into()
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        assert_eq!(&*Outcome::detail_of("short"), "short");
        let cut = Outcome::detail_of(&"ä".repeat(1000));
        assert_eq!(cut.len(), 1024);
        assert_eq!(Outcome::detail_of(&format!("x{cut}")).len(), 1023);
    }
}
