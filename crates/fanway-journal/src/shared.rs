//! What the handle, the committer and the preparer share: one lock, and who is woken by whom.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::entry::{Class, Entry, Rejected};
use crate::format::{HEADER_LEN, RECORD_OVERHEAD};
use crate::fs::{Fs, Lock};
use crate::params::Params;
use crate::poison::Poison;
use crate::pool::Pool;
use crate::position::Position;
use crate::room::Room;
use crate::stats::Counters;
use crate::turns::Rested;
use crate::width::in_file;

#[derive(Debug)]
pub(crate) struct Shared<E> {
    pub(crate) params: Params,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) counters: Counters,
    /// The end of the last committed batch, for readers without the lock.
    pub(crate) committed: AtomicU64,
    /// Given back when the last thread and handle are gone.
    _lock: Box<dyn Lock>,
    state: Mutex<State<E>>,
    /// The committer waits for entries, or for the next segment.
    pub(crate) work: Condvar,
    /// The preparer waits for something to prepare.
    pub(crate) prepare: Condvar,
    /// Handles wait for a flush, or for the preparer to have done what it can.
    pub(crate) done: Condvar,
}

#[derive(Debug)]
pub(crate) struct State<E> {
    pub(crate) queue: Queue<E>,
    pub(crate) room: Room,
    pub(crate) pool: Pool,
    /// What the committer waits for.
    pub(crate) waits: Waits,
    pub(crate) poison: Option<Poison>,
    /// The end of the last batch that a crash leaves.
    pub(crate) durable: Position,
    /// Nothing is taken any more; the committer ends when the queue is empty.
    pub(crate) closing: bool,
    /// How many flushes were asked for, and how many of these are done.
    pub(crate) flushes: (u64, u64),
    /// The preparer does nothing, and will do nothing until it is woken.
    pub(crate) idle: bool,
    /// Somebody was refused while room was being prepared, and is to be told.
    pub(crate) awaited: bool,
    /// The committer has ended: the preparer is to follow.
    pub(crate) ended: bool,
}

/// What the committer waits for: it is woken for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// It doesn't.
    No,
    /// Any entry.
    Entry,
    /// A message.
    Message,
    /// That nobody is at work.
    Rest,
    /// For nothing more: nobody was at work while it waited for that.
    Rested,
}

/// Entries that wait to be committed, in order, and which of them belong together.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    pub(crate) entries: Vec<E>,
    pub(crate) groups: Vec<Group>,
    /// Entries of [`Class::Message`].
    pub(crate) messages: usize,
    /// Bytes that wait, those of the batch being written included.
    pub(crate) bytes: u64,
    /// When the oldest outcome came, while there are only outcomes.
    pub(crate) since: Option<Instant>,
}

/// Entries that are recovered all or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) entries: usize,
    /// Bytes of the records.
    pub(crate) payload: u64,
    pub(crate) class: Class,
}

impl Group {
    /// Bytes that the group takes as a batch of its own.
    pub(crate) fn cost(&self) -> u64 {
        self.payload + in_file(HEADER_LEN)
    }
}

impl<E> Queue<E> {
    fn push(&mut self, entries: impl Iterator<Item = E>, group: Group) {
        self.entries.extend(entries);
        self.groups.push(group);
        self.bytes += group.payload;
        match group.class {
            Class::Message => self.messages += group.entries,
            Class::Outcome if self.since.is_none() => self.since = Some(Instant::now()),
            Class::Outcome => {}
        }
    }

    /// The first groups that together fit into `capacity` bytes, header included.
    pub(crate) fn take(&mut self, capacity: u64) -> (Vec<E>, Vec<Group>) {
        let mut left = capacity.saturating_sub(in_file(HEADER_LEN));
        let (mut groups, mut entries) = (0, 0);
        for group in &self.groups {
            let Some(rest) = left.checked_sub(group.payload) else {
                break;
            };
            left = rest;
            groups += 1;
            entries += group.entries;
        }
        let taken_groups = take_first(&mut self.groups, groups);
        let taken_entries = take_first(&mut self.entries, entries);
        self.messages -= messages(&taken_groups);
        if self.groups.is_empty() {
            self.since = None;
        }
        (taken_entries, taken_groups)
    }
}

/// Takes the first `count` off. There is room for as many again, which are likely to come.
fn take_first<T>(items: &mut Vec<T>, count: usize) -> Vec<T> {
    let mut later = Vec::with_capacity(items.len());
    later.extend(items.drain(count..));
    std::mem::replace(items, later)
}

/// Entries in these groups that somebody waits for.
pub(crate) fn messages(groups: &[Group]) -> usize {
    groups
        .iter()
        .filter(|group| group.class == Class::Message)
        .map(|group| group.entries)
        .sum()
}

