//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod dead;
pub(crate) mod demo;
pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod schema;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod status;
