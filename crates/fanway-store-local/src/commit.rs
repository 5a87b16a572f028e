//! What follows a commit, on the committer's thread: the tail grows, lanes get their fresh
//! deliveries, and those who waited for their 202 are woken.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use fanway_journal::{Committed, Observer, Poison};
use fanway_types::{Message, PlanHash};

use crate::commons::Commons;
use crate::entry::{Entry, Waiter};
use crate::feed::Feed;
use crate::record::Record;
use crate::tail::Tail;

/// Tells the rest of the store what the journal has committed.
pub(crate) struct Commits {
    commons: Arc<Commons>,
    /// The feeds of each plan's steps, in their order.
    feeds: HashMap<PlanHash, Vec<Arc<Feed>>>,
}

impl Commits {
    pub(crate) fn new(commons: Arc<Commons>) -> Self {
        Self {
            commons,
            feeds: HashMap::new(),
        }
    }

    fn feeds(&mut self, plan: PlanHash) -> &[Arc<Feed>] {
        let Self { commons, feeds } = self;
        feeds.entry(plan).or_insert_with(|| {
            let plan = commons
                .plan(plan)
                .expect("nothing is accepted whose plan isn't kept");
            let targets = plan.steps.iter().map(|step| &step.target);
            targets.map(|target| commons.feed(target)).collect()
        })
    }

    fn offer(&mut self, end: u64, message: &Arc<Message>, wakers: &mut Vec<Waker>) {
        for (feed, step) in self.feeds(message.plan).iter().zip(0..) {
            wakers.extend(feed.offer(end, message, step));
        }
    }

    /// Adds an entry to the tail and hands it on; returns who waits for its being durable.
    fn take(
        &mut self,
        tail: &mut Tail,
        end: u64,
        entry: Entry,
        wakers: &mut Vec<Waker>,
    ) -> Option<Waiter> {
        let Entry { record, waiter } = entry;
        if let Record::Message(message) = &record {
            self.offer(end, message, wakers);
        }
        match waiter {
            Waiter::Posted(waiter) => {
                tail.push(end, record, Some(waiter));
                None
            }
            durable => {
                tail.push(end, record, None);
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
        let mut wakers = Vec::new();
        let mut waiters = Vec::with_capacity(batch.len());
        // The tail stays locked until the feeds have their share: a lane that catches up under
        // this lock then sees each message exactly once.
        let mut tail = commons.tail();
        for (end, entry) in batch {
            if let Record::Outcome(outcome) = &entry.record {
                changed.push(outcome.delivery.message);
            }
            waiters.extend(self.take(&mut tail, end.0, entry, &mut wakers));
        }
        tail.end_batch(Instant::now(), last);
        commons.tail_bytes.store(tail.bytes(), Ordering::Relaxed);
        drop(tail);
        if waiters.len() < count {
            // Somebody waits for the posting of what is in this batch.
            commons.bell.ring();
        }
        for waiter in waiters {
            if let Waiter::Durable(waiter) = waiter {
                // The caller may have gone away; its message stays.
                let _gone = waiter.send(Ok(()));
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        commons.tell(changed.into_iter());
    }

    fn failed(&mut self, entries: Vec<Entry>, cause: &Poison) {
        self.commons.gate.shut();
        for entry in entries {
            if let Waiter::Durable(waiter) = entry.waiter {
                let _gone = waiter.send(Err(cause.to_string()));
            }
        }
    }
}
