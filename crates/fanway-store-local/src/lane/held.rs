//! What a lane has, and what it passes over when it reads.
//!
//! Fresh deliveries are read once, by their place, so those that the lane has need only be known
//! when their message is called off. All else may be read again: it is passed over until the
//! ledger shows its last outcome.

use std::collections::VecDeque;

use fanway_types::DeliveryId;
use foldhash::{HashMap, HashSet};

use crate::cancel::CalledOff;
use crate::tail::Ticket;

/// What a lane has, and what it passes over. No sender chooses what a delivery's id is.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Handed out as fresh, and nothing recorded of it: each delivery comes by here.
    fresh: HashSet<DeliveryId>,
    /// What else is passed over, and why.
    others: HashMap<DeliveryId, Why>,
    /// What was let go, each with the entry that the ledger has to show first.
    released: VecDeque<(Ticket, DeliveryId)>,
}

/// Why a delivery is passed over.
#[derive(Debug)]
enum Why {
    /// The lane has it.
    InLane,
    /// It was called off, and the lane is to end it.
    CalledOff(Box<CalledOff>),
    /// The ledger doesn't show yet that it is to be attempted again, and how many attempts were
    /// made.
    LetGo(Ticket, u32),
    /// The ledger doesn't show its end yet.
    Ended(Ticket),
}

/// What is to become of a delivery that was called off.
#[derive(Debug)]
pub(super) enum Fate {
    /// The lane's caller has it, and is told.
    Told,
    /// Nobody has it: it ends here.
    Ends,
    /// Nothing: it has ended, or the caller was told already.
    Nothing,
}

impl Held {
    /// Notes that a delivery is handed out.
    pub(super) fn hand_out(&mut self, delivery: DeliveryId) {
        if !self.others.contains_key(&delivery) {
            self.fresh.insert(delivery);
        }
    }

    /// Takes in one that was due; false where it is passed over.
    pub(super) fn take_in(&mut self, delivery: DeliveryId) -> bool {
        let is_new = !self.passes_over(delivery);
        if is_new {
            self.others.insert(delivery, Why::InLane);
        }
        is_new
    }

    /// Whether it is passed over when it is read.
    pub(super) fn passes_over(&self, delivery: DeliveryId) -> bool {
        self.others.contains_key(&delivery)
    }

    /// Forgets one that the lane has and of which nothing was recorded: the ledger hands it out again.
    pub(super) fn forget(&mut self, delivery: DeliveryId) {
        if let Some(Why::InLane) = self.others.get(&delivery) {
            self.others.remove(&delivery);
        }
    }

    /// Those of [`others`](Self::others) that were let go.
    pub(super) fn let_go_of(&self) -> HashSet<DeliveryId> {
        let others = self.others.iter();
        let let_go = others.filter(|(_, why)| matches!(why, Why::LetGo(..)));
        let_go.map(|(delivery, _)| *delivery).collect()
    }

    /// All that is passed over where deliveries are read by their due time.
    pub(super) fn others(&self) -> HashSet<DeliveryId> {
        self.others.keys().copied().collect()
    }

    /// Notes that one is to be attempted again, after so many attempts: from now on the ledger will
    /// show it as scheduled.
    pub(super) fn keep(&mut self, delivery: DeliveryId, attempts: u32) {
        self.fresh.remove(&delivery);
        match self.others.entry(delivery).or_insert(Why::InLane) {
            Why::CalledOff(called_off) => called_off.note_attempts(attempts),
            why => *why = Why::InLane,
        }
    }

    /// Notes that one was let go, to be attempted again after so many attempts; `ticket` is its
    /// outcome's.
    pub(super) fn let_go(&mut self, delivery: DeliveryId, ticket: Ticket, attempts: u32) {
        self.others.insert(delivery, Why::LetGo(ticket, attempts));
        self.released.push_back((ticket, delivery));
    }

    /// Notes that one has ended; `ticket` is its outcome's.
    pub(super) fn end(&mut self, delivery: DeliveryId, ticket: Ticket) {
        if self.fresh.remove(&delivery) {
            return;
        }
        if let Some(why) = self.others.get_mut(&delivery) {
            *why = Why::Ended(ticket);
            self.released.push_back((ticket, delivery));
        }
    }

    /// Notes that one was called off; `waits` where it was read and not handed out yet.
    pub(super) fn call_off(&mut self, mut called_off: CalledOff, waits: bool) -> Fate {
        let delivery = called_off.delivery;
        if let Some(Why::LetGo(_, attempts)) = self.others.get(&delivery) {
            called_off.note_attempts(*attempts);
        }
        let fate = match self.others.get(&delivery) {
            _ if self.fresh.remove(&delivery) => Fate::Told,
            Some(Why::InLane) if !waits => Fate::Told,
            Some(Why::CalledOff(_) | Why::Ended(_)) => Fate::Nothing,
            Some(Why::InLane | Why::LetGo(..)) | None => Fate::Ends,
        };
        if !matches!(fate, Fate::Nothing) {
            let why = Why::CalledOff(Box::new(called_off));
            self.others.insert(delivery, why);
        }
        fate
    }

    /// One that was called off and isn't known to have ended.
    pub(super) fn called_off(&self, delivery: DeliveryId) -> Option<&CalledOff> {
        match self.others.get(&delivery) {
            Some(Why::CalledOff(called_off)) => Some(called_off),
            _ => None,
        }
    }

    /// Takes all that were called off and aren't known to have ended, for the lane that ends: its
    /// caller may have sent them.
    pub(super) fn take_called_off(&mut self) -> Vec<CalledOff> {
        let all = self.others.drain();
        let called_off = all.filter_map(|(_, why)| match why {
            Why::CalledOff(called_off) => Some(CalledOff {
                may_be_sent: true,
                ..*called_off
            }),
            _ => None,
        });
        called_off.collect()
    }

    /// Forgets those whose last outcome the ledger shows.
    pub(super) fn strike_off(&mut self, posted: Ticket) {
        while let Some((ticket, delivery)) =
            self.released.pop_front_if(|(ticket, _)| *ticket <= posted)
        {
            // It may have been released once more since.
            if let Some(Why::LetGo(last, _) | Why::Ended(last)) = self.others.get(&delivery)
                && *last == ticket
            {
                self.others.remove(&delivery);
            }
        }
    }
}
