//! Calling messages off.
//!
//! The cancel is made durable first. With its commit each delivery that hasn't ended comes into
//! its target's feed. A lane that is open sees to it there: its caller is told of what it holds,
//! and all else the lane ends. Where no lane is open whoever comes first ends it: who called the
//! message off, the posting thread, or the next lane before it hands out anything.
//!
//! Posting takes what is still left out of the lanes' reach, and tells the feeds once more: of
//! what was made anew while the message was called off. A start finds it so in the ledger, brings
//! it into the feeds again, and it ends there.

use std::sync::Arc;
use std::time::Duration;

use fanway_journal::{Class, Rejected};
use fanway_store::Error;
use fanway_store::change::{Audit, CancelError};
use fanway_store::event::{Event, What};
use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{
    DeliveryId, End, MessageId, Outcome, RouteName, StepName, TargetName, Timestamp, Verdict,
};

use crate::entry::{Entry, Waiter};
use crate::receipt::{Issuer, NotDurable, receipt};
use crate::record::{Cancel, Record};
use crate::store::LocalStore;

/// What is said of a delivery that somebody may have sent before it ended as cancelled.
pub(crate) const MAY_BE_SENT: &str = "cancelled; may have been sent";

/// What the commit of a cancel brings about.
#[derive(Debug)]
pub(crate) struct CallOff {
    /// Who calls the message off.
    pub(crate) caller: Issuer,
    /// The deliveries that had not ended when it was looked up.
    pub(crate) open: Vec<CalledOff>,
}

/// A delivery that was called off and hasn't ended.
#[derive(Debug)]
pub(crate) struct CalledOff {
    pub(crate) delivery: DeliveryId,
    pub(crate) route: RouteName,
    pub(crate) step: StepName,
    pub(crate) target: TargetName,
    /// When it was called off.
    pub(crate) at: Timestamp,
    /// Attempts that are known of.
    pub(crate) attempts: u32,
    /// Whether a lane that is no more, or an earlier process, may have sent it.
    pub(crate) may_be_sent: bool,
    /// Who waits for its end, where no lane is open.
    pub(crate) caller: Option<Issuer>,
}

impl CalledOff {
    fn new(message: &MessageView, delivery: &DeliveryView, at: Timestamp, caller: Issuer) -> Self {
        Self {
            delivery: delivery.id,
            route: message.route.clone(),
            step: delivery.step.clone(),
            target: delivery.target.clone(),
            at,
            attempts: delivery.attempts,
            may_be_sent: false,
            caller: Some(caller),
        }
    }

    /// How it ends, where nothing else decides.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            delivery: self.delivery,
            at: self.at,
            verdict: Verdict::Ended(End::Cancelled),
            attempts: self.attempts,
            used: 0,
            spent: Duration::ZERO,
            status: None,
            detail: self.may_be_sent.then(|| MAY_BE_SENT.into()),
            fallback: None,
        }
    }

    /// Notes that so many attempts were made.
    pub(crate) fn note_attempts(&mut self, attempts: u32) {
        self.attempts = self.attempts.max(attempts);
    }

    /// What those who watch are told of an outcome of it.
    pub(crate) fn event(&self, outcome: &Outcome) -> Box<Event> {
        Box::new(Event {
            message: self.delivery.message,
            route: self.route.clone(),
            what: What::Outcome {
                step: self.step.clone(),
                target: self.target.clone(),
                outcome: outcome.clone(),
            },
        })
    }

    /// Nobody is to wait for its end: a lane has it, or it has ended.
    pub(crate) fn let_caller_go(&mut self) {
        if let Some(caller) = self.caller.take() {
            caller.issue();
        }
    }
}

impl LocalStore {
    pub(crate) async fn call_off(
        &self,
        id: MessageId,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> Result<(), CancelError> {
        let message = match self.find(id).await? {
            Found::Message(view) if view.state.has_ended() => return Err(CancelError::Ended(id)),
            Found::Message(view) => view,
            Found::Unknown | Found::Expired => return Err(CancelError::NotFound(id)),
        };
        let unfinished = message.deliveries.iter().filter(|d| !d.state.has_ended());
        let (mut open, mut ends, mut feeds) = (Vec::new(), Vec::new(), Vec::new());
        for delivery in unfinished {
            let (caller, end) = receipt();
            open.push(CalledOff::new(&message, delivery, now, caller));
            ends.push(end);
            feeds.push(self.inner.commons.feed(&delivery.target));
        }
        self.append_cancel(&message, open, audit, now).await?;
        for feed in feeds {
            feed.end_called_off(&self.inner.intake, &self.inner.commons.watchers);
        }
        for end in ends {
            // Dropped where the journal has no room: it is ended as soon as there is some.
            if let Err(NotDurable::Failed(_)) = end.await {
                return Err(CancelError::Store(Error::Closed));
            }
        }
        Ok(())
    }

    /// Appends a cancel, with an audit record of it, and waits until both are durable.
    async fn append_cancel(
        &self,
        message: &MessageView,
        open: Vec<CalledOff>,
        audit: Option<Audit>,
        at: Timestamp,
    ) -> Result<(), CancelError> {
        let (caller, durable) = receipt();
        let cancel = Record::Cancel(Cancel {
            message: message.id,
            at,
        });
        let mut cancel = Entry::new(cancel, Waiter::CallOff(Box::new(CallOff { caller, open })));
        if self.inner.commons.watchers.are_there() {
            cancel.event = Some(Box::new(Event {
                message: message.id,
                route: message.route.clone(),
                what: What::Cancelled,
            }));
        }
        let audit = audit.map(|audit| Entry::new(Record::Audit(Arc::new(audit)), Waiter::Nobody));
        let entries = audit.into_iter().chain([cancel]).collect();
        self.inner
            .intake
            .append_group(entries, Class::Message)
            .map_err(|rejected| refused(&rejected))?;
        match durable.await {
            Ok(()) => Ok(()),
            Err(_) => Err(CancelError::Store(Error::Closed)),
        }
    }
}

fn refused(rejected: &Rejected) -> CancelError {
    match rejected {
        Rejected::Full { .. }
        | Rejected::Preparing { .. }
        | Rejected::QueueFull { .. }
        | Rejected::TooLarge { .. } => CancelError::Full,
        Rejected::Poisoned(_) | Rejected::Closed => CancelError::Store(Error::Closed),
    }
}
