//! HTTP in, from match to answer; status for senders.
//!
//! [`Ingress`] holds what all cores share; each core has a [`Door`] that serves its own connections
//! on its own runtime. A request goes through the files in this order: `listen`, `connection`,
//! `door`, then `accept` (which asks `router`, `headers`, `terms`, `body` and `validate`) or
//! `status` (and from there `cancel` or `events`). Whatever is refused is a [`problem::Kind`], and
//! nothing of it reaches the store. [`Ingress::explain`] goes the same way without a store.
//!
//! It knows the store only, and nothing of targets: what holds a delivery it is told by
//! [`Table::held`]. What follows from a config is a [`Table`], and is replaced as a whole.

mod accept;
mod activity;
mod body;
mod cancel;
mod connection;
mod content;
mod cors;
mod date;
mod door;
mod events;
pub mod explain;
mod generation;
mod headers;
mod http1;
mod key;
mod listen;
pub mod metrics;
mod order;
mod params;
mod places;
pub mod problem;
mod router;
mod sse;
mod status;
mod terms;
mod validate;
mod wait;
mod websocket;

pub use cors::{Cors, Origins};
pub use door::{Arranged, Door, Ingress};
pub use explain::Explanation;
pub use generation::Error;
pub use listen::{Incoming, accept};
pub use params::{BodyKind, Held, Idempotency, Limits, Params, RouteParams, Table};
pub use router::Ambiguous;
pub use status::OPENAPI;
