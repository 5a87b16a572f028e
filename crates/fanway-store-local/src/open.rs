//! Opening a data folder: recovery, and the threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fanway_journal::fs::{Fs as _, RealFs};
use fanway_journal::{self as journal, Journal, Position, Progress};
use fanway_types::ByteCount;
use tokio::sync::Notify;

use crate::checkpointer::Checkpointer;
use crate::codec;
use crate::commit::Commits;
use crate::commons::Commons;
use crate::entry::Entry;
use crate::headroom::free_space;
use crate::inner::{Inner, Settings};
use crate::intake::Intake;
use crate::keys::Keys;
use crate::ledger::{
    self, Posting, checkpoint, open_writer, recent_keys, remove_unused_data_keys, take_over_keys,
};
use crate::params::Params;
use crate::poster::{Poster, RECORDS};
use crate::reader::{Reader, StartError};
use crate::record::Record;
use crate::seal::{self, Ring};
use crate::store::LocalStore;
use crate::tuning::Tuning;

/// Bytes of bodies beyond which a transaction takes no more records that were recovered.
const RECOVERED: usize = 16 << 20;

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder could not be made.
    #[error("{path} can't be made", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The journal could not be opened: damaged, or in use.
    #[error(transparent)]
    Journal(#[from] journal::open::Error),
    /// The journal doesn't go back to where the ledger was posted.
    #[error("the journal and the ledger don't fit together: {0}")]
    Missing(#[from] journal::Missing),
    /// The journal could not be read.
    #[error("the journal could not be read")]
    Records(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record in the journal can't be understood.
    #[error("the record before position {position} of the journal can't be understood")]
    Record {
        /// The position behind the record.
        position: u64,
        /// What is wrong with it.
        #[source]
        source: codec::Damage,
    },
    /// The data folder's keys aren't among those that were given.
    #[error(transparent)]
    Keys(seal::Error),
    /// The ledger could not be opened or posted to.
    #[error("the ledger failed")]
    Ledger(#[from] ledger::Error),
    /// The disk has no room for the ledger to take over what the journal holds.
    #[error(
        "the disk has no room for what the journal holds: free some and start again; nothing is lost"
    )]
    NoRoom(#[source] ledger::Error),
    /// A thread could not be started.
    #[error(transparent)]
    Thread(#[from] StartError),
    /// The journal could not be started.
    #[error("the journal could not be started")]
    Start(#[from] journal::start::Error),
}

/// Where the journal is in a data folder.
#[must_use]
pub fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal")
}

/// Where the ledger is in a data folder.
#[must_use]
pub fn ledger_path(folder: &Path) -> PathBuf {
    folder.join("ledger.sqlite")
}

impl LocalStore {
    /// Opens a data folder, made where there is none, and brings what the journal holds into the
    /// ledger. Blocks while it does.
    ///
    /// # Errors
    /// Where the folder is in use, damaged, or can't be read or written; [`Error`] says which.
    pub fn open(params: Params) -> Result<Self, Error> {
        Self::open_with(params, Tuning::default())
    }

    /// The same with other sizes and times inside the store: for measurements and tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(params: Params, tuning: Tuning) -> Result<Self, Error> {
        let path = &params.path;
        // A folder that isn't synced takes all that is in it along. The ledger is always on the
        // machine's own file system.
        RealFs.create_dir(path).map_err(|source| Error::Folder {
            path: path.clone(),
            source,
        })?;
        let prepared = Arc::new(Notify::new());
        let journal_params = journal_params(&params, &prepared);
        let reserve = journal_params.reserve;
        let opened = journal::open(journal_params, Arc::clone(&params.fs), &params.owner)?;
        let ledger = ledger_path(path);
        let now = (params.clock)();
        let mut writer = open_writer(&ledger)?;
        let ring = Arc::new(take_over_keys(&mut writer, &params.encrypt, now).map_err(keys)?);
        let mut posting = Posting::new(writer, params.keep.bodies, Arc::clone(&ring))?;
        let posted = recover(&opened, &mut posting, &ring)?;
        remove_unused_data_keys(posting.connection_mut(), &ring)?;

        let folder = path.clone();
        let free = tuning.free.clone();
        let free = free.unwrap_or_else(|| Arc::new(move || free_space(&folder)));
        let (known, elsewhere) = recent_keys(posting.connection_mut(), now, tuning.keys, &ring)?;
        let keys = Keys::new(known, elsewhere, tuning.keys);
        let commons = Arc::new(Commons::new(posted, posting.backlog(), keys, &tuning));
        commons.headroom.note(free());
        for plan in posting.plans()? {
            commons.add_plan(&plan);
        }
        for called_off in posting.left_called_off(now)? {
            let _no_lane = commons.feed(&called_off.target).call_off(called_off);
        }
        let posting = posting.with(Arc::clone(&commons.aliases));
        let lane_reader = Reader::start(&ledger, "ledger-lanes")?;
        let query_reader = Reader::start_behind(&ledger, "ledger-queries")?;
        let key_reader = Reader::start_behind(&ledger, "ledger-keys")?;
        let checkpointer = Checkpointer::start(&ledger)?;
        let journal: Journal<Entry> =
            opened.start(Position(posted), Commits::new(Arc::clone(&commons)))?;
        let intake = Arc::new(Intake::new(journal.clone(), Arc::clone(&ring)));
        let (tail, patience) = (tuning.tail, tuning.patience);
        let poster = Poster {
            commons: Arc::clone(&commons),
            intake: Arc::clone(&intake),
            journal,
            posting,
            ring: Arc::clone(&ring),
            keep: params.keep.clone(),
            clock: Arc::clone(&params.clock),
            checkpointer,
            tuning,
            free,
            pruned: None,
            unmoved: false,
            moves: false,
        };
        let poster = poster.start().map_err(StartError::Thread)?;
        let settings = Settings {
            tail,
            patience,
            clock: params.clock,
            keep: params.keep,
            max: params.max,
            sync: params.sync,
            reserve,
        };
        let inner = Inner {
            commons,
            lane_reader,
            query_reader,
            key_reader,
            budget: params.budget,
            intake,
            ring,
            prepared,
            poster: Mutex::new(Some(poster)),
            settings,
            last_refused: AtomicU64::new(0),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

/// What is wrong with the keys stands for itself.
fn keys(error: ledger::Error) -> Error {
    match error {
        ledger::Error::Record(codec::Damage::Sealed(error)) => Error::Keys(error),
        other => Error::Ledger(other),
    }
}

/// Posts what the journal holds behind the ledger's position; returns the position reached.
fn recover(opened: &journal::Opened, posting: &mut Posting, ring: &Ring) -> Result<u64, Error> {
    let from = posting.position()?;
    let end = opened.recovery().end.0.max(from);
    let records = opened.records(Position(from))?.map(|record| {
        let (position, bytes) = record.map_err(|error| Error::Records(Box::new(error)))?;
        Ok((position.0, read(position.0, bytes, ring)?))
    });
    post_recovered(posting, records, end).map_err(|error| match error {
        Error::Ledger(error) if error.is_full() => Error::NoRoom(error),
        other => other,
    })?;
    Ok(end)
}

/// Posts what a journal held that was opened: before anything is sent on.
fn post_recovered(
    posting: &mut Posting,
    records: impl Iterator<Item = Result<(u64, Record), Error>>,
    end: u64,
) -> Result<(), Error> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for record in records {
        let (position, record) = record?;
        bytes += body_of(&record);
        chunk.push((position, record));
        if chunk.len() == RECORDS || bytes > RECOVERED {
            posting.post(&chunk, position, |_| ())?;
            // The log would otherwise take as much room as the journal did.
            checkpoint(posting.connection_mut())?;
            chunk.clear();
            bytes = 0;
        }
    }
    posting.post(&chunk, end, |_| ())?;
    Ok(())
}

fn body_of(record: &Record) -> usize {
    match record {
        Record::Message(message) => message.request.body.len(),
        Record::Redrive(redrive) => redrive.body.as_ref().map_or(0, |edited| edited.body.len()),
        _ => 0,
    }
}

fn read(position: u64, bytes: Vec<u8>, ring: &Ring) -> Result<Record, Error> {
    codec::read(&Bytes::from(bytes), ring).map_err(|source| Error::Record { position, source })
}

fn journal_params(params: &Params, prepared: &Arc<Notify>) -> journal::Params {
    let segment = params.segment.get();
    let prepared = Arc::clone(prepared);
    journal::Params {
        segment_size: segment,
        sync: params.sync,
        turns: params.turns.clone(),
        // Room for some hundred thousand outcomes with segments of 64 MiB.
        reserve: segment / 8,
        progress: Progress::new(move || prepared.notify_waiters()),
        ..journal::Params::new(journal_path(&params.path))
    }
}

/// The largest message that fits into a segment of this size, with some room for its headers.
#[must_use]
pub fn largest_message(segment: ByteCount) -> ByteCount {
    ByteCount::new(segment.get().saturating_sub(64 << 10))
}
