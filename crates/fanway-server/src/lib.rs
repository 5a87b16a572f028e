//! Puts the parts together, supervises them, and stops them in order.
//!
//! - `start` – from a config to a server that runs
//! - `assembly` – making the parts, in order: store, plans, lanes, admin, ingress at last
//! - `parts` – what each part is told, from what the config says
//! - `listener` – who takes connections in, and how cores get them
//! - `core` – the threads that serve
//! - `group` – parts that run, and which of them has ended
//! - `run` – waiting for a stop or for a part to die, then the stop
//!
//! A server has one thread for each core, which serves connections and lanes, and one that
//! controls: it takes connections in, runs the admin API and supervises. Nothing here decides
//! anything about a message.

mod assembly;
mod core;
mod group;
mod listener;
mod orphans;
mod parts;
mod run;
mod start;
mod strikes;

pub use crate::listener::ListenError;
pub use crate::run::{Failure, Running, Stopper};
pub use crate::start::{Server, StartError};
