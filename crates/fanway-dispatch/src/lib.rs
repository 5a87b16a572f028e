//! Lanes: what moves each target's deliveries.
//!
//! A [`lane::Lane`] takes a target's deliveries from the store while its window has room, attempts
//! them as limits and breaker allow, and hands the outcomes back to the store. What an answer
//! means and what follows from it is policy's to decide, how a request is made transform's, how it
//! is sent the target's. Lanes share nothing: one that hangs costs its neighbours nothing.
//!
//! A lane runs until it is stopped, alone or with others, and takes over what operators set and
//! what a new config says while it runs: [`Handle::control`], [`Handle::reconfigure`],
//! [`Plans::set_current`].

mod clock;
mod counts;
pub mod endpoints;
pub mod handle;
pub mod lane;
pub mod metrics;
mod plans;
mod shutdown;
mod steering;

pub use clock::Clock;
pub use counts::Counts;
pub use handle::Handle;
pub use lane::{Lane, Stamp, outgoing};
pub use metrics::Metrics;
pub use plans::Plans;
pub use shutdown::{Shutdown, Stopper, shutdown};
pub use steering::{Addresses, Settings};
