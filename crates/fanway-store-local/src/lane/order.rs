//! What a lane knows of order keys: of each key one delivery has its turn, and only that one is
//! handed out.
//!
//! Behind one that has its turn in the lane, the next of its key are parked here, as far as there
//! is room. All else waits in the ledger, whose lines say what comes next (`ledger/lines.rs`); of
//! that the lane remembers only in which bucket of keys there is something. What comes in with a
//! key of such a bucket is passed over: the ledger has it, and hands it out behind what was there
//! before. Thus memory is bounded, however many keys and deliveries wait: [`PARKED`], one for each
//! delivery that the lane's caller holds, and [`BUCKETS`] numbers.

use std::collections::VecDeque;

use fanway_store::lane::{Room, Work};
use fanway_types::{ByteCount, DeliveryId, OrderKey, WhenDead};
use foldhash::HashMap;

use crate::ledger::{BUCKETS, bucket};
use crate::tail::Ticket;

/// What is parked at most, but for what is made anew: that has no other place to come from.
const PARKED: Room = Room {
    deliveries: 4096,
    bytes: ByteCount::mib(4),
};

/// What of one key is parked at most.
const OF_ONE_KEY: usize = 256;

/// The order keys in a lane.
#[derive(Debug, Default)]
pub(super) struct Order {
    lines: HashMap<OrderKey, Line>,
    /// What of each key the lane has.
    of: HashMap<DeliveryId, Of>,
    /// For each bucket in whose lines the ledger has something that the lane doesn't have: one more
    /// than how many entries have to be posted before it can be seen whether that is still so. 0 for
    /// the others.
    /// Empty until there is one.
    buckets: Box<[Ticket]>,
    dirty: usize,
    parked: usize,
    parked_bytes: u64,
}

/// Those of a key that the lane has.
#[derive(Debug)]
struct Line {
    /// The one that has its turn.
    turn: DeliveryId,
    /// Those that come next, in their order.
    parked: VecDeque<Work>,
}

#[derive(Clone, Copy, Debug)]
struct Of {
    key: OrderKey,
    when_dead: WhenDead,
}

/// What is to become of a delivery that comes in.
#[derive(Debug)]
pub(super) enum Comes {
    /// It has its turn.
    Goes(Work),
    /// It is parked.
    Parked,
    /// It is left to the ledger.
    PassedOver,
}

/// How a delivery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    /// It has ended, and is not dead or no other's concern.
    Ended,
    /// It is dead.
    Dead,
    /// The store hands it out again.
    LetGo,
}

/// What follows for others when a delivery goes.
#[derive(Debug, Default)]
pub(super) struct Follows {
    /// It has its turn.
    pub(super) next: Option<Work>,
    /// They are left to the ledger.
    pub(super) dropped: VecDeque<Work>,
}

impl Order {
    /// Whether the lane has nothing with an order key.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Whether the lane has this one, with an order key.
    pub(super) fn has(&self, delivery: DeliveryId) -> bool {
        !self.of.is_empty() && self.of.contains_key(&delivery)
    }

    /// Whether anything is left to the ledger.
    pub(super) fn passes_over(&self) -> bool {
        self.dirty > 0
    }

    /// What is to become of a fresh delivery. `appended` says how many entries
    /// were appended by now.
    pub(super) fn come(
        &mut self,
        work: Work,
        key: OrderKey,
        when_dead: WhenDead,
        appended: impl FnOnce() -> Ticket,
    ) -> Comes {
        if self.is_dirty(key) || !self.has_room(key) {
            self.soil(bucket(key), appended());
            return Comes::PassedOver;
        }
        self.of.insert(work.delivery, Of { key, when_dead });
        let Some(line) = self.lines.get_mut(&key) else {
            self.begin(key, work.delivery);
            return Comes::Goes(work);
        };
        self.parked += 1;
        self.parked_bytes += size(&work);
        line.parked.push_back(work);
        Comes::Parked
    }

    /// Takes in what the ledger says has its turn; `None` where another one of its key is under
    /// way: it comes next then.
    pub(super) fn take_in(
        &mut self,
        work: Work,
        key: OrderKey,
        when_dead: WhenDead,
    ) -> Option<Work> {
        self.of.insert(work.delivery, Of { key, when_dead });
        let Some(line) = self.lines.get_mut(&key) else {
            self.begin(key, work.delivery);
            return Some(work);
        };
        self.parked += 1;
        self.parked_bytes += size(&work);
        line.parked.push_front(work);
        None
    }

