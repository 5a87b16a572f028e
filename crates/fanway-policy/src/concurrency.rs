//! How many attempts to a target may be in flight: a set number, or as many as it bears.

use std::num::NonZeroUsize;

use crate::auto;

/// A target's limit on attempts in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// So many.
    Fixed(NonZeroUsize),
    /// As many as its latency says, within bounds.
    Auto(auto::Params),
}

impl Concurrency {
    /// The most that may ever be in flight.
    #[must_use]
    pub fn most(&self) -> NonZeroUsize {
        match self {
            Self::Fixed(count) => *count,
            Self::Auto(params) => NonZeroUsize::new(params.most).unwrap_or(NonZeroUsize::MIN),
        }
    }
}
