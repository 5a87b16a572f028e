//! Whose turn it is: which of the threads that append are at work.
//!
//! A thread that is at work may append more in the same turn, and whoever waits for what it has appended can't be
//! served by it before it rests. So the committer waits, a little, until nobody is at work, and commits what whole
//! turns have brought. What a turn is only the owner of a thread knows: this counts, and wakes.
//!
//! No wake-up is lost: the committer says that it waits before it looks at the count, and a thread looks whether
//! somebody waits after it has counted itself out; then it takes the lock that the committer looks under.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Counts the threads that append to a journal and are at work. Clones count together.
///
/// It serves one journal at a time: the last one that was started with it.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    count: Arc<Count>,
}

/// A thread's own part of [`Turns`]. It rests until it [begins](Self::begin) a turn, and again once it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    at_work: AtomicBool,
}

/// Is told that nobody is at work any more.
pub(crate) trait Rested: Send + Sync {
    fn rested(&self);
}

#[derive(Default)]
struct Count {
    at_work: AtomicUsize,
    /// Whether the committer waits until nobody is at work.
    is_awaited: AtomicBool,
    committer: Mutex<Option<Weak<dyn Rested>>>,
}

impl Turns {
    /// The part of a thread, which rests.
    #[must_use]
    pub fn thread(&self) -> Turn {
        Turn {
            turns: self.clone(),
            at_work: AtomicBool::new(false),
        }
    }

    /// How many threads are at work.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.count.at_work.load(Ordering::SeqCst)
    }

    /// From now on this one is told.
    pub(crate) fn serve(&self, committer: Weak<dyn Rested>) {
        *self.count.committer() = Some(committer);
    }

    /// Says whether the committer is to be told when nobody is at work any more. It asks
    /// [`at_work`](Self::at_work) after it has said yes.
    pub(crate) fn await_rest(&self, is_awaited: bool) {
        self.count.is_awaited.store(is_awaited, Ordering::SeqCst);
    }
}

impl Turn {
    /// The thread is at work from now on. Nothing where it is already.
    pub fn begin(&self) {
        if !self.at_work.swap(true, Ordering::Relaxed) {
            self.turns.count.at_work.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The thread rests from now on: it appends nothing before it begins again. Nothing where it does already.
    pub fn end(&self) {
        if self.at_work.swap(false, Ordering::Relaxed) {
            self.turns.count.leave();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

impl Count {
    fn leave(&self) {
        let was_last = self.at_work.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.is_awaited.load(Ordering::SeqCst) {
            let committer = self.committer().as_ref().and_then(Weak::upgrade);
            if let Some(committer) = committer {
                committer.rested();
            }
        }
    }

    fn committer(&self) -> MutexGuard<'_, Option<Weak<dyn Rested>>> {
        self.committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Count")
            .field("at_work", &self.at_work)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn a_thread_is_counted_once_however_often_it_begins_or_ends() {
        let turns = Turns::default();
        let (first, second) = (turns.thread(), turns.thread());
        assert_eq!(turns.at_work(), 0);
        first.begin();
        first.begin();
        second.begin();
        assert_eq!(turns.at_work(), 2);
        first.end();
        first.end();
        assert_eq!(turns.at_work(), 1);
    }

    #[test]
    fn a_thread_that_dies_rests() {
        let turns = Turns::default();
        let turn = turns.thread();
        let died = std::thread::spawn(move || {
            turn.begin();
            panic!("as it is meant to");
        });
        assert!(died.join().is_err());
        assert_eq!(turns.at_work(), 0);
    }
}
