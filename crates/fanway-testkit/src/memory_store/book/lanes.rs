//! How lanes take deliveries, and are told of those that were called off.

use std::sync::Arc;
use std::task::{Poll, Waker};

use fanway_store::Error;
use fanway_store::lane::{Room, Work};
use fanway_types::{DeliveryId, TargetName, Timestamp};

use super::queue::Queue;
use super::{Book, Delivery};

/// What is known of a delivery that its lane has dropped while it was called off.
const MAYBE_SENT: &str = "cancelled; may have been sent";

impl Book {
    /// Opens the lane of a target; returns the target's name of today.
    pub(in super::super) fn open_lane(&mut self, target: &TargetName) -> Result<TargetName, Error> {
        self.check_open()?;
        let target = self.name_of_today(target);
        let queue = self.queues.entry(target.clone()).or_default();
        if queue.is_taken {
            return Err(Error::LaneTaken(target));
        }
        queue.is_taken = true;
        Ok(target)
    }

    pub(in super::super) fn close_lane(&mut self, target: &TargetName) {
        let queue = self.queues.entry(target.clone()).or_default();
        queue.close();
        let mut called_off = Vec::new();
        let of_target = |delivery: &Delivery| delivery.held && delivery.step.target == *target;
        let held = self.deliveries.iter_mut();
        for (id, delivery) in held.filter(|(_, delivery)| of_target(delivery)) {
            delivery.held = false;
            queue.put(delivery.place(*id));
            called_off.extend(delivery.cancelled.map(|at| (*id, at)));
        }
        for (id, at) in called_off {
            self.end_as_cancelled(id, at, Some(MAYBE_SENT.into()));
        }
    }

    pub(in super::super) fn poll_take(
        &mut self,
        target: &TargetName,
        waker: &Waker,
        now: Timestamp,
        room: Room,
        work: &mut Vec<Work>,
    ) -> Poll<Result<(), Error>> {
        self.check_open()?;
        let queue = self.queues.entry(target.clone()).or_default();
        let before = work.len();
        let mut bytes = 0;
        while work.len() - before < room.deliveries && bytes < room.bytes.get() {
            let Some(id) = queue.take(now) else { break };
            let delivery = self.deliveries.get_mut(&id).expect("queued ones are known");
            delivery.held = true;
            bytes += delivery.run.message.request.body.len() as u64;
            work.push(Work {
                delivery: id,
                message: Arc::clone(&delivery.run.message),
                plan: delivery.run.plan,
                step: delivery.run.index,
                key: delivery.run.key,
                progress: delivery.progress,
            });
        }
        if work.len() == before {
            queue.waker = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    pub(in super::super) fn due(&self, target: &TargetName) -> Option<Timestamp> {
        self.queues.get(target)?.due()
    }

    pub(in super::super) fn poll_open(&mut self, target: &TargetName, waker: &Waker) -> Poll<()> {
        if !self.refuses_outcomes {
            return Poll::Ready(());
        }
        let queue = self.queues.entry(target.clone()).or_default();
        queue.open_waker = Some(waker.clone());
        Poll::Pending
    }

    pub(in super::super) fn poll_cancelled(
        &mut self,
        target: &TargetName,
        waker: &Waker,
        cancelled: &mut Vec<DeliveryId>,
    ) -> Poll<()> {
        let queue = self.queues.entry(target.clone()).or_default();
        let before = cancelled.len();
        let told = queue.cancelled.drain(..);
        cancelled.extend(told.filter(|id| self.deliveries[id].held));
        if cancelled.len() == before {
            queue.cancel_waker = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    pub(in super::super) fn most_held(&self, target: &TargetName) -> usize {
        self.queues.get(target).map_or(0, |queue| queue.most_held)
    }

    pub(super) fn wake_all(&mut self) {
        self.queues.values_mut().for_each(Queue::wake);
    }
}
