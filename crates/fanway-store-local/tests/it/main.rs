//! The local store: what each engine owes, and what it owes on a disk that tears, loses, fills up
//! and fails.

mod conformance;
mod fixtures;
mod folder;
mod full;
mod power;
mod scene;
mod steps;
