//! The reading end of a target's deliveries: one sequence, without gap or double, out of the
//! feed, the tail and the ledger.
//!
//! While the lane keeps up, fresh deliveries come through the feed, in the order of acceptance.
//! Once it has fallen behind, it reads on from the ledger behind the last one that it was given,
//! where the plans have turns, then from the tail; and where nothing is left there it is live
//! again, under the lock under which the committer adds to the tail.
//!
//! Deliveries that are due again come from the ledger, by their due time. A delivery that the
//! lane holds, or whose last outcome the ledger doesn't show yet, is in `held`, and is passed
//! over. It is struck off only when the ledger shows its outcome and no read is under way that may
//! have begun before.

mod called_off;
mod held;
mod in_order;
mod order;
mod outcomes;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use fanway_store::event::Event;
use fanway_store::lane::{Hold, Room, Work};
use fanway_store::{Error, Lane};
use fanway_types::{
    ByteCount, DeliveryId, Outcome, Plan, PlanHash, TargetName, Timestamp, Verdict,
};
use tokio::sync::oneshot;

use crate::feed::Feed;
use crate::inner::{Inner, engine};
use crate::ledger::{self, Ask, Due, Place, Turns, bucket};
use crate::receipt::Waiting;
use crate::tail::Ticket;
use crate::unposted::Unposted;
use held::Held;
use order::Order;

/// A target's lane in the local store.
pub(crate) struct LocalLane {
    target: TargetName,
    store: Arc<Inner>,
    feed: Arc<Feed>,
    /// What was read, and not handed out yet.
    ready: VecDeque<Work>,
    reading: Option<oneshot::Receiver<Result<Due, ledger::Error>>>,
    held: Held,
    order: Order,
    /// The position up to which the ledger's lines were all looked at.
    seen_lines: u64,
    /// What was read of fresh deliveries in the ledger behind the feed's place.
    turns: Turns,
    /// How many entries were posted when the reading began.
    posted_before: Ticket,
    /// Those with order keys whose ends aren't known to be durable, in their order.
    ending: VecDeque<(Ticket, DeliveryId, Verdict)>,
    /// What the feed was last told of whether anything is left to the ledger.
    shown_passing: bool,
    /// The plan of the last delivery with an order key.
    last_plan: Option<(PlanHash, Arc<Plan>)>,
    /// What was called off and the caller hasn't been told of.
    told: Vec<DeliveryId>,
    /// Whom the feed wakes for more of those.
    told_waker: Option<Waker>,
    /// Outcomes that the journal had no room for.
    unrecorded: VecDeque<Unrecorded>,
    /// Outcomes that the ledger doesn't show yet.
    unposted: Unposted,
}

/// An outcome that the journal had no room for, whether the lane keeps the delivery, and what
/// those who watch are told.
type Unrecorded = (Outcome, Hold, Option<Box<Event>>);

impl LocalLane {
    /// Opens a target's lane; `None` while another one is open.
    pub(crate) fn open(store: Arc<Inner>, target: &TargetName) -> Option<Self> {
        let (target, feed) = {
            // No name is adopted while this is locked.
            let tail = store.commons.tail();
            let target = store.commons.aliases.now(target).into_owned();
            let feed = store.commons.feed(&target);
            let mut state = feed.state();
            if state.open {
                return None;
            }
            state.open(tail.posted_tickets());
            if state.gate > 0 {
                store.commons.bell.ring();
            }
            drop(state);
            (target, feed)
        };
        Some(Self {
            target,
            store,
            feed,
            ready: VecDeque::new(),
            reading: None,
            held: Held::default(),
            order: Order::default(),
            seen_lines: 0,
            turns: Turns::default(),
            posted_before: 0,
            ending: VecDeque::new(),
            shown_passing: false,
            last_plan: None,
            told: Vec::new(),
            told_waker: None,
            unrecorded: VecDeque::new(),
            unposted: Unposted::default(),
        })
    }

