//! What a lane holds: bounded in deliveries and bytes, whatever waits behind it.
//!
//! A delivery is ready, or waits for its time, or is in flight. Of those that are ready, first tries
//! are taken ahead of retries; but where both are ready, every fourth is a retry. So neither starves:
//! not a retry behind fresh ones, nor the others behind those that fail each time. Among first tries
//! and among retries routes have [`Turns`], and of one route they are taken in the order in which
//! they became ready.
//!
//! What is called off, and what expires, is found by a look at all that is held: the one is rare,
//! and the other comes once for each time at which something expires.

mod turns;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use fanway_store::lane::{Hold, Room, Work};
use fanway_types::{ByteCount, DeliveryId, Timestamp};
use tokio::time::Instant;

use turns::Turns;

/// The longest that a failed delivery waits within the lane; the store keeps it for longer waits.
const LONGEST_KEPT: Duration = Duration::from_secs(5);

/// A lane's deliveries.
#[derive(Debug)]
pub(super) struct Window {
    /// What there is room for in all.
    limit: Room,
    ready: Ready,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Ready, waiting and in flight.
    held: usize,
    bytes: u64,
    waiting_bytes: u64,
    /// Counted up, so that what is due at one time keeps its order.
    sequence: u64,
    /// No delivery that is ready or waits expires before this; one that has left may have.
    next_expiry: Option<Timestamp>,
}

/// Deliveries that are ready.
#[derive(Debug, Default)]
struct Ready {
    first_tries: Turns,
    retries: Turns,
    /// First tries that were taken ahead of a retry since the last one.
    ahead: u8,
}

#[derive(Debug)]
struct Waiting {
    until: Instant,
    sequence: u64,
    /// Whether it waits for a target that is held to be probed.
    for_probe: bool,
    work: Work,
}

impl Window {
    pub(super) fn new(limit: Room) -> Self {
        Self {
            limit,
            ready: Ready::default(),
            waiting: BinaryHeap::new(),
            held: 0,
            bytes: 0,
            waiting_bytes: 0,
            sequence: 0,
            next_expiry: None,
        }
    }

    /// What the store may hand out now, where that is worth asking: a quarter of the window, or
    /// whatever there is when no first try is ready. A lane that has fallen behind thus reads the
    /// store in pieces of a good size.
    pub(super) fn room(&self) -> Option<Room> {
        let deliveries = self.limit.deliveries.saturating_sub(self.held);
        let bytes = self.limit.bytes.get().saturating_sub(self.bytes);
        let is_room = deliveries > 0 && bytes > 0;
        let is_worth_it = self.ready.first_tries.is_empty()
            || (deliveries >= self.limit.deliveries / 4 && bytes >= self.limit.bytes.get() / 4);
        (is_room && is_worth_it).then_some(Room {
            deliveries,
            bytes: ByteCount::new(bytes),
        })
    }

    /// Whether a delivery that has to wait so long does so here.
    pub(super) fn hold_for(&self, wait: Duration, work: &Work) -> Hold {
        // Retries never take more than half of it, or fresh deliveries would wait behind them.
        let is_pressed = (self.waiting.len() + 1) * 2 > self.limit.deliveries
            || (self.waiting_bytes + size(work)) * 2 > self.limit.bytes.get();
        if wait <= LONGEST_KEPT && !is_pressed {
            Hold::Keep
        } else {
            Hold::LetGo
        }
    }

    /// Adds a delivery that the store has handed out.
    pub(super) fn add(&mut self, work: Work) {
        self.held += 1;
        self.bytes += size(&work);
        self.note_expiry(&work);
        self.ready.add(work);
    }

    /// Takes the next delivery to attempt. It stays held until it is put back or
    /// [let go](Self::let_go).
    pub(super) fn take_ready(&mut self) -> Option<Work> {
        self.ready.take()
    }

    /// The next delivery to attempt.
    pub(super) fn next_ready(&self) -> Option<&Work> {
        self.ready.next()
    }

    /// Puts a delivery that was taken back until its time.
    pub(super) fn wait(&mut self, work: Work, until: Instant) {
        self.put_back(work, until, false);
    }

    /// Puts a delivery that was taken back until the next probe, or until the target isn't held
    /// any more.
    pub(super) fn wait_for_probe(&mut self, work: Work, until: Instant) {
        self.put_back(work, until, true);
    }

