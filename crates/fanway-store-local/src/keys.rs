//! The recent idempotency keys, in memory: of those with the same key that are accepted at once,
//! one goes on.
//!
//! A key is *taken* before its message is handed to the journal, and *known* once that is durable.
//! It may be forgotten here once it is posted; while any that was forgotten hasn't expired, a key
//! that isn't here has to be looked up in the ledger, and is taken meanwhile. A key that the journal
//! didn't take is given back; one of which nobody can say whether it did stays taken until the
//! next start.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_store::accept;
use fanway_types::{Fingerprint, IdempotencyKey, KeyHash, Message, MessageId, Timestamp};
use foldhash::HashMap;

/// The keys of one store.
#[derive(Debug)]
pub(crate) struct Keys {
    state: Mutex<State>,
    /// How many are kept here, but for those that the ledger doesn't have yet.
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The hashes are of a kind that no sender can choose keys for so that they collide.
    held: HashMap<KeyHash, Held>,
    /// Those that may be forgotten; what expires first goes first, so that look-ups end soonest.
    posted: BTreeSet<(Timestamp, KeyHash)>,
    /// A key that isn't here may be in the ledger until this time.
    elsewhere: Timestamp,
}

/// A key and the message that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) message: MessageId,
    pub(crate) fingerprint: Fingerprint,
    /// The key is anybody's after this time.
    pub(crate) until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    by: Holder,
    how: How,
}

/// How firmly a key is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// The message is on its way into the journal.
    Taken,
    /// The message is durable.
    Known,
    /// The ledger has it.
    Posted,
}

impl Holder {
    /// A message as the holder of its key.
    pub(crate) fn new(message: MessageId, key: &IdempotencyKey) -> Self {
        Self {
            message,
            fingerprint: key.fingerprint,
            until: key.until,
        }
    }

    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.until < now
    }

    /// Why a request with this fingerprint isn't accepted under the same key.
    fn refuses(&self, fingerprint: Fingerprint) -> accept::Error {
        if self.fingerprint == fingerprint {
            accept::Error::Repeated {
                accepted: self.message,
            }
        } else {
            accept::Error::KeyTaken
        }
    }
}