    /// Hands out what is there.
    fn hand_out(&mut self, room: &mut Room, work: &mut Vec<Work>) {
        while has_room(room) {
            let Some(next) = self.ready.pop_front() else {
                break;
            };
            self.held.hand_out(next.delivery);
            give(next, room, work);
        }
        if !has_room(room) {
            return;
        }
        let feed = Arc::clone(&self.feed);
        let mut state = feed.state();
        self.note_scheduled(&mut state);
        while has_room(room) {
            let Some(next) = state.pop() else { break };
            let next = match next.message.order_key(next.step) {
                None => Some(next),
                Some(key) => self.come(next, key, &mut state),
            };
            let Some(next) = next else { continue };
            self.held.hand_out(next.delivery);
            give(next, room, work);
        }
    }

    /// Finds more to hand out. Returns whether there is something to hand out, or to wait for.
    fn find_more(&mut self, now: Timestamp, room: Room) -> bool {
        let (behind, place, due) = {
            let mut state = self.feed.state();
            if state.gate > 0 {
                return false;
            }
            if !state.queue.is_empty() {
                return true;
            }
            // Taken before the tail is asked what is posted: a due time is noted after its row
            // is, so that none is taken whose row would be passed over as not posted yet. A look
            // that finds nothing due puts the next due time back.
            let due = state.due.take_if(|due| *due <= now);
            let behind = !state.live && self.ready.is_empty();
            (behind, state.place, due)
        };
        let (posted, tickets) = {
            let tail = self.store.commons.tail();
            (tail.posted(), tail.posted_tickets())
        };
        self.held.strike_off(tickets);
        // What waits in line there is to be known before anything else comes in.
        let fresh_in_ledger = behind && (place < Place::behind(posted) || self.seen_lines < posted);
        if fresh_in_ledger || due.is_some() {
            if let Some(ticket) = self.unposted.too_many(tickets) {
                return self.wait_for_posting(ticket, due);
            }
            self.posted_before = tickets;
            let ask = Ask {
                target: self.target.clone(),
                fresh_after: fresh_in_ledger.then_some(place),
                turns: self.turns.clone(),
                now,
                limit: room.deliveries,
                held: self.held.others(),
                let_go: self.held.let_go_of(),
                followers: self.order.room(),
                bytes: room.bytes.get().min(self.store.budget.free().get()).max(1),
                ring: Arc::clone(&self.store.ring),
            };
            self.start_reading(ask);
            return true;
        }
        if behind {
            self.catch_up();
        }
        behind
    }

    /// Reads nothing before so many entries are posted; what is due stays due. Returns whether
    /// they are already.
    fn wait_for_posting(&self, ticket: Ticket, due: Option<Timestamp>) -> bool {
        {
            let mut state = self.feed.state();
            state.note_due(due);
            state.gate = ticket;
        }
        // The posting thread makes the tail shorter first, and looks at the gate then.
        let are_posted = self.store.commons.tail().posted_tickets() >= ticket;
        if are_posted {
            self.feed.state().gate = 0;
        } else {
            self.store.commons.bell.ring();
        }
        are_posted
    }

    /// Goes on with the tail; the lane is live where that leaves nothing to read. Changes nothing
    /// where posting has gone on since: what lies between is in the ledger.
    fn catch_up(&mut self) {
        let tail = self.store.commons.tail();
        let mut state = self.feed.state();
        if state.place < Place::behind(tail.posted()) || self.seen_lines < tail.posted() {
            return;
        }
        for (seq, message) in tail.messages_from(state.place.seq) {
            if message.due().is_some() {
                let keys = message.terms.order.iter();
                state.scheduled.extend(keys.map(|(_, key)| bucket(*key)));
                continue;
            }
            let Some(plan) = self.store.commons.plan(message.plan) else {
                continue;
            };
            for (step, index) in plan.steps.iter().zip(0..) {
                let place = Place { seq, step: index };
                let target = self.store.commons.aliases.at(&step.target, seq);
                if *target != self.target || place <= state.place {
                    continue;
                }
                if self.held.passes_over(DeliveryId::first(message.id, index)) {
                    state.place = place;
                } else if !state.try_push(seq, message, index) {
                    return;
                }
            }
        }
        state.live = true;
    }

    fn start_reading(&mut self, ask: Ask) {
        self.reading = Some(
            self.store
                .lane_reader
                .ask(move |connection, _| ledger::next(connection, &ask)),
        );
    }

