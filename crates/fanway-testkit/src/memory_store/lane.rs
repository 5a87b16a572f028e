//! The reading end of a target's deliveries in memory.

use std::sync::Arc;
use std::task::{Context, Poll};

use fanway_store::lane::{Hold, Room, Work};
use fanway_store::{Error, Lane};
use fanway_types::{DeliveryId, Outcome, TargetName, Timestamp};

use super::Shared;

pub(super) struct MemoryLane {
    shared: Arc<Shared>,
    target: TargetName,
}

impl MemoryLane {
    pub(super) fn new(shared: Arc<Shared>, target: TargetName) -> Self {
        Self { shared, target }
    }
}

impl Lane for MemoryLane {
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        room: Room,
        work: &mut Vec<Work>,
    ) -> Poll<Result<(), Error>> {
        let mut book = self.shared.lock();
        book.poll_take(&self.target, cx.waker(), now, room, work)
    }

    fn due(&self) -> Option<Timestamp> {
        self.shared.lock().due(&self.target)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.lock().poll_open(&self.target, cx.waker())
    }

    fn record(&mut self, _work: &Work, outcome: Outcome, hold: Hold) {
        self.shared.change(|book| book.record(outcome, hold));
    }

    fn poll_cancelled(
        &mut self,
        cx: &mut Context<'_>,
        cancelled: &mut Vec<DeliveryId>,
    ) -> Poll<()> {
        let mut book = self.shared.lock();
        book.poll_cancelled(&self.target, cx.waker(), cancelled)
    }
}

impl Drop for MemoryLane {
    fn drop(&mut self) {
        self.shared.change(|book| book.close_lane(&self.target));
    }
}
