//! Lanes: what moves each target's deliveries.
//!
//! A [`lane::Lane`] takes a target's deliveries from the store while its window has room, attempts
//! them as limits and breaker allow, and hands the outcomes back to the store. What an answer
//! means and what follows from it is policy's to decide, how a request is made transform's, how it
//! is sent the target's. Lanes share nothing: one that hangs costs its neighbours nothing.

mod clock;
pub mod handle;
pub mod lane;
pub mod metrics;
mod plans;
mod shutdown;

pub use clock::Clock;
pub use handle::Handle;
pub use lane::Lane;
pub use metrics::Metrics;
pub use plans::Plans;
pub use shutdown::{Shutdown, Stopper, shutdown};
