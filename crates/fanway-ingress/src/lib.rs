//! HTTP in, from match to answer; status for senders.
//!
//! [`Ingress`] holds what all cores share; each core has a [`Door`] that serves its own connections
//! on its own runtime. A request goes through the files in this order: `listen`, `connection`,
//! `door`, then `accept` (which asks `router`, `headers`, `body` and `validate`) or `status`.
//! Whatever is refused is a [`problem::Kind`], and nothing of it reaches the store.
//!
//! It knows the store only, and nothing of targets: what holds a delivery it is told by
//! [`Params::held`].

mod accept;
mod activity;
mod body;
mod connection;
mod door;
mod headers;
mod listen;
pub mod metrics;
mod params;
pub mod problem;
mod router;
mod status;
mod validate;
mod wait;

pub use door::{Door, Error, Ingress};
pub use listen::{Incoming, accept};
pub use params::{BodyKind, Held, Limits, Params, RouteParams};
pub use router::Ambiguous;
