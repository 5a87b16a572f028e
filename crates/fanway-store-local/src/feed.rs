//! Where fresh messages wait for a target's lane.
//!
//! While the lane keeps up, the committer puts each delivery here. When there is no more room the
//! lane has *fallen behind*: nothing is put here until it has read on from the ledger and the
//! tail, and has caught up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_journal::Class;
use fanway_store::lane::{Progress, Room, Work};
use fanway_types::{DeliveryId, Message, StepIndex, Timestamp};
use foldhash::HashSet;

use crate::cancel::CalledOff;
use crate::entry::{Entry, Waiter};
use crate::intake::Intake;
use crate::ledger::Place;
use crate::receipt::Waiting;
use crate::record::Record;
use crate::tail::Ticket;
use crate::watch::Watchers;

/// A target's feed. The committer, the posting thread and the lane share it.
#[derive(Debug)]
pub(crate) struct Feed {
    state: Mutex<State>,
    /// Whether something in `called_off` waits to be seen to: for lanes, without the lock.
    has_called_off: AtomicBool,
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
    pub(crate) waker: Option<Waiting>,
    /// Whether the lane has left something with an order key to the ledger.
    pub(crate) passes_over: bool,
    /// Buckets of the order keys of what was accepted and isn't due yet, since the lane last looked.
    pub(crate) scheduled: HashSet<u16>,
    /// What was called off, and isn't seen to yet.
    called_off: Vec<CalledOff>,
    /// Whom to wake for that. It stays while the lane lives.
    pub(crate) called_off_waker: Option<Waiting>,
}

impl Feed {
    /// The feed of a target that has no lane. What may wait in it is `room`.
    pub(crate) fn new(room: Room) -> Self {
        Self {
            state: Mutex::new(State::new(room)),
            has_called_off: AtomicBool::new(false),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a fresh delivery here, unless the lane has fallen behind; returns whom to wake.
    pub(crate) fn offer(
        &self,
        seq: u64,
        message: &Arc<Message>,
        step: StepIndex,
    ) -> Option<Waiting> {
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
    pub(crate) fn note_due(&self, due: Timestamp) -> Option<Waiting> {
        let mut state = self.state();
        state.note_due(Some(due));
        state.waker.take()
    }

    /// Notes that one in a line of the ledger has its turn, and is due at `due`; returns whom to wake.
    /// A lane that has passed over nothing has it already.
    pub(crate) fn note_turn(&self, due: Timestamp) -> Option<Waiting> {
        let mut state = self.state();
        if state.live && !state.passes_over {
            return None;
        }
        state.note_due(Some(due));
        state.waker.take()
    }

    /// Notes that one with an order key was accepted that isn't due yet: what comes behind it is not
    /// to pass it.
    pub(crate) fn note_scheduled(&self, bucket: u16) {
        let mut state = self.state();
        if state.live {
            state.scheduled.insert(bucket);
        }
    }

    /// Notes that so many entries are posted; returns whom to wake.
    pub(crate) fn note_posted(&self, posted: Ticket) -> Option<Waiting> {
        let mut state = self.state();
        if state.gate == 0 || posted < state.gate {
            return None;
        }
        state.gate = 0;
        state.waker.take()
    }

    /// Takes a delivery that was called off; returns whom to wake.
    pub(crate) fn call_off(&self, mut called_off: CalledOff) -> Option<Waiting> {
        let mut state = self.state();
        if state.open {
            called_off.let_caller_go();
        }
        let mut known = state.called_off.iter_mut();
        if let Some(known) = known.find(|known| known.delivery == called_off.delivery) {
            known.caller = known.caller.take().or(called_off.caller);
            return None;
        }
        state.called_off.push(called_off);
        self.has_called_off.store(true, Ordering::Release);
        state.called_off_waker.clone()
    }

    /// Whether something was called off that isn't seen to yet.
    pub(crate) fn has_called_off(&self) -> bool {
        self.has_called_off.load(Ordering::Acquire)
    }

    /// Takes what was called off off the feed, for its lane to see to it.
    pub(crate) fn take_called_off(&self) -> Vec<CalledOff> {
        let mut state = self.state();
        self.has_called_off.store(false, Ordering::Release);
        std::mem::take(&mut state.called_off)
    }

    /// Ends what was called off, where no lane does. What the journal has no room for stays here.
    pub(crate) fn end_called_off(&self, intake: &Intake, watchers: &Watchers) {
        if !self.has_called_off() {
            return;
        }
        let mut state = self.state();
        if state.open {
            return;
        }
        let mut left = Vec::new();
        for mut called_off in std::mem::take(&mut state.called_off) {
            let outcome = called_off.outcome();
            let event = watchers.are_there().then(|| called_off.event(&outcome));
            let waiter = called_off
                .caller
                .take()
                .map_or(Waiter::Nobody, Waiter::Durable);
            let entry = Entry {
                record: Record::Outcome(outcome),
                waiter,
                event,
                sealed: None,
            };
            match intake.append(entry, Class::Outcome) {
                // A lane that opens now reads nothing before that is posted.
                Ok(ticket) => state.gate = state.gate.max(ticket),
                Err(_) => left.push(called_off),
            }
        }
        self.has_called_off
            .store(!left.is_empty(), Ordering::Release);
        state.called_off = left;
    }

    /// Ends for a lane that has gone, which leaves some that were called off. What the next one
    /// reads must be posted up to `gate`.
    pub(crate) fn close(&self, gate: Ticket, called_off: Vec<CalledOff>) {
        let mut state = self.state();
        state.close(gate);
        state.called_off.extend(called_off);
        self.has_called_off
            .store(!state.called_off.is_empty(), Ordering::Release);
    }

    /// Whom to wake, whatever for.
    pub(crate) fn take_waker(&self) -> Option<Waiting> {
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
            passes_over: false,
            scheduled: HashSet::default(),
            called_off: Vec::new(),
            called_off_waker: None,
        }
    }

    /// Begins for a new lane: behind, at the very beginning, with a look at what is due.
    pub(crate) fn open(&mut self, posted: Ticket) {
        for called_off in &mut self.called_off {
            called_off.let_caller_go();
        }
        *self = Self {
            open: true,
            gate: if posted < self.gate { self.gate } else { 0 },
            due: Some(Timestamp::default()),
            called_off: std::mem::take(&mut self.called_off),
            ..Self::new(self.room)
        };
    }

    /// Ends for a lane that has gone.
    fn close(&mut self, gate: Ticket) {
        *self = Self {
            gate,
            called_off: std::mem::take(&mut self.called_off),
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
        let delivery = DeliveryId::first(message.id, step);
        self.queue.push_back(Work {
            delivery,
            key: delivery,
            message: Arc::clone(message),
            plan: message.plan,
            step,
            progress: Progress::default(),
        });
        true
    }

    /// Takes a delivery out, where it waits here; false where it doesn't.
    pub(crate) fn remove(&mut self, delivery: DeliveryId) -> bool {
        let place = self.queue.iter().position(|work| work.delivery == delivery);
        let Some(work) = place.and_then(|place| self.queue.remove(place)) else {
            return false;
        };
        self.bytes -= work.message.request.body.len() as u64;
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
