//! What a target's lane has yet to take.

use std::collections::BTreeSet;
use std::task::Waker;

use fanway_types::{DeliveryId, Timestamp};

/// A delivery's place in its queue: those that wait for no time come first, in the order of
/// acceptance.
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
    held: usize,
    pub(super) most_held: usize,
    /// Deliveries that were called off, and that the lane hasn't been told of.
    pub(super) cancelled: Vec<DeliveryId>,
    pub(super) waker: Option<Waker>,
    pub(super) open_waker: Option<Waker>,
    pub(super) cancel_waker: Option<Waker>,
}

impl Queue {
    pub(super) fn put(&mut self, place: Place) {
        self.places.insert(place);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The first delivery whose time has come: from now on the lane holds it.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<DeliveryId> {
        let first = *self.places.first()?;
        if first.due.is_some_and(|due| due > now) {
            return None;
        }
        self.places.remove(&first);
        self.hold();
        Some(first.id)
    }

    pub(super) fn hold(&mut self) {
        self.held += 1;
        self.most_held = self.most_held.max(self.held);
    }

    /// Takes a delivery from the lane that holds it, or else from its place.
    pub(super) fn take_out(&mut self, place: &Place, is_held: bool) {
        if is_held {
            self.held -= 1;
        } else {
            self.places.remove(place);
        }
    }

    /// Notes that a delivery was called off that the lane holds.
    pub(super) fn call_off(&mut self, id: DeliveryId) {
        self.cancelled.push(id);
        if let Some(waker) = self.cancel_waker.take() {
            waker.wake();
        }
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.places.first()?.due
    }

    /// Ends the lane that reads it.
    pub(super) fn close(&mut self) {
        self.is_taken = false;
        self.held = 0;
        self.cancelled.clear();
    }

    /// Gives all that waits to another queue.
    pub(super) fn give_to(&mut self, heir: &mut Self) {
        std::mem::take(&mut self.places)
            .into_iter()
            .for_each(|place| heir.put(place));
    }

    pub(super) fn wake(&mut self) {
        let wakers = [&mut self.waker, &mut self.open_waker];
        wakers
            .into_iter()
            .filter_map(Option::take)
            .for_each(Waker::wake);
    }
}
