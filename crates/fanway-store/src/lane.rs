//! A target's deliveries, as its lane reads them.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fanway_types::{ByteCount, DeliveryId, Message, Outcome, PlanHash, StepIndex, Timestamp};

use crate::Error;

/// The reading end of a target's deliveries, owned by its lane.
///
/// It hands out fresh messages as they become durable while the lane keeps up, and reads on from
/// where the lane stood when it had fallen behind: the lane sees one sequence, without gap or
/// double.
pub trait Lane: Send {
    /// Adds deliveries to `work` whose time has come by `now`, and at least one; pending while
    /// there is none. Of those never handed out, each plan's come in the order in which their
    /// messages were accepted; where the lane has fallen behind, plans may have turns, so that one
    /// that has many keeps no other's waiting. Those with an order key come in the order of their
    /// key. At most `room.deliveries` are added, and none once `room.bytes` are used up, though the
    /// one that crosses that line is.
    ///
    /// # Errors
    /// Where the store failed or was closed.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        room: Room,
        work: &mut Vec<Work>,
    ) -> Poll<Result<(), Error>>;

    /// When [`poll_take`](Self::poll_take) is worth calling again though nothing has woken the
    /// task: the earliest due time that it knows of.
    fn due(&self) -> Option<Timestamp>;

    /// Ready while outcomes can be kept. While it is pending no attempt may be started.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes an outcome of a delivery that this lane holds. Doesn't wait; the outcome becomes
    /// durable with the next batch. An outcome that can't be kept at once is kept when it can.
    ///
    /// A delivery that has ended is let go. One that is to be attempted again stays with the lane
    /// or not, as `hold` says; let go, it is handed out again at its due time.
    fn record(&mut self, work: &Work, outcome: Outcome, hold: Hold);

    /// Adds those deliveries to `cancelled` that this lane holds and that were called off; pending
    /// while there are none. The lane ends them as cancelled; one in flight ends as its attempt
    /// does, and as cancelled where it would be attempted again. To be asked whether or not there
    /// is room for more deliveries: only then does the engine end what the lane doesn't hold.
    fn poll_cancelled(&mut self, cx: &mut Context<'_>, cancelled: &mut Vec<DeliveryId>)
    -> Poll<()>;
}

/// What a lane has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Deliveries.
    pub deliveries: usize,
    /// Bytes of their messages' bodies.
    pub bytes: ByteCount,
}

/// Whether a lane keeps a delivery that is to be attempted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It waits within the lane.
    Keep,
    /// The store hands it out again when it is due.
    LetGo,
}

/// A delivery that a lane is to make.
#[derive(Clone, Debug)]
pub struct Work {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its message.
    pub message: Arc<Message>,
    /// The plan whose step it runs: the message's own, or that of a redrive.
    pub plan: PlanHash,
    /// The step in that plan.
    pub step: StepIndex,
    /// The delivery whose id its attempts carry as their key: itself, or the one that was redriven.
    pub key: DeliveryId,
    /// What it has used up so far.
    pub progress: Progress,
}

/// What a delivery has used up so far; see [`Outcome`] for the meaning of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Attempts made.
    pub attempts: u32,
    /// Attempts that count.
    pub used: u32,
    /// Time that counts.
    pub spent: Duration,
}