impl Keys {
    /// Keys that the ledger has, `most` at most; `elsewhere` is until when it has others.
    pub(crate) fn new(known: Vec<(KeyHash, Holder)>, elsewhere: Timestamp, most: usize) -> Self {
        let mut state = State {
            elsewhere,
            ..State::default()
        };
        for (hash, by) in known {
            state.put_posted(hash, by);
        }
        Self {
            state: Mutex::new(state),
            most,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are here.
    pub(crate) fn len(&self) -> usize {
        self.state().held.len()
    }

    /// Takes the keys of a group of messages, all or none. A group has no key twice.
    pub(crate) fn take(
        self: &Arc<Self>,
        messages: &[Arc<Message>],
        now: Timestamp,
    ) -> Result<Taken, accept::Error> {
        let wanted = holders(messages);
        // Given back when this is left early.
        let mut taken = Taken {
            keys: Arc::clone(self),
            holders: Vec::with_capacity(wanted.len()),
            unsure: Vec::new(),
        };
        let mut state = self.state();
        for (hash, holder) in wanted {
            if let Err(error) = state.take(hash, holder, now) {
                drop(state);
                let is_ours = taken.holders.iter().any(|(ours, _)| *ours == hash);
                return Err(if is_ours {
                    accept::Error::KeyTaken
                } else {
                    error
                });
            }
            taken.holders.push((hash, holder));
            if now <= state.elsewhere {
                taken.unsure.push(hash);
            }
        }
        drop(state);
        Ok(taken)
    }

    /// Notes that these messages are durable.
    pub(crate) fn note_durable(&self, messages: &[Arc<Message>]) {
        if messages.is_empty() {
            return;
        }
        let durable = holders(messages);
        let mut state = self.state();
        for (hash, holder) in durable {
            let held = state.held.get_mut(&hash);
            if let Some(held) = held.filter(|held| held.by == holder && held.how == How::Taken) {
                held.how = How::Known;
            }
        }
    }

    /// Notes that the ledger has the keys of these messages, and forgets some where there are too
    /// many, and those whose time is over.
    pub(crate) fn note_posted(&self, messages: &[Arc<Message>], now: Timestamp) {
        let posted = holders(messages);
        let mut state = self.state();
        for (hash, holder) in posted {
            let is_held = state.held.get(&hash).is_some_and(|held| held.by == holder);
            if is_held {
                state.put_posted(hash, holder);
            }
        }
        state.forget(self.most, now);
    }
}

impl State {
    /// Takes a key for a message, where nobody holds it.
    fn take(&mut self, hash: KeyHash, by: Holder, now: Timestamp) -> Result<(), accept::Error> {
        if let Some(held) = self.held.get(&hash)
            && !held.by.has_expired(now)
        {
            return Err(match held.how {
                How::Taken => accept::Error::KeyBusy,
                How::Known | How::Posted => held.by.refuses(by.fingerprint),
            });
        }
        let how = How::Taken;
        if let Some(expired) = self.held.insert(hash, Held { by, how }) {
            self.posted.remove(&(expired.by.until, hash));
        }
        Ok(())
    }

    /// Gives back what a message has taken, unless it is known by now.
    fn give_back(&mut self, hash: KeyHash, by: Holder) {
        let held = self.held.get(&hash);
        if held.is_some_and(|held| held.by == by && held.how == How::Taken) {
            self.held.remove(&hash);
        }
    }

    fn put_posted(&mut self, hash: KeyHash, by: Holder) {
        let how = How::Posted;
        self.held.insert(hash, Held { by, how });
        self.posted.insert((by.until, hash));
    }

    fn forget(&mut self, most: usize, now: Timestamp) {
        while let Some((until, hash)) = self.posted.first().copied() {
            let has_expired = until < now;
            if !has_expired && self.held.len() <= most {
                return;
            }
            self.posted.pop_first();
            self.held.remove(&hash);
            if !has_expired {
                self.elsewhere = self.elsewhere.max(until);
            }
        }
    }
}

/// The keys of messages, as far as these have any.
fn holders(messages: &[Arc<Message>]) -> Vec<(KeyHash, Holder)> {
    let keyed = messages.iter().filter_map(|message| {
        let key = message.terms.key.as_ref()?;
        Some((key.hash(), Holder::new(message.id, key)))
    });
    keyed.collect()
}

/// The keys that a group of messages has taken. They are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    keys: Arc<Keys>,
    holders: Vec<(KeyHash, Holder)>,
    unsure: Vec<KeyHash>,
}

impl Taken {
    /// Those that have to be looked up in the ledger before anything is accepted.
    pub(crate) fn unsure(&self) -> &[KeyHash] {
        &self.unsure
    }

    /// Takes in what the ledger has of those that were unsure.
    ///
    /// # Errors
    /// Where it has one that hasn't expired.
    pub(crate) fn settle(
        &mut self,
        found: &[(KeyHash, Holder)],
        now: Timestamp,
    ) -> Result<(), accept::Error> {
        self.unsure.clear();
        let mut refused = None;
        let mut state = self.keys.state();
        for (hash, known) in found.iter().filter(|(_, known)| !known.has_expired(now)) {
            let place = self.holders.iter().position(|(taken, _)| taken == hash);
            let Some(place) = place else { continue };
            let (_, holder) = self.holders.swap_remove(place);
            refused.get_or_insert(known.refuses(holder.fingerprint));
            // The next one that asks is told at once.
            state.put_posted(*hash, *known);
        }
        state.forget(self.keys.most, now);
        refused.map_or(Ok(()), Err)
    }

    /// Leaves them taken: the journal has the messages.
    pub(crate) fn keep(mut self) {
        self.holders.clear();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.holders.is_empty() {
            return;
        }
        let mut state = self.keys.state();
        for (hash, holder) in &self.holders {
            state.give_back(*hash, *holder);
        }
    }
}

#[cfg(test)]
mod tests;
