//! Connections that are held between attempts: how many there may be, which is used next, and when
//! one that nobody uses is closed.
//!
//! Whoever makes an attempt holds a permit, and opens a connection only where none is idle. So
//! there are never more connections than permits. The last one used is the next one used, so that
//! after a rush the surplus grows old and is closed.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

use super::budget::{Asked, Claim, ConnectionBudget, Holder, Part, Slot};
use super::{http1, http2};

/// The connections to one target.
pub(super) struct Pool {
    permits: Semaphore,
    idle: Duration,
    held: Mutex<Held>,
    /// What the pool has of the process' connections; closed after those that are held.
    part: Part,
}

#[derive(Default)]
struct Held {
    /// Oldest first.
    idle: Vec<Idle>,
    shared: Vec<http2::Connection>,
    is_swept: bool,
}

struct Idle {
    connection: Box<http1::Connection>,
    since: Instant,
}

impl Pool {
    /// For `connections` at once within the budget, closed when they were idle for `idle`.
    pub(super) fn new(connections: usize, idle: Duration, budget: &ConnectionBudget) -> Arc<Self> {
        Arc::new_cyclic(|pool: &Weak<Self>| {
            let pool: Weak<dyn Holder> = Weak::<Self>::clone(pool);
            Self {
                permits: Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS)),
                idle,
                held: Mutex::default(),
                part: budget.join(pool),
            }
        })
    }

    /// The right to open a connection, or one that has become free meanwhile. Waits where the
    /// process has no more connections.
    pub(super) async fn slot(&self) -> Result<Slot, Box<http1::Connection>> {
        loop {
            let waiting = match self.part.ask() {
                Asked::Slot(slot) => return Ok(slot),
                Asked::Waiting(waiting) => waiting,
            };
            // Whoever had one before this waited has not been told of it.
            if let Some(idle) = self.take_idle(Instant::now()) {
                return Err(idle);
            }
            self.part.close_elsewhere();
            if let Some(slot) = waiting.given().await {
                return Ok(slot);
            }
            if let Some(idle) = self.take_idle(Instant::now()) {
                return Err(idle);
            }
        }
    }

    /// The right to use a connection, where one is free.
    pub(super) fn try_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.try_acquire().ok()
    }

    /// The right to use a connection, in order of asking.
    pub(super) async fn permit(&self) -> SemaphorePermit<'_> {
        self.permits
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    /// A connection that nobody uses. It may have been closed by the peer in the meantime.
    pub(super) fn take_idle(&self, now: Instant) -> Option<Box<http1::Connection>> {
        let mut held = self.lock();
        let last = held.idle.pop()?;
        if now.saturating_duration_since(last.since) < self.idle {
            return Some(last.connection);
        }
        // The others are older still.
        held.idle.clear();
        None
    }

    /// A stream of a connection that others use too.
    pub(super) fn take_shared(&self) -> Option<http2::Stream> {
        let mut held = self.lock();
        held.shared.retain(|connection| !connection.is_retired());
        held.shared.iter().find_map(http2::Connection::stream)
    }

    /// Holds a connection that is free again, unless somebody waits for its place. The caller still
    /// has its permit.
    pub(super) fn put(self: &Arc<Self>, connection: Box<http1::Connection>) {
        let claim = self.part.claim();
        if matches!(claim, Claim::Elsewhere) {
            return;
        }
        let mut held = self.lock();
        held.idle.push(Idle {
            connection,
            since: Instant::now(),
        });
        self.sweep_from_now_on(&mut held);
        drop(held);
        if let Claim::Own(told) = claim {
            told.look();
        }
    }

    /// Holds a connection that others may use too, and takes its first stream.
    pub(super) fn share(self: &Arc<Self>, connection: http2::Connection) -> Option<http2::Stream> {
        let stream = connection.stream();
        let mut held = self.lock();
        held.shared.push(connection);
        self.sweep_from_now_on(&mut held);
        stream
    }

    /// Has somebody look after what is held, for as long as something is.
    fn sweep_from_now_on(self: &Arc<Self>, held: &mut Held) {
        if !held.is_swept {
            held.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.idle));
        }
    }

    /// Closes what was idle for too long; returns whether something is left.
    fn close_idle(&self) -> bool {
        let mut held = self.lock();
        let expired = held
            .idle
            .partition_point(|idle| idle.since.elapsed() >= self.idle);
        held.idle.drain(..expired);
        held.shared
            .retain(|connection| !connection.is_retired() && !connection.was_idle());
        held.is_swept = !(held.idle.is_empty() && held.shared.is_empty());
        held.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nothing panics while it is held")
    }
}

impl Holder for Pool {
    fn close_one_idle(&self) -> bool {
        let mut held = self.lock();
        if !held.idle.is_empty() {
            let idle = held.idle.remove(0);
            drop(held);
            drop(idle);
            return true;
        }
        let unused = held.shared.iter().position(http2::Connection::is_unused);
        let unused = unused.map(|place| held.shared.remove(place));
        drop(held);
        unused.is_some()
    }
}

/// Looks after a pool until it holds nothing or is gone. A connection is closed between one and
/// two times `idle` after its last use.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    loop {
        sleep(idle).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.close_idle() {
            return;
        }
    }
}