    /// Whether there is nothing to do but to wait; the task is woken when there is.
    fn waits(&self, cx: &Context<'_>, now: Timestamp, room: Room) -> bool {
        let mut state = self.feed.state();
        // Checked under the lock under which it is woken.
        let rests = if self.reading.is_some() {
            state.queue.is_empty()
        } else {
            state.rests(now)
        };
        let waits = (rests && !self.store.commons.is_closed()) || !has_room(&room);
        if waits {
            state.waker = Some(Waiting::new(cx));
        }
        waits
    }

    /// Takes in what was read.
    fn take_in(&mut self, mut found: Due) {
        // What came into the lane since the question was asked is passed over.
        self.take_in_lines(&mut found, self.posted_before);
        let mut state = self.feed.state();
        state.note_due(found.next_due);
        for work in found.fresh {
            if !self.held.passes_over(work.delivery) {
                self.ready.push_back(self.store.reserved(work));
            }
        }
        if !found.read_fresh {
            return;
        }
        self.turns = found.turns;
        if !found.more {
            state.place = state.place.max(Place::behind(found.posted));
        }
    }
}

impl Lane for LocalLane {
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        mut room: Room,
        work: &mut Vec<Work>,
    ) -> Poll<Result<(), Error>> {
        let before = work.len();
        if self.store.commons.is_closed() {
            return Poll::Ready(Err(Error::Closed));
        }
        self.see_to_called_off();
        self.see_to_ended();
        loop {
            if let Some(reading) = &mut self.reading
                && let Poll::Ready(found) = Pin::new(reading).poll(cx)
            {
                self.reading = None;
                let found = found.map_err(|_| Error::Closed)?.map_err(engine)?;
                self.take_in(found);
            }
            self.hand_out(&mut room, work);
            if has_room(&room) && self.reading.is_none() && self.find_more(now, room) {
                continue;
            }
            if work.len() > before {
                return Poll::Ready(Ok(()));
            }
            // What the lane ends itself its caller knows nothing of, and wouldn't ask for room for.
            if !self.unrecorded.is_empty() && self.poll_open(cx).is_ready() {
                continue;
            }
            // Only now: what is committed from here on wakes the task.
            if self.waits(cx, now, room) && !self.see_to_ended() {
                return Poll::Pending;
            }
            if self.store.commons.is_closed() {
                return Poll::Ready(Err(Error::Closed));
            }
        }
    }

    fn due(&self) -> Option<Timestamp> {
        if self.reading.is_some() {
            None
        } else {
            // Until what an earlier lane left is posted, nothing can be read.
            let state = self.feed.state();
            state.due.filter(|_| state.gate == 0)
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let gate = &self.store.commons.gate;
        if !gate.is_shut() && self.unrecorded.is_empty() {
            return Poll::Ready(());
        }
        gate.wait(cx.waker());
        if gate.is_shut() {
            return Poll::Pending;
        }
        self.append_unrecorded();
        if self.unrecorded.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_cancelled(
        &mut self,
        cx: &mut Context<'_>,
        cancelled: &mut Vec<DeliveryId>,
    ) -> Poll<()> {
        self.poll_told(cx, cancelled)
    }

    fn record(&mut self, work: &Work, outcome: Outcome, hold: Hold) {
        if matches!(outcome.verdict, Verdict::Again { .. }) {
            self.held.keep(outcome.delivery, outcome.attempts);
        }
        let event = self.event(work, &outcome);
        self.append(outcome, hold, event);
    }
}

impl Drop for LocalLane {
    fn drop(&mut self) {
        let called_off = self.leave_called_off();
        self.feed.close(self.store.intake.appended(), called_off);
    }
}

fn has_room(room: &Room) -> bool {
    room.deliveries > 0 && room.bytes.get() > 0
}

fn give(next: Work, room: &mut Room, work: &mut Vec<Work>) {
    room.deliveries -= 1;
    room.bytes = ByteCount::new(
        room.bytes
            .get()
            .saturating_sub(next.message.request.body.len() as u64),
    );
    work.push(next);
}
