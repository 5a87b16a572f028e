//! Targets that have other names: what waits for `was:` goes to its heir.
//!
//! From a position in the journal on, what is accepted for the old name is the heir's, in the
//! order of acceptance: the committer offers it to the heir's feed, and it is posted under the
//! heir's name. What was accepted before stays under the old name, also where it isn't posted yet,
//! until the posting thread moves it, chunk by chunk: then the heir's lane reads it by due times.
//! So nothing is given twice, or not at all, whether that lane keeps up or not.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fanway_store::{Backlog, Error};
use fanway_types::TargetName;

use crate::commons::Commons;
use crate::receipt::Waiting;
use crate::tail::Ticket;

/// The other names that targets have.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// Counted up by each change.
    version: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the old name.
    heirs: HashMap<TargetName, Heir>,
    /// What isn't wholly moved yet, the earliest first.
    under_way: Vec<Adoption>,
}

#[derive(Debug)]
struct Heir {
    name: TargetName,
    /// What was accepted behind this position is the heir's.
    from: u64,
}

/// What waits under an old name and is to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adoption {
    pub(crate) old: TargetName,
    /// Nothing is accepted under the old name behind this position.
    pub(crate) until: u64,
    /// What the old name's last lane has recorded must be posted first.
    pub(crate) gate: Ticket,
}

impl Aliases {
    /// Tells whether anything has changed since it was last asked.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The name that a target goes by.
    pub(crate) fn now<'n>(&self, name: &'n TargetName) -> Cow<'n, TargetName> {
        self.at(name, u64::MAX)
    }

    /// The name that a target goes by for a message at this place in the order of acceptance.
    pub(crate) fn at<'n>(&self, name: &'n TargetName, seq: u64) -> Cow<'n, TargetName> {
        let mut known = Cow::Borrowed(name);
        if self.version() == 0 {
            return known;
        }
        let state = self.state();
        while let Some(heir) = state.heirs.get(&*known).filter(|heir| heir.from < seq) {
            known = Cow::Owned(heir.name.clone());
        }
        known
    }

    /// Makes `heir` of all that is accepted for `adoption.old` behind its position. Neither goes by
    /// another name.
    fn add(&self, adoption: Adoption, heir: TargetName) {
        let mut state = self.state();
        let from = adoption.until;
        let old = adoption.old.clone();
        state.under_way.push(adoption);
        state.heirs.insert(old, Heir { name: heir, from });
        self.version.fetch_add(1, Ordering::Release);
    }

    /// What isn't wholly moved yet.
    pub(crate) fn under_way(&self) -> Vec<Adoption> {
        if self.version() == 0 {
            return Vec::new();
        }
        self.state().under_way.clone()
    }

    /// Notes that all is moved.
    pub(crate) fn done(&self, adoption: &Adoption) {
        self.state().under_way.retain(|known| known != adoption);
    }

    /// What waits for each target by the name that it goes by.
    pub(crate) fn of_heirs(&self, backlogs: Vec<Backlog>) -> Vec<Backlog> {
        if self.version() == 0 {
            return backlogs;
        }
        let mut of_heirs: BTreeMap<TargetName, Backlog> = BTreeMap::new();
        for backlog in backlogs {
            let target = self.now(&backlog.target).into_owned();
            match of_heirs.entry(target.clone()) {
                Entry::Vacant(free) => {
                    free.insert(Backlog { target, ..backlog });
                }
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.pending += backlog.pending;
                    known.dead += backlog.dead;
                    known.oldest = known.oldest.into_iter().chain(backlog.oldest).min();
                }
            }
        }
        of_heirs.into_values().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commons {
    /// Makes `old` another name for `heir`. Nothing happens where it is that already.
    pub(crate) fn adopt(&self, old: &TargetName, heir: &TargetName) -> Result<(), Error> {
        // Nothing is committed, and no lane is opened, while this is locked.
        let tail = self.tail();
        let old_name = self.aliases.now(old).into_owned();
        let heir = self.aliases.now(heir).into_owned();
        if old_name == heir {
            return Ok(());
        }
        let feed = self.feed(&old_name);
        let gate = {
            let state = feed.state();
            if state.open {
                return Err(Error::LaneTaken(old.clone()));
            }
            state.gate
        };
        let adoption = Adoption {
            old: old_name,
            until: tail.committed(),
            gate,
        };
        self.aliases.add(adoption, heir.clone());
        let heirs_feed = self.feed(&heir);
        let called_off = feed.take_called_off();
        let wakers: Vec<_> = called_off
            .into_iter()
            .filter_map(|called_off| heirs_feed.call_off(called_off))
            .collect();
        drop(tail);
        wakers.into_iter().for_each(Waiting::wake);
        Ok(())
    }
}
