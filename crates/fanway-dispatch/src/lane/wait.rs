//! What a lane waits for besides its flights: what the store has for it and keeps for it, and the time,
//! by one timer.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fanway_types::Timestamp;
use tokio::time::Instant;

use super::gate::Now;
use super::{Event, Lane, Wakers};

/// How soon a store is asked again that says that a delivery is due but hands none out. It wakes
/// the lane when it has one; this is for the case that it doesn't.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// How soon the wall clock is looked at again while something expires later: it may jump forward.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

impl Lane {
    pub(super) fn poll_store(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Event> {
        if let Some(loading) = &mut self.loading
            && let Poll::Ready(loaded) = loading.as_mut().poll(cx)
        {
            return Poll::Ready(Event::Loaded(loaded));
        }
        let Some(room) = self.window.room() else {
            return Poll::Pending;
        };
        let Now { wall, steady } = now;
        let store_time = self.horizon.store_time(self.reader.due(), wall, steady);
        self.reader
            .poll_take(cx, store_time, room, &mut self.taken)
            .map(Event::Taken)
    }

    pub(super) fn poll_timer(
        &mut self,
        wakers: &mut Wakers,
        cx: &mut Context<'_>,
        now: Now,
    ) -> Poll<()> {
        let Some(moment) = self.next_moment(now) else {
            return Poll::Pending;
        };
        if wakers.set_to != Some(moment) {
            wakers.sleep.as_mut().reset(moment);
            wakers.set_to = Some(moment);
        }
        let woken = wakers.sleep.as_mut().poll(cx);
        if woken.is_ready() {
            wakers.set_to = None;
        }
        woken
    }

    /// Has the store keep what has changed of the target's trouble, one change after the other and
    /// the latest only. What couldn't be kept is kept with the next change.
    pub(super) fn keep_trouble(&mut self, cx: &mut Context<'_>, now: Now) {
        loop {
            if let Some(keeping) = &mut self.keeping {
                let Poll::Ready(kept) = keeping.as_mut().poll(cx) else {
                    return;
                };
                self.keeping = None;
                if let Err(error) = kept {
                    let target_name = &self.name;
                    tracing::warn!(%target_name, %error, "what isn't well with the target isn't kept");
                }
            }
            let Some(trouble) = self.gate.trouble(now) else {
                return;
            };
            let (store, target) = (Arc::clone(&self.store), self.name.clone());
            let keep = async move { store.keep_trouble(target, trouble).await };
            self.keeping = Some(Box::pin(keep));
        }
    }

    /// When there is something to do though nothing else has happened.
    fn next_moment(&mut self, now: Now) -> Option<Instant> {
        let Now { wall, steady } = now;
        // Also where nothing is ready: what is shown of the lane changes then.
        let gate = self.gate.opens_at(steady).filter(|at| *at > steady);
        let store = self.window.room().and_then(|_| self.reader.due());
        let store = store.map(|due| {
            let moment = self.horizon.moment(due, wall, steady);
            if moment > steady {
                moment
            } else {
                steady + ASK_AGAIN
            }
        });
        let expiry = self.next_expiry(wall, steady);
        [self.window.next_due(), gate, store, expiry]
            .into_iter()
            .flatten()
            .min()
    }

    /// When something in the window expires. Stays the same until then, so that the timer isn't set
    /// anew each time.
    fn next_expiry(&mut self, wall: Timestamp, steady: Instant) -> Option<Instant> {
        let at = self.window.next_expiry()?;
        let awaited = self.awaited_expiry.filter(|awaited| awaited.0 == at);
        let awaited = awaited.filter(|(_, until)| *until > steady);
        let until = match awaited {
            Some((_, until)) => until,
            None => steady + at.since(wall).min(LOOK_AGAIN),
        };
        self.awaited_expiry = Some((at, until));
        Some(until)
    }
}
