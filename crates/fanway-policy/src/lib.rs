//! Pure decisions: what an exchange means, retry or give up, backoff, breaker, credentials, limits
//! on rate and concurrency.
//!
//! Nothing here reads a clock, draws a random number or waits: `now` and `rng` are arguments, and
//! what comes back is a value that says what to do. What has to mean something after a restart is
//! reckoned in [`Timestamp`](fanway_types::Timestamp)s, everything else in
//! [`Instant`](std::time::Instant)s.

pub mod auto;
pub mod breaker;
pub mod concurrency;
pub mod credentials;
pub mod endpoints;
pub mod exchange;
pub mod hedge;
pub mod limits;
pub mod pace;
pub mod quota;
pub mod ramp;
pub mod rate;
pub mod retry;
pub mod statuses;
