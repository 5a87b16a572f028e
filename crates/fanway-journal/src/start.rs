//! Starting a journal that was opened: a fresh segment, and the two threads.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;

use crate::committer::Committer;
use crate::entry::{Entry, Observer};
use crate::folder::{self, Listing};
use crate::format::SegmentHeader;
use crate::fs::Fs;
use crate::journal::Journal;
use crate::open::Opened;
use crate::params::Params;
use crate::pool::{Pool, Sealed};
use crate::position::Position;
use crate::preparer::Preparer;
use crate::scan::Segment;
use crate::shared::Shared;
use crate::spare::{self, Filling, Spare};
use crate::survey::Layout;

/// Why a journal wasn't started. Nothing of what was recovered is lost.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller has not taken over all that was recovered.
    #[error(
        "records up to position {end} were recovered, and only those up to {taken_over} taken over"
    )]
    NotTakenOver {
        /// Behind the last recovered record.
        end: Position,
        /// Up to where they were taken over.
        taken_over: Position,
    },
    /// A file couldn't be removed or made. A full disk can be the reason, when no spare was left from the last run.
    #[error("{} can't be made ready", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("no thread could be started")]
    Thread(#[source] io::Error),
}

impl Opened {
    /// Begins a fresh segment and starts the threads.
    ///
    /// `taken_over` is the position up to which the caller keeps everything by itself, durably: at least
    /// [`end`](crate::Recovery::end) of the recovery, since the old segments are recycled now. (What can be read
    /// now need not be on the disk: after a failed sync the system takes lost pages for written.) It may be beyond the
    /// end, when the journal has lost what its caller had already taken over; new positions are higher than both.
    ///
    /// # Errors
    /// [`Error::NotTakenOver`] when records would be lost by it. On any error the journal can be opened again.
    pub fn start<E: Entry, O: Observer<E>>(
        self,
        taken_over: Position,
        observer: O,
    ) -> Result<Journal<E>, Error> {
        let end = self.recovery().end;
        if taken_over < end {
            return Err(Error::NotTakenOver { end, taken_over });
        }
        let Self {
            params,
            fs,
            lock,
            layout,
            ..
        } = self;
        let Begun {
            current,
            pool,
            next_spare,
        } = Begin {
            fs: &*fs,
            params: &params,
        }
        .begin(layout, taken_over)?;
        let shared = Arc::new(Shared::new(params, fs, lock, pool));
        shared.committed.store(taken_over.0, Ordering::Release);
        let committer: Weak<Shared<E>> = Arc::downgrade(&shared);
        shared.params.turns.serve(committer);

        let preparer = Preparer {
            shared: Arc::clone(&shared),
            number: next_spare,
            filling: None,
        };
        let preparer = thread::Builder::new()
            .name("journal-prepare".to_owned())
            .spawn(|| preparer.run())
            .map_err(Error::Thread)?;
        let committer = Committer::new(Arc::clone(&shared), observer, current, taken_over);
        let committer = thread::Builder::new()
            .name("journal-commit".to_owned())
            .spawn(|| committer.run());
        let committer = committer.map_err(|error| {
            shared.state().ended = true;
            shared.prepare.notify_one();
            Error::Thread(error)
        })?;
        Ok(Journal::new(shared, committer, preparer))
    }
}

/// Makes the files ready for a run.
struct Begin<'a> {
    fs: &'a dyn Fs,
    params: &'a Params,
}

/// What a run begins with.
struct Begun {
    current: Segment,
    pool: Pool,
    /// The number of the next spare's name.
    next_spare: u64,
}

impl Begin<'_> {
    fn begin(&self, layout: Layout, taken_over: Position) -> Result<Begun, Error> {
        self.clear(&layout.listing)?;
        let newest = layout.newest();
        let generation = newest.map_or(1, |header| header.generation + 1);
        let base = newest.map_or(taken_over, |header| header.limit().max(taken_over));
        let mut spares = self.spares(&layout.listing.spares, generation)?;
        let mut next_spare = layout.listing.spares.last().map_or(0, |last| last + 1);
        let mut old: VecDeque<Segment> = layout.obsolete.into_iter().chain(layout.live).collect();

        let material = match spares.pop_front() {
            Some(spare) => spare,
            None => self.material(&mut old, &mut next_spare)?,
        };
        let path = material.path.clone();
        let header =
            SegmentHeader::new(generation, base, self.params.segment_size, Some(taken_over));
        let current = spare::activate(self.fs, &self.params.dir, material, header)
            .map_err(|error| io_error(&path, error))?;
        // From here on the old segments are nothing but material.
        let pool = Pool::new(
            self.params,
            &current,
            spares,
            old.into_iter().map(left_over).collect(),
        );
        Ok(Begun {
            current,
            pool,
            next_spare,
        })
    }

    /// Removes the closing record, before anything is written that it doesn't cover, and what was never finished.
    fn clear(&self, listing: &Listing) -> Result<(), Error> {
        let dir = &self.params.dir;
        let closed = listing.closed.then(|| folder::CLOSED.to_owned());
        for name in closed.iter().chain(&listing.unfinished) {
            self.remove(&dir.join(name))?;
        }
        self.fs.sync_dir(dir).map_err(|error| io_error(dir, error))
    }

    /// Opens the spares that can be used, as many as are wanted, and removes the others.
    fn spares(&self, all: &[u64], generation: u64) -> Result<VecDeque<Spare>, Error> {
        let Params {
            dir,
            segment_size,
            spares: wanted,
            ..
        } = self.params;
        let mut spares = VecDeque::new();
        for &number in all {
            let path = folder::spare(dir, number);
            // One becomes the current segment.
            let spare = if spares.len() <= *wanted {
                spare::reuse(self.fs, dir, number, *segment_size, generation)
                    .map_err(|error| io_error(&path, error))?
            } else {
                None
            };
            match spare {
                Some(spare) => spares.push_back(spare),
                None => self.remove(&path)?,
            }
        }
        Ok(spares)
    }

    /// A spare where there is none: of the oldest segment, unless it is the last, which tells how far positions and
    /// generations had come; or a new one.
    fn material(&self, old: &mut VecDeque<Segment>, next_spare: &mut u64) -> Result<Spare, Error> {
        let dir = &self.params.dir;
        let number = *next_spare;
        *next_spare += 1;
        if old.len() > 1
            && let Some(oldest) =
                old.pop_front_if(|oldest| oldest.header.size == self.params.segment_size)
        {
            return spare::recycle(self.fs, dir, &oldest.path, oldest.file, number)
                .map_err(|error| io_error(&oldest.path, error));
        }
        let path = folder::filling(dir, number);
        let mut filling = Filling::begin(self.fs, dir, number, self.params.segment_size)
            .map_err(|error| io_error(&path, error))?;
        let filled = loop {
            match filling.step() {
                Ok(false) => {}
                Ok(true) => break filling.finish(self.fs, dir),
                Err(error) => break Err(error),
            }
        };
        filled.map_err(|error| {
            filling.abandon(self.fs, dir);
            io_error(&path, error)
        })
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        self.fs.remove(path).map_err(|error| io_error(path, error))
    }
}

/// A segment of which everything has been taken over.
fn left_over(segment: Segment) -> Sealed {
    Sealed {
        path: segment.path,
        size: segment.header.size,
        file: segment.file,
        end: Position::ZERO,
        synced: true,
    }
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}
