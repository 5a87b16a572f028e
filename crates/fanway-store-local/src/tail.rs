//! The tail: what the journal has committed and the ledger doesn't have yet.
//!
//! Look-ups, lanes that catch up and posting read it. It is short while posting keeps up, and
//! bounded, since nothing is accepted while it is too long.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use fanway_types::{DeliveryId, Message, MessageId, Outcome, Verdict};
use foldhash::HashMap;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::ledger::Changed;
use crate::record::{Record, Redrive};

/// Counts entries in the order in which they are appended, over this run. The first has 1.
pub(crate) type Ticket = u64;

/// Items for which there is always room: it isn't given back with each posting.
const ROOM: usize = 4096;

/// Where what concerns a message is, in its order: the message, and outcomes of a few targets.
type Places = SmallVec<[u64; 4]>;

/// What is committed and not posted.
///
/// Its maps have ids for keys, which are made here and random: no sender can choose them so that
/// they collide.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    items: VecDeque<Item>,
    batches: VecDeque<Batch>,
    /// Places in `items` of what concerns a message, counted over this run. Those that are gone may
    /// be among them.
    places: HashMap<MessageId, Places>,
    /// What the feeds were told of by each cancel here.
    called_off: HashMap<MessageId, Vec<DeliveryId>>,
    bytes: u64,
    /// How many items have been posted.
    gone: Ticket,
    /// The position in the journal that is posted.
    posted: u64,
    /// Nothing is posted any more: nobody is to wait for it.
    ended: bool,
}

#[derive(Debug)]
struct Item {
    /// The position behind it.
    end: u64,
    record: Record,
    waiter: Option<oneshot::Sender<Changed>>,
    /// A message's deliveries that are under way: due at once, and not ended.
    open: usize,
    /// It was posted with its message, ahead of its turn.
    is_posted: bool,
}

/// A batch as it was committed.
#[derive(Clone, Copy, Debug)]
struct Batch {
    at: Instant,
    end: u64,
}

/// What has rested for long enough to be posted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ripe {
    /// Whatever was committed by then.
    pub(crate) rested: Instant,
    /// What was committed by then and has ended, up to the first message that hasn't. Not before
    /// `rested`.
    pub(crate) ended: Instant,
}

impl Ripe {
    /// Everything that was committed by then.
    pub(crate) fn all(by: Instant) -> Self {
        Self {
            rested: by,
            ended: by,
        }
    }
}

/// A part of the tail, from its beginning, to be posted.
#[derive(Debug)]
pub(crate) struct Range {
    /// Each with the position behind it. First what is in the range, in its order; then the ends
    /// of deliveries, behind the range, of messages that are in it: most messages have ended by
    /// now, and cost one row where that is known.
    pub(crate) records: Vec<(u64, Record)>,
    pub(crate) end: u64,
    /// The places of what is behind the range.
    ahead: Vec<u64>,
}

/// What was posted, for whoever drops it outside the lock.
pub(crate) struct Gone {
    items: Vec<Item>,
    called_off: Vec<DeliveryId>,
}

impl Gone {
    /// The messages that operators' changes were about. Of outcomes was told when they were
    /// committed.
    pub(crate) fn changed(&self) -> impl Iterator<Item = MessageId> {
        self.items.iter().filter_map(|item| match &item.record {
            Record::Redrive(redrive) => Some(redrive.old.message),
            Record::Discard(discard) => Some(discard.dead.message),
            _ => None,
        })
    }

    /// Whether the feeds were told that it was called off when that was committed.
    pub(crate) fn was_told(&self, delivery: DeliveryId) -> bool {
        self.called_off.contains(&delivery)
    }

    /// The messages that have keys.
    pub(crate) fn keyed(&self) -> Vec<Arc<Message>> {
        let messages = self.items.iter().filter_map(|item| match &item.record {
            Record::Message(message) => message.terms.key.is_some().then_some(message),
            _ => None,
        });
        messages.cloned().collect()
    }

    /// The redrives that were done.
    pub(crate) fn redriven(&self, changes: &[Changed]) -> impl Iterator<Item = &Redrive> {
        let records = self.items.iter().map(|item| &item.record);
        let records = records.filter(|record| record.is_change());
        records.zip(changes).filter_map(|change| match change {
            (Record::Redrive(redrive), Changed::Done) => Some(&**redrive),
            _ => None,
        })
    }

    /// Tells those who waited for it.
    pub(crate) fn tell(self, changes: Vec<Changed>) {
        let waiters = self
            .items
            .into_iter()
            .filter(|item| item.record.is_change());
        for (waiter, changed) in waiters.map(|item| item.waiter).zip(changes) {
            // Whoever waited may have gone away.
            let _gone = waiter.map(|waiter| waiter.send(changed));
        }
    }
}

