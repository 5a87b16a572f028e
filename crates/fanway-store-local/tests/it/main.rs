//! The local store: what each engine owes, and what it owes on a disk that tears, loses, fills up
//! and fails.

mod calling_off;
mod conformance;
mod fixtures;
mod folder;
mod full;
mod keys;
mod power;
mod redriving;
mod renaming;
mod scene;
mod sealed;
mod steps;
mod telling;
mod turns;
