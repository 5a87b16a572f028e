//! Those who watch everything that becomes durable. Nobody waits for them, and nothing is built
//! for them while there are none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_store::event::{Event, Events, Seen};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Batches that a watcher may be behind.
const BEHIND: usize = 128;

/// What all watchers are told.
type Batch = Arc<[Event]>;

/// All who watch.
#[derive(Debug)]
pub(crate) struct Watchers {
    count: Arc<AtomicUsize>,
    /// `None` once nothing happens any more.
    channel: Mutex<Option<Sender<Batch>>>,
}

/// One who watches.
struct Watcher {
    receiver: Receiver<Batch>,
    count: Arc<AtomicUsize>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watchers {
    pub(crate) fn new() -> Self {
        Self {
            count: Arc::default(),
            channel: Mutex::new(Some(broadcast::channel(BEHIND).0)),
        }
    }

    /// Whether anybody watches.
    pub(crate) fn are_there(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Tells what has become durable together.
    pub(crate) fn tell(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        if let Some(channel) = &*self.channel() {
            // Whoever watched may have gone away.
            let _nobody = channel.send(events.into());
        }
    }

    /// What is told from now on.
    pub(crate) fn watch(&self) -> Events {
        let Some(receiver) = self.channel().as_ref().map(Sender::subscribe) else {
            return Box::pin(stream::empty());
        };
        self.count.fetch_add(1, Ordering::Relaxed);
        let count = Arc::clone(&self.count);
        let seen = stream::unfold(Watcher { receiver, count }, async |mut watcher| {
            let seen = match watcher.receiver.recv().await {
                Ok(events) => Seen::Events(events),
                Err(RecvError::Lagged(batches)) => Seen::Missed(batches),
                Err(RecvError::Closed) => return None,
            };
            Some((seen, watcher))
        });
        Box::pin(seen)
    }

    /// Nothing happens any more: all streams end.
    pub(crate) fn end(&self) {
        *self.channel() = None;
    }

    fn channel(&self) -> MutexGuard<'_, Option<Sender<Batch>>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
