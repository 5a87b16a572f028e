//! The journal against a filesystem that breaks.
//!
//! `rig` has what all share; every other file is about one kind of thing that can happen.

#![expect(clippy::unwrap_used, reason = "what panics here is a failed test")]

mod batching;
mod crashes;
mod damage;
mod full;
mod mending;
mod model;
mod poison;
mod real;
mod rig;
mod starting;
