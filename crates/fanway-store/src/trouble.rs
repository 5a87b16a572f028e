//! What a lane has learnt of its target that isn't well, kept so that it outlives the process.
//!
//! It changes when a breaker opens or closes and when a target asks to be left alone, and is kept
//! then: small, and never with each attempt.

use fanway_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What isn't well with a target. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its breaker, where that isn't closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Open>,
    /// Until when it has asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushback: Option<Timestamp>,
}

/// A breaker that isn't closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Why.
    pub cause: Cause,
    /// When probes begin, or have begun.
    pub until: Timestamp,
}

/// Why a breaker isn't closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The target failed too often.
    Failures,
    /// It was too slow too often.
    Slow,
    /// It refuses our credentials.
    Credentials,
}

impl Cause {
    /// The word for it, as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Slow => "slow",
            Self::Credentials => "credentials",
        }
    }
}
