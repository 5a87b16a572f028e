//! Records: what the journal holds, in the order in which it happened.

use std::sync::Arc;

use fanway_store::change::{Audit, Control, Edited};
use fanway_store::job::Job;
use fanway_store::trouble::Trouble;
use fanway_types::{
    DeliveryId, JobId, Message, MessageId, Outcome, Plan, PlanHash, StepIndex, TargetName,
    Timestamp,
};

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// A message was accepted.
    Message(Arc<Message>),
    /// An attempt, or what took its place, had an outcome.
    Outcome(Outcome),
    /// A plan was put to use.
    Plan(Arc<Plan>),
    /// A delivery that had ended was made anew.
    Redrive(Arc<Redrive>),
    /// A dead letter was taken off the list.
    Discard(Discard),
    /// A message was called off.
    Cancel(Cancel),
    /// A job stands so.
    Job(Arc<Job>),
    /// An operator has set something for a target.
    Control(Arc<Controlled>),
    /// A lane has learnt what isn't well with its target.
    Trouble(Arc<Troubled>),
    /// Somebody changed something.
    Audit(Arc<Audit>),
}

impl Record {
    /// Whether it can turn out at its posting that there is nothing left to change: whoever
    /// appended it is told.
    pub(crate) fn is_change(&self) -> bool {
        matches!(self, Self::Redrive(_) | Self::Discard(_))
    }
}

/// A new delivery for one that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    /// The one that has ended: a dead letter, or one that was delivered.
    pub(crate) old: DeliveryId,
    /// Its new delivery.
    pub(crate) new: DeliveryId,
    /// The plan whose step the new delivery runs.
    pub(crate) plan: PlanHash,
    /// The step in that plan.
    pub(crate) step: StepIndex,
    /// When it is due.
    pub(crate) due: Timestamp,
    /// The delivery whose id is the new one's key.
    pub(crate) key: DeliveryId,
    /// A body in place of the message's.
    pub(crate) body: Option<Edited>,
    /// The job that it is part of, which stands before it.
    pub(crate) job: Option<JobId>,
}

/// The end of a dead letter's stay on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discard {
    /// The dead letter.
    pub(crate) dead: DeliveryId,
    /// When.
    pub(crate) at: Timestamp,
    /// Why.
    pub(crate) reason: String,
}

/// The calling off of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cancel {
    /// The message.
    pub(crate) message: MessageId,
    /// When.
    pub(crate) at: Timestamp,
}

/// What an operator has set for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Controlled {
    /// The target.
    pub(crate) target: TargetName,
    /// All that is set for it from now on.
    pub(crate) control: Control,
}

/// What isn't well with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Troubled {
    /// The target.
    pub(crate) target: TargetName,
    /// All that isn't well with it from now on.
    pub(crate) trouble: Trouble,
}
