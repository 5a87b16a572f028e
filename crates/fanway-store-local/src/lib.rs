//! The default store: a journal and an SQLite ledger in a data folder.
//!
//! What is accepted, and how it ended, goes to the journal, in the order in which it happened;
//! the ledger is posted from it. The way of a message through the files here:
//!
//! - `store` – the handle: `accept` takes the `keys` and appends an [`entry`](crate) to the journal
//! - `commit` – on the committer's thread, once it is durable: into the `tail`, and into the
//!   `feed` of each target's lane
//! - `lane` – hands it to dispatch, and takes the outcomes back, which are appended in turn
//! - `poster` – brings the tail into the `ledger`, and lets the journal recycle
//! - `open` – after a restart: what the journal holds is posted before anything is sent
//!
//! What must never be: something shown before it is durable; SQLite on the way to a 202, but for a
//! key that isn't among the recent ones.

mod accept;
mod adopt;
mod breath;
mod by_hand;
mod cancel;
mod checkpointer;
mod codec;
mod commit;
mod commons;
mod entry;
mod feed;
mod headroom;
mod inner;
mod intake;
mod keys;
mod lane;
mod ledger;
mod listing;
mod metrics;
mod open;
mod params;
mod poster;
mod reader;
mod receipt;
mod record;
mod seal;
mod steps;
mod store;
mod tail;
mod tuning;
mod unposted;
mod view;
mod watch;

pub use crate::codec::Damage;
pub use crate::headroom::{FreeSpace, free_space};
pub use crate::ledger::{
    DataKeyInfo, Error as LedgerError, Kept, Report, Sealed, check, data_keys, export, rewrap,
    try_keys,
};
pub use crate::open::{Error as OpenError, journal_path, largest_message, ledger_path};
pub use crate::params::{Bodies, Clock, Encryption, Keep, Params, Syncing, Turn, Turns};
pub use crate::reader::StartError;
pub use crate::seal::{Error as SealError, KeyId};
pub use crate::steps::{Step, Steps};
pub use crate::store::LocalStore;
pub use crate::tuning::Tuning;
