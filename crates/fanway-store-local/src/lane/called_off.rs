//! What a lane does about deliveries that were called off.

use std::task::{Context, Poll};

use fanway_store::lane::Hold;
use fanway_types::DeliveryId;

use super::LocalLane;
use super::held::Fate;
use crate::cancel::CalledOff;
use crate::receipt::Waiting;

impl LocalLane {
    /// Sees to what was called off: the caller is to be told of what it holds, all else ends.
    pub(super) fn see_to_called_off(&mut self) {
        if !self.feed.has_called_off() {
            return;
        }
        for called_off in self.feed.take_called_off() {
            let delivery = called_off.delivery;
            let waits = self.stop_waiting(delivery);
            match self.held.call_off(called_off, waits) {
                Fate::Told => self.told.push(delivery),
                Fate::Ends => self.end_called_off(delivery),
                Fate::Nothing => {}
            }
        }
    }

    /// Takes a delivery out of what was read and not handed out; false where it isn't there.
    fn stop_waiting(&mut self, delivery: DeliveryId) -> bool {
        if self.order.take_parked(delivery) {
            return true;
        }
        let place = self.ready.iter().position(|work| work.delivery == delivery);
        match place {
            Some(place) => self.ready.remove(place).is_some(),
            None => self.feed.state().remove(delivery),
        }
    }

    /// Ends a delivery that was called off and that nobody has.
    pub(super) fn end_called_off(&mut self, delivery: DeliveryId) {
        let Some(called_off) = self.held.called_off(delivery) else {
            return;
        };
        let outcome = called_off.outcome();
        let watched = self.store.commons.watchers.are_there();
        let event = watched.then(|| called_off.event(&outcome));
        self.append(outcome, Hold::LetGo, event);
    }

    /// The deliveries that the caller is to be told of.
    pub(super) fn poll_told(
        &mut self,
        cx: &Context<'_>,
        cancelled: &mut Vec<DeliveryId>,
    ) -> Poll<()> {
        let known = self.told_waker.as_ref();
        if !known.is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.feed.state().called_off_waker = Some(Waiting::new(cx));
            self.told_waker = Some(cx.waker().clone());
        }
        // Only now: what comes later wakes the task.
        self.see_to_called_off();
        if self.told.is_empty() {
            return Poll::Pending;
        }
        cancelled.append(&mut self.told);
        Poll::Ready(())
    }

    /// What the next lane, or the store, is to end in place of this one.
    pub(super) fn leave_called_off(&mut self) -> Vec<CalledOff> {
        self.held.take_called_off()
    }
}
