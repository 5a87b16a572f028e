//! For tests: an in-memory store, scripted targets, a clock of virtual time, builders.
//!
//! Nothing here starts a thread, sleeps in real time or draws a random number, so that a test
//! which fails once fails each time.

pub mod build;
pub mod clock;
pub mod memory_store;
pub mod scripted_target;

pub use clock::VirtualClock;
pub use memory_store::MemoryStore;
pub use scripted_target::ScriptedTarget;