    fn put_back(&mut self, work: Work, until: Instant, for_probe: bool) {
        self.waiting_bytes += size(&work);
        self.sequence += 1;
        self.note_expiry(&work);
        self.waiting.push(Reverse(Waiting {
            until,
            sequence: self.sequence,
            for_probe,
            work,
        }));
    }

    /// Gives up the place of a delivery that was taken.
    pub(super) fn let_go(&mut self, work: &Work) {
        self.held -= 1;
        self.bytes -= size(work);
    }

    /// Makes ready what has waited until now.
    pub(super) fn promote(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(waiting)) = self.waiting.pop() else {
                return;
            };
            self.waiting_bytes -= size(&waiting.work);
            self.ready.add(waiting.work);
        }
    }

    /// Makes ready what waits for a probe, in its order.
    pub(super) fn release_probes(&mut self) {
        let waiting = std::mem::take(&mut self.waiting).into_sorted_vec();
        // Sorted by the reverse: the last is the first.
        for Reverse(waiting) in waiting.into_iter().rev() {
            if waiting.for_probe {
                self.waiting_bytes -= size(&waiting.work);
                self.ready.add(waiting.work);
            } else {
                self.waiting.push(Reverse(waiting));
            }
        }
    }

    /// When the first of those that wait becomes ready.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(first)| first.until)
    }

    /// Deliveries that are ready or wait.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len() + self.waiting.len()
    }

    /// The bodies of all that is held.
    pub(super) fn bytes(&self) -> ByteCount {
        ByteCount::new(self.bytes)
    }
}

/// Taking what isn't attempted any more. It stays held until it is let go.
impl Window {
    /// When to look for what expires, where anything may.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.next_expiry
    }

    /// Takes what is ready or waits and has expired by `now`.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Vec<Work> {
        let mut next = None;
        let expired = self.take_where(|work| match expiry(work) {
            Some(at) if at <= now => true,
            Some(at) => {
                next = Some(next.map_or(at, |next: Timestamp| next.min(at)));
                false
            }
            None => false,
        });
        self.next_expiry = next;
        expired
    }

    /// Takes those of these that are ready or wait.
    pub(super) fn take_called_off(&mut self, ids: &[DeliveryId]) -> Vec<Work> {
        self.take_where(|work| ids.contains(&work.delivery))
    }

    fn take_where(&mut self, mut is_wanted: impl FnMut(&Work) -> bool) -> Vec<Work> {
        let mut taken = Vec::new();
        for ready in [&mut self.ready.first_tries, &mut self.ready.retries] {
            ready.retain(|work| {
                let is_wanted = is_wanted(work);
                if is_wanted {
                    taken.push(work.clone());
                }
                !is_wanted
            });
        }
        let ready = taken.len();
        self.waiting.retain(|Reverse(waiting)| {
            let is_wanted = is_wanted(&waiting.work);
            if is_wanted {
                taken.push(waiting.work.clone());
            }
            !is_wanted
        });
        self.waiting_bytes -= taken[ready..].iter().map(size).sum::<u64>();
        taken
    }

    fn note_expiry(&mut self, work: &Work) {
        if let Some(at) = expiry(work) {
            self.next_expiry = Some(self.next_expiry.map_or(at, |next| next.min(at)));
        }
    }
}

impl Ready {
    /// How many first tries are taken before a retry that is ready too.
    const AHEAD: u8 = 3;

    fn add(&mut self, work: Work) {
        if work.progress.attempts == 0 {
            self.first_tries.push_back(work);
        } else {
            self.retries.push_back(work);
        }
    }

    fn is_retrys_turn(&self) -> bool {
        let is_ready = !self.retries.is_empty();
        is_ready && (self.first_tries.is_empty() || self.ahead >= Self::AHEAD)
    }

    fn next(&self) -> Option<&Work> {
        if self.is_retrys_turn() {
            self.retries.front()
        } else {
            self.first_tries.front()
        }
    }

    fn take(&mut self) -> Option<Work> {
        if self.is_retrys_turn() {
            self.ahead = 0;
            return self.retries.pop_front();
        }
        // Without a retry that is ready nobody is kept waiting.
        self.ahead = if self.retries.is_empty() {
            0
        } else {
            self.ahead + 1
        };
        self.first_tries.pop_front()
    }

