//! The thread that writes: take all that is queued, one write, one sync, tell the observer once.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::entry::{Committed, Entry, Observer};
use crate::format::{BLOCK, BatchHeader, Builder, Closing, HEADER_LEN};
use crate::fs::File;
use crate::params::{Params, Syncing};
use crate::poison::{Doing, Poison};
use crate::pool::Sealed;
use crate::position::Position;
use crate::scan::Segment;
use crate::shared::{Group, Shared, State, Waits};
use crate::width::{in_file, in_memory};

/// Bytes that the buffer keeps from one batch to the next.
const BUFFER_KEPT: usize = 1 << 20;

pub(crate) struct Committer<E, O> {
    shared: Arc<Shared<E>>,
    observer: O,
    current: Segment,
    /// Where in the current segment's file the next batch goes.
    offset: u64,
    /// The next batch's.
    number: u64,
    /// Behind the last batch.
    previous: Position,
    /// Up to where everything is synced.
    synced: Position,
    /// Since when something is written and not synced.
    dirty: Option<Instant>,
    builder: Builder,
}

/// What is to be done next.
enum Job<E> {
    Commit(Vec<E>, Vec<Group>),
    /// The next group doesn't fit into the current segment.
    Rotate,
    /// The interval has gone by.
    Sync,
    /// Everything queued is committed: sync it for the flushes up to this one.
    Flush(u64),
    End,
    Poisoned(Poison),
}

impl<E: Entry, O: Observer<E>> Committer<E, O> {
    /// A committer that begins a run in this fresh segment.
    pub(crate) fn new(
        shared: Arc<Shared<E>>,
        observer: O,
        current: Segment,
        previous: Position,
    ) -> Self {
        Self {
            shared,
            observer,
            offset: BLOCK,
            number: 1,
            previous,
            synced: previous,
            current,
            dirty: None,
            builder: Builder::default(),
        }
    }

    /// Works until the journal is closed, and says where it ended.
    pub(crate) fn run(mut self) -> Result<Closing, Poison> {
        let _end = End(Arc::clone(&self.shared));
        loop {
            let done = match self.next_job() {
                Job::Commit(entries, groups) => self.commit(entries, &groups),
                Job::Rotate => self.rotate(),
                Job::Sync => self.sync(),
                Job::Flush(flush) => self.flush(flush),
                Job::End => match self.sync() {
                    Ok(()) => return Ok(self.closing()),
                    failed => failed,
                },
                Job::Poisoned(poison) => {
                    self.fail(Vec::new(), &poison);
                    return Err(poison);
                }
            };
            if let Err(poison) = done {
                // Whoever was first says why; what is queued is told by the next job.
                self.shared.poison(poison);
            }
        }
    }

    fn closing(&self) -> Closing {
        Closing {
            generation: self.current.header.generation,
            end: self.previous,
        }
    }

