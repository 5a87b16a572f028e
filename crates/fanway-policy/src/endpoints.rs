//! Which of a target's endpoints an attempt goes to, and which of them are left out for a time.
//!
//! An endpoint is up, ejected (its own attempts have failed in a row) or down (its checks have
//! failed in a row). Attempts go to those that are up; where none is, all are used, since to try is
//! better than not to. What is known of an endpoint is known by its name, and stays while a config
//! that still has it replaces another.
//!
//! A [`Roster`] counts what is in flight and keeps all of that. It makes no attempts, no checks, and
//! judges none: it is told how they ended.

mod choice;
pub mod eject;
pub mod health;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

pub use choice::{Balance, BalanceError};

/// How a target's endpoints are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// How one of them is chosen.
    pub balance: Balance,
    /// When one is left out because its attempts fail.
    pub eject: eject::Params,
    /// When one is left out because its checks fail; `None` where there are no checks.
    pub health: Option<health::Params>,
}

/// An endpoint as a config names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name, which no other of the target's has.
    pub name: Arc<str>,
    /// Its share of the attempts, in proportion to the others' weights.
    pub weight: NonZeroU32,
}

/// An endpoint, as long as it is in use: no other ever has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u32);

/// How an attempt ended, as far as it speaks of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The endpoint does its work.
    Well,
    /// It doesn't.
    Ill,
    /// It says itself that it won't any more.
    Gone,
    /// Nothing can be told from it.
    Nothing,
}

/// Where an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Attempts go to it.
    Up,
    /// Its attempts have failed, and it is left out until then.
    Ejected {
        /// When attempts go to it again.
        until: Instant,
    },
    /// Its checks fail, and it is left out until they don't.
    Down,
}

/// An endpoint as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: Arc<str>,
    /// Its weight.
    pub weight: NonZeroU32,
    /// Where it stands.
    pub state: State,
    /// Attempts that are under way.
    pub in_flight: u32,
}

/// A target's endpoints, and what is known of them. There is at least one.
#[derive(Debug)]
pub struct Roster {
    params: Params,
    entries: Vec<Entry>,
    next_id: u32,
    /// Those that may be chosen, while one is.
    candidates: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    id: Id,
    named: Named,
    in_flight: u32,
    /// How far it is ahead of its share, for taking turns.
    credit: i64,
    ejection: eject::Watch,
    health: health::Watch,
}

impl Entry {
    fn state(&self, now: Instant) -> State {
        match self.ejection.until(now) {
            _ if self.health.is_down() => State::Down,
            Some(until) => State::Ejected { until },
            None => State::Up,
        }
    }
}

impl Roster {
    /// The endpoints of a target, of which nothing is known.
    ///
    /// # Panics
    /// Where there are none.
    #[must_use]
    pub fn new(params: Params, endpoints: Vec<Named>) -> Self {
        let mut roster = Self {
            params: params.clone(),
            entries: Vec::new(),
            next_id: 0,
            candidates: Vec::new(),
        };
        roster.reconfigure(params, endpoints);
        roster
    }

    /// Takes over what another config says. Of an endpoint that stays all is kept that is known,
    /// but for its checks where there are none any more.
    ///
    /// # Panics
    /// Where there are no endpoints.
    pub fn reconfigure(&mut self, params: Params, endpoints: Vec<Named>) {
        assert!(!endpoints.is_empty(), "a target has an endpoint");
        let mut before = std::mem::take(&mut self.entries);
        let is_checked = params.health.is_some();
        for named in endpoints {
            let known = before
                .iter()
                .position(|entry| entry.named.name == named.name);
            let mut entry = match known {
                Some(at) => before.swap_remove(at),
                None => self.new_entry(&named),
            };
            entry.named = named;
            if !is_checked {
                entry.health = health::Watch::default();
            }
            self.entries.push(entry);
        }
        self.params = params;
    }

    fn new_entry(&mut self, named: &Named) -> Entry {
        self.next_id += 1;
        Entry {
            id: Id(self.next_id),
            named: named.clone(),
            in_flight: 0,
            credit: 0,
            ejection: eject::Watch::default(),
            health: health::Watch::default(),
        }
    }

    /// The endpoints, in the order of the config.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        self.entries.iter().map(|entry| entry.id)
    }

    /// Where they stand, in the order of the config.
    pub fn views(&self, now: Instant) -> impl Iterator<Item = View> {
        self.entries.iter().map(move |entry| View {
            name: Arc::clone(&entry.named.name),
            weight: entry.named.weight,
            state: entry.state(now),
            in_flight: entry.in_flight,
        })
    }

    /// The same, but for what the config says.
    pub fn states(&self, now: Instant) -> impl Iterator<Item = (State, u32)> {
        let entries = self.entries.iter();
        entries.map(move |entry| (entry.state(now), entry.in_flight))
    }

    /// Chooses the endpoint of an attempt, which is in flight from then on, until it has
    /// [`ended`](Self::ended) or was [left](Self::left). It is another than `avoid`, where another
    /// is up.
    pub fn choose(&mut self, avoid: Option<Id>, now: Instant, rng: &mut impl Rng) -> Id {
        self.find_candidates(avoid, now);
        let at = self.choose_candidate(rng);
        let chosen = &mut self.entries[at];
        chosen.in_flight += 1;
        chosen.id
    }

    /// Those that are up, without the one to avoid where others are; all where none is.
    fn find_candidates(&mut self, avoid: Option<Id>, now: Instant) {
        let Self {
            entries,
            candidates,
            ..
        } = self;
        let up = |at: &usize| entries[*at].state(now) == State::Up;
        candidates.clear();
        candidates.extend((0..entries.len()).filter(up));
        if candidates.is_empty() {
            candidates.extend(0..entries.len());
        }
        if candidates.len() > 1 {
            candidates.retain(|at| Some(entries[*at].id) != avoid);
        }
    }

    /// An attempt is over. Returns whether its endpoint failed and is left out now while others are
    /// used: then it says nothing of the target as a whole.
    pub fn ended(&mut self, id: Id, began: Instant, sign: Sign, now: Instant) -> bool {
        let others = self.others_up(id, now);
        let params = self.params.eject.clone();
        let is_ill = matches!(sign, Sign::Ill | Sign::Gone);
        let Some(entry) = self.entry(id) else {
            return is_ill;
        };
        entry.in_flight = entry.in_flight.saturating_sub(1);
        match sign {
            Sign::Well => entry.ejection.succeeded(began),
            Sign::Ill => entry.ejection.failed(&params, began, now, others > 0),
            Sign::Gone => entry.ejection.gone(&params, began, now, others > 0),
            Sign::Nothing => {}
        }
        is_ill && others > 0 && entry.state(now) != State::Up
    }

    /// An attempt was broken off.
    pub fn left(&mut self, id: Id) {
        if let Some(entry) = self.entry(id) {
            entry.in_flight = entry.in_flight.saturating_sub(1);
        }
    }

    /// A check is over.
    pub fn checked(&mut self, id: Id, passed: bool) {
        let Some(params) = self.params.health.clone() else {
            return;
        };
        if let Some(entry) = self.entry(id) {
            entry.health.checked(&params, passed);
        }
    }

    fn others_up(&self, id: Id, now: Instant) -> usize {
        let others = self.entries.iter().filter(|entry| entry.id != id);
        others.filter(|entry| entry.state(now) == State::Up).count()
    }

    fn entry(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }
}

#[cfg(test)]
mod tests;
