//! What a lane holds: bounded in deliveries and bytes, whatever waits behind it.
//!
//! A delivery is ready, or waits for its time, or is in flight. Ready ones are taken in the order
//! in which they became ready, so that none starves: neither a retry behind fresh ones, nor the
//! others behind one that fails each probe.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use fanway_store::lane::{Hold, Room, Work};
use fanway_types::ByteCount;
use tokio::time::Instant;

/// The longest that a failed delivery waits within the lane; the store keeps it for longer waits.
const LONGEST_KEPT: Duration = Duration::from_secs(5);

/// A lane's deliveries.
#[derive(Debug)]
pub(super) struct Window {
    /// What there is room for in all.
    limit: Room,
    ready: VecDeque<Work>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Ready, waiting and in flight.
    held: usize,
    bytes: u64,
    waiting_bytes: u64,
    /// Counted up, so that what is due at one time keeps its order.
    sequence: u64,
}

#[derive(Debug)]
struct Waiting {
    until: Instant,
    sequence: u64,
    work: Work,
}

impl Window {
    pub(super) fn new(limit: Room) -> Self {
        Self {
            limit,
            ready: VecDeque::new(),
            waiting: BinaryHeap::new(),
            held: 0,
            bytes: 0,
            waiting_bytes: 0,
            sequence: 0,
        }
    }

    /// What the store may hand out now, where that is worth asking: a quarter of the window, or
    /// whatever there is when nothing else is ready. A lane that has fallen behind thus reads the
    /// store in pieces of a good size.
    pub(super) fn room(&self) -> Option<Room> {
        let deliveries = self.limit.deliveries.saturating_sub(self.held);
        let bytes = self.limit.bytes.get().saturating_sub(self.bytes);
        let is_room = deliveries > 0 && bytes > 0;
        let is_worth_it = self.ready.is_empty()
            || (deliveries >= self.limit.deliveries / 4 && bytes >= self.limit.bytes.get() / 4);
        (is_room && is_worth_it).then_some(Room {
            deliveries,
            bytes: ByteCount::new(bytes),
        })
    }

    /// Whether a delivery that has to wait so long does so here.
    pub(super) fn hold_for(&self, wait: Duration, work: &Work) -> Hold {
        // Retries never take more than half of it, or fresh deliveries would wait behind them.
        let is_pressed = (self.waiting.len() + 1) * 2 > self.limit.deliveries
            || (self.waiting_bytes + size(work)) * 2 > self.limit.bytes.get();
        if wait <= LONGEST_KEPT && !is_pressed {
            Hold::Keep
        } else {
            Hold::LetGo
        }
    }

    /// Adds a delivery that the store has handed out.
    pub(super) fn add(&mut self, work: Work) {
        self.held += 1;
        self.bytes += size(&work);
        self.ready.push_back(work);
    }

    /// Takes the next delivery to attempt. It stays held until it is put back or
    /// [let go](Self::let_go).
    pub(super) fn take_ready(&mut self) -> Option<Work> {
        self.ready.pop_front()
    }

    /// The next delivery to attempt.
    pub(super) fn next_ready(&self) -> Option<&Work> {
        self.ready.front()
    }

    /// Puts a delivery that was taken back until its time.
    pub(super) fn wait(&mut self, work: Work, until: Instant) {
        self.waiting_bytes += size(&work);
        self.sequence += 1;
        self.waiting.push(Reverse(Waiting {
            until,
            sequence: self.sequence,
            work,
        }));
    }

    /// Gives up the place of a delivery that was taken.
    pub(super) fn let_go(&mut self, work: &Work) {
        self.held -= 1;
        self.bytes -= size(work);
    }

    /// Makes ready what has waited until now.
    pub(super) fn promote(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(waiting)) = self.waiting.pop() else {
                return;
            };
            self.waiting_bytes -= size(&waiting.work);
            self.ready.push_back(waiting.work);
        }
    }

    /// When the first of those that wait becomes ready.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(first)| first.until)
    }

    /// Deliveries that are ready or wait.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len() + self.waiting.len()
    }

    /// The bodies of all that is held.
    pub(super) fn bytes(&self) -> ByteCount {
        ByteCount::new(self.bytes)
    }
}

fn size(work: &Work) -> u64 {
    work.message.request.body.len() as u64
}

impl Waiting {
    fn order(&self) -> (Instant, u64) {
        (self.until, self.sequence)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}
