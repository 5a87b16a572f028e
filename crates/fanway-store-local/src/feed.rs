//! Where fresh messages wait for a target's lane.
//!
//! While the lane keeps up, the committer puts each delivery here. When there is no more room the
//! lane has *fallen behind*: nothing is put here until it has read on from the ledger and the
//! tail, and has caught up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use fanway_store::lane::{Progress, Room, Work};
use fanway_types::{DeliveryId, Message, StepIndex, Timestamp};

use crate::ledger::Place;
use crate::tail::Ticket;

/// A target's feed. The committer, the posting thread and the lane share it.
#[derive(Debug)]
pub(crate) struct Feed {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    /// What may wait here.
    room: Room,
    /// Whether a lane reads it.
    pub(crate) open: bool,
    /// Whether the lane keeps up.
    pub(crate) live: bool,
    /// What the lane hasn't taken yet.
    pub(crate) queue: VecDeque<Work>,
    bytes: u64,
    /// The last delivery, in the order of acceptance, that was put here or read by the lane.
    pub(crate) place: Place,
    /// The earliest due time in the ledger that the lane hasn't looked at.
    pub(crate) due: Option<Timestamp>,
    /// Nothing is read before this many entries are posted: those of the lane before it, or
    /// enough of its own. 0 once they are.
    pub(crate) gate: Ticket,
    pub(crate) waker: Option<Waker>,
}

impl Feed {
    /// The feed of a target that has no lane. What may wait in it is `room`.
    pub(crate) fn new(room: Room) -> Self {
        Self {
            state: Mutex::new(State::new(room)),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a fresh delivery here, unless the lane has fallen behind; returns whom to wake.
    pub(crate) fn offer(&self, seq: u64, message: &Arc<Message>, step: StepIndex) -> Option<Waker> {
        let mut state = self.state();
        if !state.live {
            return None;
        }
        if !state.try_push(seq, message, step) {
            state.live = false;
            return None;
        }
        state.waker.take()
    }

    /// Notes that something in the ledger is due at `due`; returns whom to wake.
    pub(crate) fn note_due(&self, due: Timestamp) -> Option<Waker> {
        let mut state = self.state();
        state.note_due(Some(due));
        state.waker.take()
    }

    /// Notes that so many entries are posted; returns whom to wake.
    pub(crate) fn note_posted(&self, posted: Ticket) -> Option<Waker> {
        let mut state = self.state();
        if state.gate == 0 || posted < state.gate {
            return None;
        }
        state.gate = 0;
        state.waker.take()
    }

    /// Whom to wake, whatever for.
    pub(crate) fn take_waker(&self) -> Option<Waker> {
        self.state().waker.take()
    }
}

impl State {
    fn new(room: Room) -> Self {
        Self {
            room,
            open: false,
            live: false,
            queue: VecDeque::new(),
            bytes: 0,
            place: Place::default(),
            due: None,
            gate: 0,
            waker: None,
        }
    }

    /// Begins for a new lane: behind, at the very beginning, with a look at what is due.
    pub(crate) fn open(&mut self, posted: Ticket) {
        *self = Self {
            open: true,
            gate: if posted < self.gate { self.gate } else { 0 },
            due: Some(Timestamp::default()),
            ..Self::new(self.room)
        };
    }

    /// Ends for a lane that has gone. What the next one reads must be posted up to `gate`.
    pub(crate) fn close(&mut self, gate: Ticket) {
        *self = Self {
            gate,
            ..Self::new(self.room)
        };
    }

    /// Whether a lane that has nothing has to wait: nothing here, nothing due by `now`, and no
    /// need to read on.
    pub(crate) fn rests(&self, now: Timestamp) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        self.queue.is_empty() && (self.gate > 0 || (self.live && !is_due))
    }

    /// Adds a delivery while there is room.
    pub(crate) fn try_push(&mut self, seq: u64, message: &Arc<Message>, step: StepIndex) -> bool {
        if self.queue.len() >= self.room.deliveries || self.bytes >= self.room.bytes.get() {
            return false;
        }
        self.bytes += message.request.body.len() as u64;
        self.place = Place { seq, step };
        self.queue.push_back(Work {
            delivery: DeliveryId::first(message.id, step),
            message: Arc::clone(message),
            plan: message.plan,
            step,
            progress: Progress::default(),
        });
        true
    }

    /// Takes the delivery that waits longest.
    pub(crate) fn pop(&mut self) -> Option<Work> {
        let work = self.queue.pop_front()?;
        self.bytes -= work.message.request.body.len() as u64;
        Some(work)
    }

    pub(crate) fn note_due(&mut self, due: Option<Timestamp>) {
        self.due = match (self.due, due) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }
}