    fn len(&self) -> usize {
        self.first_tries.len() + self.retries.len()
    }
}

/// When a delivery expires. One that was redriven doesn't.
pub(super) fn expiry(work: &Work) -> Option<Timestamp> {
    let expires = work.message.terms.expires;
    expires.filter(|_| work.delivery.run == 0)
}

fn size(work: &Work) -> u64 {
    work.message.request.body.len() as u64
}

impl Waiting {
    fn order(&self) -> (Instant, u64) {
        (self.until, self.sequence)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use fanway_store::lane::{Hold, Progress, Room, Work};
    use fanway_testkit::build;
    use fanway_types::{ByteCount, DeliveryId};
    use tokio::time::Instant;

    use super::Window;

    const SECOND: Duration = Duration::from_secs(1);

    /// Work whose body has nine bytes.
    fn work(number: u64) -> Work {
        let plan = build::plan([build::step("inventory")]);
        let message = build::message_with_body(&plan, number, "nine byte");
        let delivery = DeliveryId::first(message.id, 0);
        Work {
            delivery,
            plan: message.plan,
            message: Arc::clone(&message),
            step: 0,
            key: delivery,
            progress: Progress::default(),
        }
    }

    fn window() -> Window {
        Window::new(Room {
            deliveries: 100,
            bytes: ByteCount::new(30),
        })
    }

    /// Puts a delivery into a window in which it waits.
    fn let_wait(window: &mut Window, number: u64, until: Instant) -> DeliveryId {
        window.add(work(number));
        let work = window.take_ready().expect("it was added");
        let delivery = work.delivery;
        window.wait(work, until);
        delivery
    }

    #[test]
    fn what_is_called_off_leaves_its_room_to_other_retries() {
        let (mut window, until) = (window(), Instant::now() + SECOND);
        let delivery = let_wait(&mut window, 1, until);
        assert_eq!(window.hold_for(SECOND, &work(2)), Hold::LetGo);
        let taken = window.take_called_off(&[delivery]);
        assert_eq!(taken.len(), 1);
        window.let_go(&taken[0]);
        assert_eq!(window.hold_for(SECOND, &work(2)), Hold::Keep);
        assert_eq!((window.waiting(), window.bytes().get()), (0, 0));
        assert_eq!(window.next_due(), None);
    }

    #[test]
    fn first_tries_come_ahead_of_retries_and_every_fourth_is_a_retry() {
        let mut window = window();
        let retry = |number| {
            let mut work = work(number);
            work.progress.attempts = 1;
            work
        };
        (1..=2).for_each(|number| window.add(retry(number)));
        (3..=9).for_each(|number| window.add(work(number)));
        let taken = std::iter::from_fn(|| window.take_ready()).map(|work| work.delivery);
        let expected = [3, 4, 5, 1, 6, 7, 8, 2, 9].map(|number| work(number).delivery);
        assert_eq!(taken.collect::<Vec<_>>(), expected);
        window.add(work(10));
        window.add(retry(11));
        assert_eq!(window.next_ready().map(|work| work.step), Some(0));
        let ten = window.take_ready().map(|work| work.delivery);
        assert_eq!(
            ten,
            Some(work(10).delivery),
            "nobody was kept waiting since"
        );
    }

    #[test]
    fn what_waits_for_a_probe_is_released_in_its_order_and_the_rest_waits_on() {
        let (mut window, now) = (window(), Instant::now());
        let rest = let_wait(&mut window, 1, now + SECOND);
        for (number, seconds) in [(2, 9), (3, 8), (4, 9)] {
            window.add(work(number));
            let work = window.take_ready().expect("it was added");
            window.wait_for_probe(work, now + seconds * SECOND);
        }
        window.release_probes();
        let ready = std::iter::from_fn(|| window.take_ready()).map(|work| work.delivery);
        let expected = [3, 2, 4].map(|number| work(number).delivery);
        assert_eq!(ready.collect::<Vec<_>>(), expected);
        window.promote(now);
        assert!(window.next_ready().is_none());
        window.promote(now + SECOND);
        assert_eq!(window.next_ready().map(|work| work.delivery), Some(rest));
    }
}
