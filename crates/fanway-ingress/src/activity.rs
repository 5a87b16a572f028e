//! How long a connection may stay without a request: what it did last, and when that is over.
//!
//! A header time-out that starts anew for each request can't tell a connection that is
//! idle between two requests, which is good custom for a minute or so, from one that sends its
//! head a byte at a time. Here one timer for each connection covers both, the time before the
//! first byte, and a peer that reads no answers; it is armed once and moved only when it fires or
//! has to fire earlier, so that a busy connection pays for it with two looks at the clock.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::params::Limits;

/// No request and no part of one.
const IDLE: u8 = 0;
/// A head has begun to arrive.
const HEAD: u8 = 1;
/// HTTP/2: frames arrive without meaning a request, so only the idle time counts.
const MULTIPLEXED: u8 = 2;
/// A head is due since the connection was opened.
const OPENED: u8 = 3;

/// What a connection did last. Shared by its reader, its requests and its timer.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Milliseconds from `opened` to the beginning of the present phase.
    since: AtomicU64,
    phase: AtomicU8,
    requests: AtomicUsize,
    header_timeout: Duration,
    idle_timeout: Duration,
}

impl Activity {
    /// A connection that was opened just now.
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            since: AtomicU64::new(0),
            phase: AtomicU8::new(OPENED),
            requests: AtomicUsize::new(0),
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
        })
    }

    /// A request's head has arrived; its answer is ready when the guard is dropped.
    pub(crate) fn begin(&self, version: http::Version) -> InProgress<&Self> {
        let phase = if version == http::Version::HTTP_2 {
            MULTIPLEXED
        } else {
            IDLE
        };
        self.phase.store(phase, Ordering::Relaxed);
        InProgress::new(self)
    }

    /// An answer goes on and on; it has ended when the guard is dropped.
    pub(crate) fn prolong(self: &Arc<Self>) -> InProgress<Arc<Self>> {
        InProgress::new(Arc::clone(self))
    }

    /// Something has been read.
    pub(crate) fn has_read(&self) {
        let phase = self.phase.load(Ordering::Relaxed);
        if matches!(phase, IDLE | OPENED) && self.requests.load(Ordering::Relaxed) == 0 {
            if phase == IDLE {
                self.stamp();
            }
            self.phase.store(HEAD, Ordering::Relaxed);
        }
    }

    /// Whether there is no request, and no part of one either.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.phase.load(Ordering::Relaxed), IDLE | OPENED)
            && self.requests.load(Ordering::Relaxed) == 0
    }

    fn stamp(&self) {
        let millis = self.opened.elapsed().as_millis();
        let since = u64::try_from(millis).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
    }

    /// When the connection has been without a request for too long, unless one comes.
    fn deadline(&self) -> Option<Instant> {
        if self.requests.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let since = self.opened + Duration::from_millis(self.since.load(Ordering::Relaxed));
        Some(match self.phase.load(Ordering::Relaxed) {
            HEAD | OPENED => since + self.header_timeout,
            _ => since + self.idle_timeout,
        })
    }

    /// Whether the peer has to be told before the connection is let go, as HTTP/2 has it. If so, it
    /// has a header's time from now to take that.
    pub(crate) fn takes_leave(&self) -> bool {
        let multiplexed = self.phase.swap(HEAD, Ordering::Relaxed) == MULTIPLEXED;
        if multiplexed {
            self.stamp();
        }
        multiplexed
    }

    /// Resolves when the connection has been without a request for too long. To be polled after
    /// the connection itself, in the same task.
    pub(crate) fn expired(self: &Arc<Self>) -> Expired {
        let armed = self.opened + self.header_timeout;
        Expired {
            activity: Arc::clone(self),
            armed,
            sleep: Box::pin(sleep_until(armed)),
        }
    }
}

/// A request that isn't answered yet.
#[derive(Debug)]
pub(crate) struct InProgress<A: Deref<Target = Activity>>(A);

impl<A: Deref<Target = Activity>> InProgress<A> {
    fn new(activity: A) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        Self(activity)
    }
}

impl<A: Deref<Target = Activity>> Drop for InProgress<A> {
    fn drop(&mut self) {
        self.0.stamp();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// See [`Activity::expired`].
#[derive(Debug)]
pub(crate) struct Expired {
    activity: Arc<Activity>,
    armed: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Expired {
    fn arm(&mut self, at: Instant) {
        self.armed = at;
        self.sleep.as_mut().reset(at);
    }
}

impl Future for Expired {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(deadline) = self.activity.deadline()
            && deadline < self.armed
        {
            self.arm(deadline);
        }
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let next = match self.activity.deadline() {
                Some(deadline) if deadline <= self.armed => return Poll::Ready(()),
                Some(deadline) => deadline,
                // Its end is stamped; until then it is enough to look now and then.
                None => Instant::now() + self.activity.header_timeout,
            };
            self.arm(next);
        }
    }
}