impl<E> Shared<E> {
    pub(crate) fn new(params: Params, fs: Arc<dyn Fs>, lock: Box<dyn Lock>, pool: Pool) -> Self {
        let begin = pool.trimmed();
        let mut room = Room::new(params.capacity());
        for _ in 0..pool.ready() {
            room.prepared();
        }
        let queue = Queue {
            entries: Vec::new(),
            groups: Vec::new(),
            messages: 0,
            bytes: 0,
            since: None,
        };
        let state = State {
            queue,
            room,
            pool,
            waits: Waits::No,
            poison: None,
            durable: begin,
            closing: false,
            flushes: (0, 0),
            idle: false,
            awaited: false,
            ended: false,
        };
        Self {
            params,
            fs,
            counters: Counters::default(),
            committed: AtomicU64::new(begin.0),
            _lock: lock,
            state: Mutex::new(state),
            work: Condvar::new(),
            prepare: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// The state. No code of the caller's runs under the lock, so that nothing can be half done in it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the journal, unless it is stopped: the first cause is the one that counts.
    pub(crate) fn poison(&self, poison: Poison) {
        self.state().poison.get_or_insert(poison);
        self.work.notify_one();
        self.prepare.notify_one();
        self.done.notify_all();
        self.tell_progress();
    }

    /// Tells whoever was refused while room was being prepared. Not under the lock: it may be any code.
    pub(crate) fn tell_progress(&self) {
        let awaited = std::mem::take(&mut self.state().awaited);
        if awaited {
            self.params.progress.tell();
        }
    }

    pub(crate) fn committed(&self) -> Position {
        Position(self.committed.load(Ordering::Acquire))
    }
}

impl<E> State<E> {
    /// Whether more room is on its way: the preparer is at work or will be, or will be once what waits is written and
    /// has filled a segment. [`Shared::tell_progress`] follows whatever comes of it.
    pub(crate) fn is_preparing(&self) -> bool {
        let at_work = !self.idle || self.pool.has_task(self.durable);
        let will_be = self.queue.bytes > 0 && self.pool.can_follow();
        self.pool.starved.is_none() && (at_work || will_be)
    }
}

impl<E: Entry> Rested for Shared<E> {
    fn rested(&self) {
        // Under the lock: the committer either hasn't looked yet, or waits by now.
        let mut state = self.state();
        if state.waits == Waits::Rest {
            state.waits = Waits::Rested;
            drop(state);
            self.work.notify_one();
        }
    }
}

impl<E: Entry> Shared<E> {
    /// Queues a group, or says why not.
    pub(crate) fn append(
        &self,
        entries: impl Iterator<Item = E>,
        sizes: Sizes,
        class: Class,
    ) -> Result<(), Rejected> {
        let group = Group {
            entries: sizes.entries,
            payload: sizes.payload,
            class,
        };
        let mut state = self.state();
        self.admit(&mut state, &group)
            .inspect_err(|_| self.counters.refused())?;
        state.queue.push(entries, group);
        let wake = match state.waits {
            Waits::No | Waits::Rest | Waits::Rested => false,
            Waits::Entry => true,
            Waits::Message => class == Class::Message,
        };
        if wake {
            state.waits = Waits::No;
            drop(state);
            self.work.notify_one();
        }
        Ok(())
    }

    fn admit(&self, state: &mut State<E>, group: &Group) -> Result<(), Rejected> {
        if let Some(poison) = &state.poison {
            return Err(Rejected::Poisoned(poison.clone()));
        }
        if state.closing {
            return Err(Rejected::Closed);
        }
        let limit = self.params.capacity();
        if group.cost() > limit {
            return Err(Rejected::TooLarge {
                size: group.cost(),
                limit,
            });
        }
        let (most, keep) = match group.class {
            Class::Message => (self.params.max_queued, self.params.reserve),
            Class::Outcome => (self.params.max_queued.saturating_mul(2), 0),
        };
        let queued = state.queue.bytes;
        // A group that is larger than the limit by itself goes alone.
        if queued > 0 && queued + group.payload > most {
            return Err(Rejected::QueueFull { queued });
        }
        if state.room.admit(group.cost(), keep) {
            return Ok(());
        }
        Err(self.no_room(state, group.class))
    }

    /// Why there is no room, and has more of it made where it can be.
    fn no_room(&self, state: &mut State<E>, class: Class) -> Rejected {
        state.pool.press();
        if state.pool.has_task(state.durable) {
            self.prepare.notify_one();
        }
        if !state.is_preparing() {
            return Rejected::Full { class };
        }
        state.awaited = true;
        Rejected::Preparing { class }
    }
}

/// What a group will take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) entries: usize,
    /// Bytes of the records, with what goes before each.
    pub(crate) payload: u64,
}

impl Sizes {
    pub(crate) fn of<E: Entry>(entries: &[E]) -> Self {
        let payload = entries
            .iter()
            .map(|entry| in_file(entry.size() + RECORD_OVERHEAD))
            .sum();
        Self {
            entries: entries.len(),
            payload,
        }
    }
}
