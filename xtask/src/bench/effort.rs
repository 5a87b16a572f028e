//! How long is measured.

use std::time::Duration;

/// How long is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Of which medians are taken.
    pub(crate) rounds: u32,
    /// Load of each measurement.
    pub(crate) load: Duration,
}
