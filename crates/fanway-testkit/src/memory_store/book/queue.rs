//! What a target's lane has yet to take.

use std::collections::BTreeSet;
use std::task::Waker;

use fanway_types::{DeliveryId, Timestamp};

/// A delivery's place in its queue: those never handed out come first, in the order of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) due: Option<Timestamp>,
    pub(super) number: u64,
    pub(super) id: DeliveryId,
}

/// A target's deliveries that no lane holds.
#[derive(Debug, Default)]
pub(super) struct Queue {
    places: BTreeSet<Place>,
    /// Whether a lane reads it.
    pub(super) is_taken: bool,
    /// Deliveries that the lane holds, and the most that it ever held.
    pub(super) held: usize,
    pub(super) most_held: usize,
    pub(super) waker: Option<Waker>,
    pub(super) open_waker: Option<Waker>,
}

impl Queue {
    pub(super) fn put(&mut self, place: Place) {
        self.places.insert(place);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The first delivery whose time has come.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<DeliveryId> {
        let first = *self.places.first()?;
        if first.due.is_some_and(|due| due > now) {
            return None;
        }
        self.places.remove(&first);
        self.held += 1;
        self.most_held = self.most_held.max(self.held);
        Some(first.id)
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.places.first()?.due
    }

    pub(super) fn wake(&mut self) {
        for waker in [self.waker.take(), self.open_waker.take()] {
            waker.into_iter().for_each(Waker::wake);
        }
    }
}