    /// Parks what comes next of a key.
    pub(super) fn follow(&mut self, work: Work, key: OrderKey, when_dead: WhenDead) {
        let Some(line) = self.lines.get_mut(&key) else {
            return;
        };
        self.of.insert(work.delivery, Of { key, when_dead });
        self.parked += 1;
        self.parked_bytes += size(&work);
        line.parked.push_back(work);
    }

    fn begin(&mut self, key: OrderKey, turn: DeliveryId) {
        let parked = VecDeque::new();
        self.lines.insert(key, Line { turn, parked });
    }

    /// Notes that one goes; `appended` as above. Says what follows.
    pub(super) fn go(
        &mut self,
        delivery: DeliveryId,
        goes: Goes,
        appended: impl FnOnce() -> Ticket,
    ) -> Follows {
        let mut follows = Follows::default();
        let Some(Of { key, when_dead }) = self.of.remove(&delivery) else {
            return follows;
        };
        let line = self.lines.get_mut(&key);
        let Some(line) = line.filter(|line| line.turn == delivery) else {
            return follows;
        };
        let goes_on = match goes {
            Goes::Ended => true,
            Goes::Dead => when_dead == WhenDead::Skip,
            Goes::LetGo => false,
        };
        if goes_on && let Some(next) = line.parked.pop_front() {
            line.turn = next.delivery;
            self.parked -= 1;
            self.parked_bytes -= size(&next);
            follows.next = Some(next);
            return follows;
        }
        follows.dropped = std::mem::take(&mut line.parked);
        self.lines.remove(&key);
        for work in &follows.dropped {
            self.of.remove(&work.delivery);
            self.parked -= 1;
            self.parked_bytes -= size(work);
        }
        if !goes_on {
            self.soil(bucket(key), appended());
        }
        follows
    }

    /// Takes out one that is parked, since it was called off; false where it isn't.
    pub(super) fn take_parked(&mut self, delivery: DeliveryId) -> bool {
        let Some(of) = self.of.get(&delivery) else {
            return false;
        };
        let Some(line) = self.lines.get_mut(&of.key) else {
            return false;
        };
        let mut parked = line.parked.iter();
        let place = parked.position(|work| work.delivery == delivery);
        let Some(work) = place.and_then(|place| line.parked.remove(place)) else {
            return false;
        };
        self.parked -= 1;
        self.parked_bytes -= size(&work);
        true
    }

    /// What there is room for to be parked.
    pub(super) fn room(&self) -> Room {
        let bytes = PARKED.bytes.get().saturating_sub(self.parked_bytes);
        Room {
            deliveries: PARKED.deliveries.saturating_sub(self.parked),
            bytes: ByteCount::new(bytes),
        }
    }

    fn has_room(&self, key: OrderKey) -> bool {
        let Some(line) = self.lines.get(&key) else {
            return true;
        };
        let room = self.room();
        line.parked.len() < OF_ONE_KEY && room.deliveries > 0 && room.bytes.get() > 0
    }

    fn is_dirty(&self, key: OrderKey) -> bool {
        let bucket = self.buckets.get(usize::from(bucket(key)));
        bucket.is_some_and(|ticket| *ticket > 0)
    }

    /// Notes that the ledger has, or will have once `appended` entries are posted, something of a
    /// bucket that the lane doesn't have.
    pub(super) fn soil(&mut self, bucket: u16, appended: Ticket) {
        if self.buckets.is_empty() {
            self.buckets = vec![0; usize::from(BUCKETS)].into();
        }
        let ticket = &mut self.buckets[usize::from(bucket)];
        self.dirty += usize::from(*ticket == 0);
        // One more, since 0 is clean.
        *ticket = (appended + 1).max(*ticket);
    }

    /// Notes that the lane has all that the ledger had of a bucket when so many entries were posted.
    pub(super) fn clean(&mut self, bucket: u16, posted: Ticket) {
        if let Some(ticket) = self.buckets.get_mut(usize::from(bucket))
            && (1..=posted + 1).contains(ticket)
        {
            *ticket = 0;
            self.dirty -= 1;
        }
    }

    /// Notes in which buckets the ledger had something that the lane doesn't have, of all, when so
    /// many entries were posted.
    pub(super) fn clean_all_but(&mut self, dirty: &[u16], posted: Ticket) {
        let mut rest = dirty.iter().copied().peekable();
        for bucket in 0..u16::try_from(self.buckets.len()).unwrap_or(BUCKETS) {
            if rest.next_if_eq(&bucket).is_none() {
                self.clean(bucket, posted);
            }
        }
        for bucket in dirty {
            self.soil(*bucket, 0);
        }
    }
}

fn size(work: &Work) -> u64 {
    work.message.request.body.len() as u64
}
