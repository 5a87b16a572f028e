//! Puts the parts together, supervises them, and stops them in order.
//!
//! - `start` – from a config to a server that runs
//! - `assembly` – making the parts, in order: store, plans, lanes, admin, ingress at last
//! - `parts` – what each part is told, from what the config says
//! - `listener` – who takes connections in, and how cores get them
//! - `core` – the threads that serve
//! - `group` – parts that run, and which of them has ended
//! - `foreman` – changing the config while it runs: `source`, `prepared`, then `crew` (the lanes) and
//!   ingress; `steering` is who asks it, `changes` looks at the files, `fanway-secrets` keeps secrets
//!   fresh, `origins` opens lanes for callbacks
//! - `explain` – what a request would cause, without a server
//! - `run` – waiting for a stop or for a part to die, then the stop
//!
//! A server has one thread for each core, which serves connections and lanes, and one that
//! controls: it takes connections in, runs the admin API and supervises. Nothing here decides
//! anything about a message.

mod assembly;
mod changes;
mod core;
mod crew;
pub mod explain;
mod foreman;
mod gone;
mod group;
mod kept;
mod lanes;
mod listener;
mod origins;
mod orphans;
mod outward;
mod parts;
mod prepared;
mod run;
mod source;
mod start;
mod steering;
mod strikes;
mod tokens;

pub use crate::listener::ListenError;
pub use crate::run::{Failure, Running, Stopper};
pub use crate::source::{ConfigFile, Source, Unusable};
pub use crate::start::{Server, StartError};
pub use crate::steering::Steering;