/// What the tail knows of a message.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) message: Option<Arc<Message>>,
    /// Each with the position behind it.
    pub(crate) outcomes: Vec<(u64, Outcome)>,
}

impl Tail {
    /// A tail behind what is posted already.
    pub(crate) fn new(posted: u64) -> Self {
        Self {
            posted,
            ..Self::default()
        }
    }

    /// Adds a committed record; `end` is the position behind it. Of a message, `open` deliveries are
    /// under way.
    pub(crate) fn push(
        &mut self,
        end: u64,
        record: Record,
        waiter: Option<oneshot::Sender<Changed>>,
        open: usize,
    ) {
        if let Some(id) = message_of(&record) {
            self.note_place(id, is_end(&record));
        }
        self.bytes += weight(&record);
        self.items.push_back(Item {
            end,
            record,
            waiter: waiter.filter(|_| !self.ended),
            open,
            is_posted: false,
        });
    }

    /// Notes that the next item concerns a message, and whether it ends one of its deliveries.
    fn note_place(&mut self, id: MessageId, is_end: bool) {
        let next = self.gone + self.items.len() as u64;
        let places = self.places.entry(id).or_default();
        // Where it is here, the message itself is the first.
        let message = places.first().filter(|_| is_end).copied();
        places.push(next);
        if let Some(item) = message.and_then(|place| self.at_mut(place)) {
            item.open = item.open.saturating_sub(1);
        }
    }

    /// Notes that nothing is posted any more: who waits for it learns that by being let go.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        for item in &mut self.items {
            item.waiter = None;
        }
    }

    /// Notes the end of a batch.
    pub(crate) fn end_batch(&mut self, at: Instant, end: u64) {
        self.batches.push_back(Batch { at, end });
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When its oldest record was committed.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.batches.front().map(|batch| batch.at)
    }

    /// The position up to which everything is posted.
    pub(crate) fn posted(&self) -> u64 {
        self.posted
    }

    /// The position up to which everything is committed.
    pub(crate) fn committed(&self) -> u64 {
        let last = self.items.back().map_or(0, |item| item.end);
        last.max(self.posted)
    }

    /// How many entries of this run are committed.
    pub(crate) fn committed_tickets(&self) -> Ticket {
        self.gone + self.items.len() as u64
    }

    /// How many entries of this run are posted.
    pub(crate) fn posted_tickets(&self) -> Ticket {
        self.gone
    }

    /// What is ripe, as far as `limit` records.
    pub(crate) fn range(&self, ripe: Ripe, limit: usize) -> Option<Range> {
        // A batch may be cut here: what counts is the order of records.
        let count = self.count_ripe(ripe).min(limit);
        let end = self.items.range(..count).next_back()?.end;
        let items = self.items.range(..count).filter(|item| !item.is_posted);
        let ahead = self.ends_behind(count);
        let mut records = Vec::with_capacity(count + ahead.len());
        records.extend(items.map(|item| (item.end, item.record.clone())));
        records.extend(ahead.iter().filter_map(|place| {
            let item = self.at(*place)?;
            Some((item.end, item.record.clone()))
        }));
        Some(Range {
            records,
            end,
            ahead,
        })
    }

    /// How many items are ripe.
    fn count_ripe(&self, ripe: Ripe) -> usize {
        let rested = self.count_by(ripe.rested);
        let resting = self.items.range(rested..self.count_by(ripe.ended));
        rested + resting.take_while(|item| item.open == 0).count()
    }

    /// How many items were committed by then.
    fn count_by(&self, by: Instant) -> usize {
        let batches = self.batches.partition_point(|batch| batch.at <= by);
        let last = batches.checked_sub(1).map(|last| self.batches[last].end);
        last.map_or(0, |end| self.items.partition_point(|item| item.end <= end))
    }

    /// The places, behind the first `count`, of ends of deliveries of the messages among those.
    fn ends_behind(&self, count: usize) -> Vec<u64> {
        let behind = self.gone + count as u64;
        let messages = self
            .items
            .range(..count)
            .filter_map(|item| match &item.record {
                Record::Message(message) => Some(message.id),
                _ => None,
            });
        let is = |place: &u64, kind: fn(&Record) -> bool| {
            self.at(*place).is_some_and(|item| kind(&item.record))
        };
        let places = messages.filter_map(|id| self.places.get(&id));
        let later = places.map(|places| places.iter().filter(|place| **place >= behind));
        // Who has a delivery when it ends is told before its end.
        let unmoved = later.filter(|later| !later.clone().any(|place| is(place, moves)));
        let ends = unmoved.flatten().filter(|place| is(place, is_end));
        ends.copied().collect()
    }

    /// Notes what the feeds are told of by a cancel.
    pub(crate) fn note_called_off(&mut self, delivery: DeliveryId) {
        let told = self.called_off.entry(delivery.message).or_default();
        told.push(delivery);
    }

    /// Whether the end of a delivery is here.
    pub(crate) fn has_end(&self, delivery: DeliveryId) -> bool {
        let ended = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Ended(_));
        self.outcomes(delivery).any(ended)
    }

    /// How many attempts of a delivery are known of here.
    pub(crate) fn attempts(&self, delivery: DeliveryId) -> u32 {
        let attempts = self.outcomes(delivery).map(|outcome| outcome.attempts);
        attempts.max().unwrap_or(0)
    }

    fn outcomes(&self, delivery: DeliveryId) -> impl Iterator<Item = &Outcome> {
        let places = self.places.get(&delivery.message).into_iter().flatten();
        let items = places.filter_map(|place| self.at(*place));
        items.filter_map(move |item| match &item.record {
            Record::Outcome(outcome) if outcome.delivery == delivery => Some(outcome),
            _ => None,
        })
    }

    fn at(&self, place: u64) -> Option<&Item> {
        let index = usize::try_from(place.checked_sub(self.gone)?).ok()?;
        self.items.get(index)
    }

    fn at_mut(&mut self, place: u64) -> Option<&mut Item> {
        let index = usize::try_from(place.checked_sub(self.gone)?).ok()?;
        self.items.get_mut(index)
    }

    /// Takes off what was posted as a range.
    pub(crate) fn take_posted(&mut self, range: &Range) -> Gone {
        for place in &range.ahead {
            if let Some(item) = self.at_mut(*place) {
                item.is_posted = true;
            }
        }
        let count = self.items.partition_point(|item| item.end <= range.end);
        let items: Vec<_> = self.items.drain(..count).collect();
        if self.items.capacity() / 4 > self.items.len().max(ROOM) {
            self.items.shrink_to(2 * self.items.len());
            self.places.shrink_to(2 * self.places.len());
        }
        self.gone += count as u64;
        for item in &items {
            self.bytes -= weight(&item.record);
            if let Some(id) = message_of(&item.record) {
                self.forget(id);
            }
        }
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.end <= range.end)
        {
            self.batches.pop_front();
        }
        self.posted = self.posted.max(range.end);
        let cancels = items.iter().filter_map(|item| match &item.record {
            Record::Cancel(cancel) => self.called_off.remove(&cancel.message),
            _ => None,
        });
        let called_off = cancels.flatten().collect();
        Gone { items, called_off }
    }

    /// Forgets where what concerns a message was, once all of that is gone.
    fn forget(&mut self, id: MessageId) {
        let last = self.places.get(&id).and_then(|places| places.last());
        if last.is_some_and(|last| *last < self.gone) {
            self.places.remove(&id);
        }
    }

    /// What is known of a message here.
    pub(crate) fn find(&self, id: MessageId) -> Known {
        let mut known = Known::default();
        for place in self.places.get(&id).into_iter().flatten() {
            let Some(item) = self.at(*place) else {
                continue;
            };
            match &item.record {
                Record::Message(message) => known.message = Some(Arc::clone(message)),
                Record::Outcome(outcome) => known.outcomes.push((item.end, outcome.clone())),
                _ => {}
            }
        }
        known
    }

    /// The messages behind a position, with the position behind each.
    pub(crate) fn messages_from(&self, seq: u64) -> impl Iterator<Item = (u64, &Arc<Message>)> {
        let first = self.items.partition_point(|item| item.end < seq);
        self.items
            .range(first..)
            .filter_map(|item| match &item.record {
                Record::Message(message) => Some((item.end, message)),
                _ => None,
            })
    }
}

