//! What follows a commit, on the committer's thread: the tail grows, lanes get their fresh
//! deliveries, and those who waited for their 202 are woken.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fanway_journal::{Committed, Observer, Poison};
use fanway_store::event::{Event, What};
use fanway_types::{Message, PlanHash};
use foldhash::{HashMap, HashMapExt};

use crate::cancel::{CallOff, CalledOff};
use crate::commons::Commons;
use crate::entry::{Entry, Waiter};
use crate::feed::Feed;
use crate::ledger::bucket;
use crate::receipt::{Waiting, issue_all};
use crate::record::Record;
use crate::tail::Tail;

/// Tells the rest of the store what the journal has committed.
pub(crate) struct Commits {
    commons: Arc<Commons>,
    /// The feeds of each plan's steps, in their order.
    feeds: HashMap<PlanHash, Vec<Arc<Feed>>>,
    /// The version of the targets' other names that these feeds are of.
    aliases: u64,
}

impl Commits {
    pub(crate) fn new(commons: Arc<Commons>) -> Self {
        Self {
            commons,
            feeds: HashMap::new(),
            aliases: 0,
        }
    }

    fn feeds(&mut self, plan: PlanHash) -> &[Arc<Feed>] {
        let Self { commons, feeds, .. } = self;
        feeds.entry(plan).or_insert_with(|| {
            let plan = commons
                .plan(plan)
                .expect("nothing is accepted whose plan isn't kept");
            let targets = plan.steps.iter().map(|step| &step.target);
            targets.map(|target| commons.feed(target)).collect()
        })
    }

    /// Offers a message's deliveries to their feeds; returns how many these are.
    fn offer(&mut self, end: u64, message: &Arc<Message>, lanes: &mut Vec<Waiting>) -> usize {
        let feeds = self.feeds(message.plan);
        for (feed, step) in feeds.iter().zip(0..) {
            lanes.extend(feed.offer(end, message, step));
        }
        feeds.len()
    }

    /// Tells the feeds of a message that isn't due yet which of its deliveries have order keys.
    fn note_scheduled(&mut self, message: &Message) {
        if message.terms.order.is_empty() {
            return;
        }
        let feeds = self.feeds(message.plan);
        for (step, key) in &message.terms.order {
            if let Some(feed) = feeds.get(usize::from(*step)) {
                feed.note_scheduled(bucket(*key));
            }
        }
    }

    /// Brings what was called off into the feeds, as far as it hasn't ended meanwhile.
    fn call_off(&self, tail: &mut Tail, open: Vec<CalledOff>, lanes: &mut Vec<Waiting>) {
        for mut called_off in open {
            if tail.has_end(called_off.delivery) {
                called_off.let_caller_go();
                continue;
            }
            called_off.note_attempts(tail.attempts(called_off.delivery));
            tail.note_called_off(called_off.delivery);
            let feed = self.commons.feed(&called_off.target);
            lanes.extend(feed.call_off(called_off));
        }
    }

    /// Adds an entry to the tail and hands it on; returns who waits for its being durable.
    fn take(
        &mut self,
        tail: &mut Tail,
        end: u64,
        entry: Entry,
        lanes: &mut Vec<Waiting>,
    ) -> Option<Waiter> {
        let Entry { record, waiter, .. } = entry;
        // One that isn't due yet comes to its lane from the ledger.
        let open = match &record {
            Record::Message(message) if message.due().is_none() => self.offer(end, message, lanes),
            Record::Message(message) => {
                self.note_scheduled(message);
                0
            }
            _ => 0,
        };
        match waiter {
            Waiter::Posted(waiter) => {
                tail.push(end, record, Some(waiter), open);
                None
            }
            Waiter::CallOff(call_off) => {
                let CallOff { caller, open } = *call_off;
                self.call_off(tail, open, lanes);
                tail.push(end, record, None, 0);
                Some(Waiter::Durable(caller))
            }
            Waiter::Lane(feed) => {
                lanes.extend(feed.take_waker());
                tail.push(end, record, None, open);
                Some(Waiter::Nobody)
            }
            durable => {
                tail.push(end, record, None, open);
                Some(durable)
            }
        }
    }
}

impl Observer<Entry> for Commits {
    fn committed(&mut self, batch: Committed<Entry>) {
        let commons = Arc::clone(&self.commons);
        let (last, count) = (batch.end().0, batch.len());
        let mut changed = Vec::new();
        let mut keyed = Vec::new();
        let mut lanes = Vec::new();
        let mut waiters = Vec::with_capacity(batch.len());
        let is_watched = commons.watchers.are_there();
        let mut events = Vec::new();
        // The tail stays locked until the feeds have their share: a lane that catches up under
        // this lock then sees each message exactly once.
        let mut tail = commons.tail();
        let aliases = commons.aliases.version();
        if aliases != self.aliases {
            self.aliases = aliases;
            self.feeds.clear();
        }
        for (end, entry) in batch {
            match &entry.record {
                Record::Outcome(outcome) => changed.push(outcome.delivery.message),
                Record::Message(message) if message.terms.key.is_some() => {
                    keyed.push(Arc::clone(message));
                }
                _ => {}
            }
            if is_watched {
                events.extend(event(&entry));
            }
            waiters.extend(self.take(&mut tail, end.0, entry, &mut lanes));
        }
        tail.end_batch(Instant::now(), last);
        commons.tail_bytes.store(tail.bytes(), Ordering::Relaxed);
        drop(tail);
        if waiters.len() < count {
            // Somebody waits for the posting of what is in this batch.
            commons.bell.ring();
        }
        // Before their callers are told: what they send again is known then.
        commons.keys.note_durable(&keyed);
        let issuers = waiters.into_iter().filter_map(|waiter| match waiter {
            Waiter::Durable(issuer) => Some(issuer),
            Waiter::Nobody | Waiter::Lane(_) | Waiter::Posted(_) | Waiter::CallOff(_) => None,
        });
        issue_all(issuers, lanes);
        commons.tell(changed.into_iter());
        commons.watchers.tell(events);
    }

    fn failed(&mut self, entries: Vec<Entry>, cause: &Poison) {
        self.commons.gate.shut();
        for entry in entries {
            let caller = match entry.waiter {
                Waiter::Durable(caller) => caller,
                Waiter::CallOff(call_off) => call_off.caller,
                Waiter::Nobody | Waiter::Lane(_) | Waiter::Posted(_) => continue,
            };
            caller.fail(cause.to_string());
        }
    }
}

/// What those who watch are told of an entry.
fn event(entry: &Entry) -> Option<Event> {
    match &entry.record {
        Record::Message(message) => Some(Event {
            message: message.id,
            route: message.route.clone(),
            what: What::Accepted,
        }),
        _ => entry.event.as_deref().cloned(),
    }
}