    fn next_job(&mut self) -> Job<E> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let mut linger_until = None;
        loop {
            let waited = std::mem::replace(&mut state.waits, Waits::No);
            if let Some(poison) = &state.poison {
                return Job::Poisoned(poison.clone());
            }
            let until_sync = self.until_sync();
            if until_sync.is_some_and(|left| left.is_zero()) {
                return Job::Sync;
            }
            let flushing = state.flushes.0 > state.flushes.1;
            let urged = flushing || state.closing;
            let (waits, left) = if state.queue.groups.is_empty() {
                if flushing {
                    return Job::Flush(state.flushes.0);
                }
                if state.closing {
                    return Job::End;
                }
                (Waits::Entry, None)
            } else {
                let (waits, left) = self.patience(&state, &mut linger_until);
                // Whoever has begun anew since has a turn of the next batch.
                if urged || left.is_zero() || waited == Waits::Rested {
                    shared.params.turns.await_rest(false);
                    return self.take(&mut state);
                }
                (waits, Some(left))
            };
            state.waits = waits;
            state = match left.into_iter().chain(until_sync).min() {
                None => shared
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    shared
                        .work
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// How long what is queued may wait, and for what.
    fn patience(&self, state: &State<E>, linger_until: &mut Option<Instant>) -> (Waits, Duration) {
        if state.queue.messages == 0 {
            let waited = state
                .queue
                .since
                .map_or(Duration::MAX, |since| since.elapsed());
            let left = self.shared.params.tick.saturating_sub(waited);
            return (Waits::Message, left);
        }
        let Params { turns, linger, .. } = &self.shared.params;
        // Before the look: whoever rests after it tells.
        turns.await_rest(true);
        if turns.at_work() == 0 {
            return (Waits::No, Duration::ZERO);
        }
        let now = Instant::now();
        let until = *linger_until.get_or_insert_with(|| now + *linger);
        (Waits::Rest, until.saturating_duration_since(now))
    }

    fn until_sync(&self) -> Option<Duration> {
        match (self.shared.params.sync, self.dirty) {
            (Syncing::Interval(interval), Some(since)) => {
                Some(interval.saturating_sub(since.elapsed()))
            }
            _ => None,
        }
    }

    fn take(&mut self, state: &mut State<E>) -> Job<E> {
        let (entries, groups) = state.queue.take(self.current.header.size - self.offset);
        if groups.is_empty() {
            return Job::Rotate;
        }
        let used = self.offset - BLOCK + in_file(HEADER_LEN) + payload(&groups);
        state
            .room
            .replay(used, state.queue.groups.iter().map(Group::cost));
        Job::Commit(entries, groups)
    }

    fn commit(&mut self, entries: Vec<E>, groups: &[Group]) -> Result<(), Poison> {
        let payload = payload(groups);
        let ends = match self.write(&entries, payload) {
            Ok(ends) => ends,
            Err(poison) => {
                self.shared.poison(poison.clone());
                self.fail(entries, &poison);
                return Err(poison);
            }
        };
        let mut state = self.shared.state();
        state.queue.bytes -= payload;
        self.note_durable(&mut state);
        let awaited = state.awaited;
        drop(state);
        if awaited {
            self.shared.tell_progress();
        }
        self.shared
            .committed
            .store(self.previous.0, Ordering::Release);
        self.observer.committed(Committed { entries, ends });
        Ok(())
    }

    /// Writes a batch and syncs it, if every batch is. Returns the positions behind its entries.
    fn write(&mut self, entries: &[E], payload: u64) -> Result<Vec<Position>, Poison> {
        let seed = self.current.header.seed();
        let position = self.current.header.position(self.offset);
        let mut ends = Vec::with_capacity(entries.len());
        self.builder.begin(seed, self.number);
        for entry in entries {
            self.builder.record(|out| entry.encode(out));
            ends.push(Position(position.0 + in_file(self.builder.len())));
        }
        let len = in_file(self.builder.len());
        if len != in_file(HEADER_LEN) + payload {
            let error = io::Error::new(
                io::ErrorKind::InvalidInput,
                "an entry was not as long as it had said",
            );
            return Err(Poison::new(Doing::Encode, &self.current.path, error));
        }
        let header = BatchHeader {
            len: in_file(HEADER_LEN),
            required: 0,
            generation: self.current.header.generation,
            number: self.number,
            position,
            previous: self.previous,
            synced: self.synced,
            payload: 0,
            records: 0,
        };
        self.builder.finish(header, seed);
        let end = self.offset + len;
        let padded = end.next_multiple_of(BLOCK);
        self.current
            .file
            .write_at(self.builder.padded(in_memory(padded - end)), self.offset)
            .map_err(|error| Poison::new(Doing::Write, &self.current.path, error))?;
        self.builder.shrink(BUFFER_KEPT);
        let written = padded - self.offset;
        self.offset = end;
        self.number += 1;
        self.previous = Position(position.0 + len);
        if self.shared.params.sync == Syncing::Always {
            self.sync_file(&*self.current.file, &self.current.path)?;
            self.synced = self.previous;
        } else {
            self.dirty.get_or_insert_with(Instant::now);
        }
        self.shared.counters.batch(entries.len(), len, written);
        Ok(ends)
    }

    /// Lets go of what a crash would now leave a later batch to.
    fn note_durable(&self, state: &mut State<E>) {
        // Without syncs there is no promise to keep, but segments must be recycled all the same.
        let durable = if self.shared.params.sync == Syncing::Never {
            self.previous
        } else {
            self.synced
        };
        state.durable = durable;
        state.pool.half_used = (self.offset - BLOCK) * 2 >= self.current.header.capacity();
        if state.pool.has_task(durable) {
            self.shared.prepare.notify_one();
        }
    }

    /// Goes on in the next segment, which the preparer has activated.
    fn rotate(&mut self) -> Result<(), Poison> {
        if matches!(self.shared.params.sync, Syncing::Interval(_)) {
            self.sync()?;
        }
        let mut state = self.shared.state();
        let next = loop {
            if state.poison.is_some() {
                return Ok(());
            }
            if let Some(next) = state.pool.next.take() {
                break next;
            }
            state = self
                .shared
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        let full = std::mem::replace(&mut self.current, next);
        self.offset = BLOCK;
        state.pool.sealed.push_back(Sealed {
            path: full.path,
            size: full.header.size,
            file: full.file,
            end: self.previous,
            synced: self.synced == self.previous,
        });
        state.pool.half_used = false;
        let State { room, queue, .. } = &mut *state;
        room.rotated();
        room.replay(0, queue.groups.iter().map(Group::cost));
        self.shared.prepare.notify_one();
        Ok(())
    }

    /// Syncs all that is written and isn't synced, in full segments too.
    fn sync(&mut self) -> Result<(), Poison> {
        if self.synced == self.previous {
            return Ok(());
        }
        let full: Vec<_> = {
            let state = self.shared.state();
            let unsynced = state.pool.sealed.iter().filter(|sealed| !sealed.synced);
            unsynced
                .map(|sealed| (Arc::clone(&sealed.file), sealed.path.clone()))
                .collect()
        };
        for (file, path) in &full {
            self.sync_file(&**file, path)?;
        }
        self.sync_file(&*self.current.file, &self.current.path)?;
        self.synced = self.previous;
        self.dirty = None;
        let mut state = self.shared.state();
        for sealed in &mut state.pool.sealed {
            sealed.synced = true;
        }
        self.note_durable(&mut state);
        Ok(())
    }

    fn sync_file(&self, file: &dyn File, path: &Path) -> Result<(), Poison> {
        let began = Instant::now();
        file.sync_data()
            .map_err(|error| Poison::new(Doing::Sync, path, error))?;
        self.shared.counters.sync(began.elapsed());
        Ok(())
    }

    fn flush(&mut self, flush: u64) -> Result<(), Poison> {
        self.sync()?;
        self.shared.state().flushes.1 = flush;
        self.shared.done.notify_all();
        Ok(())
    }

    /// Tells the entries of the batch that failed, and all that wait. Nothing is taken any more by now.
    fn fail(&mut self, mut entries: Vec<E>, poison: &Poison) {
        let mut state = self.shared.state();
        entries.append(&mut state.queue.entries);
        state.queue.groups.clear();
        state.queue.bytes = 0;
        drop(state);
        if !entries.is_empty() {
            self.observer.failed(entries, poison);
        }
    }
}

fn payload(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.payload).sum()
}

/// Tells the others that the committer is gone, also when the observer or an entry has panicked.
struct End<E>(Arc<Shared<E>>);

impl<E> Drop for End<E> {
    fn drop(&mut self) {
        if thread::panicking() {
            let error = io::Error::other("the observer or an entry panicked");
            self.0
                .poison(Poison::new(Doing::Panic, &self.0.params.dir, error));
        }
        let mut state = self.0.state();
        state.ended = true;
        // Whoever waits for one of these learns by its end. It may be any code: not under the lock.
        let entries = std::mem::take(&mut state.queue.entries);
        drop(state);
        self.0.prepare.notify_one();
        self.0.done.notify_all();
        self.0.tell_progress();
        drop(entries);
    }
}
