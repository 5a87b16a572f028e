//! A durable log of opaque records.
//!
//! It knows bytes and positions, and nothing of what they mean. [`open()`] locks the folder, checks every
//! byte that was acknowledged and hands back what was recovered; [`Opened::start`] begins a fresh segment and
//! returns a [`Journal`], a cheap handle. [`Journal::append`] never waits for the disk: one committer thread
//! takes all that has gathered, writes it once, syncs it once, and tells an [`Observer`] once.
//!
//! Where to look:
//! - `format` – the files, byte by byte
//! - `survey` – what of a folder is intact, torn or damaged; `open`, `verify` and `repair` judge by it
//! - `committer` – the one thread that writes batches
//! - `turns` – which threads are at work, which it waits for a little
//! - `preparer` – the one thread that makes, activates and recycles segments
//! - `room` and `pool` – what still fits, and which file is where
//! - `fs` – the seam to the disk; `faulty` (feature `faulty`) – a disk in memory that breaks on demand
//!
//! What must never be: a record told as committed that a crash can lose (unless [`Syncing`] says so), old bytes
//! of a recycled segment taken for new ones, a failed write or sync tried again.

mod committer;
mod entry;
#[cfg(feature = "faulty")]
pub mod faulty;
mod folder;
mod format;
pub mod fs;
mod journal;
pub mod open;
mod params;
mod poison;
mod pool;
mod position;
mod preparer;
mod progress;
mod records;
pub mod repair;
mod room;
mod scan;
mod shared;
mod spare;
mod standing;
pub mod start;
mod stats;
mod survey;
mod turns;
pub mod verify;
mod width;

pub use crate::entry::{Class, Committed, Entry, Observer, Rejected};
pub use crate::journal::{Health, Journal};
pub use crate::open::{Opened, Recovery, Stop, open};
pub use crate::params::{Params, Syncing};
pub use crate::poison::{Doing, Poison};
pub use crate::position::Position;
pub use crate::progress::Progress;
pub use crate::records::{Missing, Records};
pub use crate::repair::repair;
pub use crate::standing::step_back;
pub use crate::stats::{Histogram, Stats};
pub use crate::turns::{Turn, Turns};
pub use crate::verify::verify;