/// Whether it ends a delivery. One that is to be attempted again isn't posted ahead of its turn:
/// its lane looks for its due time when the turn has come.
fn is_end(record: &Record) -> bool {
    matches!(record, Record::Outcome(outcome) if matches!(outcome.verdict, Verdict::Ended(_)))
}

/// Whether it gives a delivery to another target.
fn moves(record: &Record) -> bool {
    matches!(record, Record::Outcome(outcome) if outcome.fallback.is_some())
}

fn message_of(record: &Record) -> Option<MessageId> {
    match record {
        Record::Message(message) => Some(message.id),
        Record::Outcome(outcome) => Some(outcome.delivery.message),
        _ => None,
    }
}

/// About what a record takes in memory.
fn weight(record: &Record) -> u64 {
    const ITEM: u64 = 256;
    match record {
        Record::Message(message) => {
            let request = &message.request;
            // The message itself, its place here, and the text in it.
            2 * ITEM + (request.body.len() + request.headers.as_block().len()) as u64
        }
        Record::Outcome(outcome) => {
            ITEM + outcome
                .detail
                .as_ref()
                .map_or(0, |detail| detail.len() as u64)
        }
        Record::Redrive(redrive) => {
            ITEM + redrive
                .body
                .as_ref()
                .map_or(0, |edited| edited.body.len() as u64)
        }
        _ => ITEM,
    }
}

#[cfg(test)]
mod tests;
