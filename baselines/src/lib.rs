//! What the sender and the sink share: a clock that both read alike, the header in which it
//! travels, and a histogram.

mod durations;

pub use durations::Durations;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The header that says when a request was sent, by [`clock`] in nanoseconds.
pub const SENT: &str = "x-sent";

/// The time since the machine started: all its processes read the same.
#[must_use]
pub fn clock() -> Duration {
    // Both parts are positive: this clock begins at zero and goes on.
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}
