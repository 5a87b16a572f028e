//! The ledger: the store's book of record, an SQLite database.
//!
//! It is posted from the journal in large, few transactions, each of which stores the position
//! that it reaches, so that posting goes on exactly where it stopped. One thread writes; readers
//! have connections of their own. What its tables hold stands in `docs/data-folder.md`.

mod adopt;
mod by_hand;
mod called_off;
mod check;
mod data_keys;
mod dead;
mod edits;
pub(crate) mod ended;
mod error;
mod find;
mod history;
mod keys;
mod lines;
mod next;
mod not_kept;
mod offline;
mod old;
mod plans;
mod post;
mod prune;
mod row;
#[cfg(test)]
mod sample;
mod schema;
mod sealed;
mod state;
mod turns;
mod used;

pub use check::{Report, check};
pub use data_keys::DataKeyInfo;
pub use error::Error;
pub use offline::{Kept, Sealed, data_keys, export, rewrap, try_keys};

pub(crate) use by_hand::{audit, controls, jobs, troubles};
pub(crate) use data_keys::{
    make as make_data_key, remove_unused as remove_unused_data_keys, take_over as take_over_keys,
};
pub(crate) use dead::{dead_letter, letter};
pub(crate) use find::find;
pub(crate) use keys::{find_keys, recent_keys};
pub(crate) use lines::{BUCKETS, bucket};
pub(crate) use next::{Ask, Due, Found, Place, backlog, next};
pub(crate) use not_kept::not_kept;
pub(crate) use old::{Redrivable, is_listed, redrivable};
pub(crate) use plans::Plans;
pub(crate) use post::{Changed, Posted, Posting};
pub(crate) use prune::{Pruned, prune};
pub(crate) use schema::{checkpoint, open_reader, open_writer};
pub(crate) use turns::Turns;
