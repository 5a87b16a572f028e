//! What a running lane is told from outside: what an operator has set, and a new config.
//!
//! A lane takes it between two events. Of several of one kind that come before, the latest counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use fanway_policy::concurrency::Concurrency;
use fanway_policy::{breaker, rate, retry};
use fanway_store::change::Control;
use fanway_target::Target;
use fanway_types::TargetName;
use futures_util::task::AtomicWaker;

use crate::counts::Counts;
use crate::endpoints;

/// What a config says of a target.
#[derive(Clone)]
pub struct Settings {
    /// Where it is.
    pub target: Addresses,
    /// What its answers count as.
    pub counts: Counts,
    /// The bounds of its retries.
    pub retry: retry::Params,
    /// When its breaker opens.
    pub breaker: breaker::Params,
    /// How many deliveries may be in flight.
    pub concurrency: Concurrency,
    /// How many attempts may start in a while, where that is limited.
    pub rate: Option<rate::Params>,
    /// The target that has deliveries in its place while its breaker isn't closed, and those that
    /// it has given up.
    pub fallback: Option<TargetName>,
}

/// Where a target is.
#[derive(Clone)]
pub enum Addresses {
    /// At one address.
    One(Arc<dyn Target>),
    /// At any of several, or its attempts are hedged.
    Many(endpoints::Params),
}

impl Addresses {
    /// What answers count as where they come from here: of several addresses, one that is gone
    /// says nothing of the others.
    pub(crate) fn judged(&self, counts: Counts) -> Counts {
        match self {
            Self::Many(params) if params.endpoints.len() > 1 => Counts {
                rules: counts.rules.of_several(),
                ..counts
            },
            Self::One(_) | Self::Many(_) => counts,
        }
    }
}

/// What a lane hasn't taken yet.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) control: Option<Control>,
    pub(crate) settings: Option<Box<Settings>>,
}

/// The place where it is left for the lane.
#[derive(Default)]
pub(crate) struct Steering {
    /// Whether there is anything: it spares the lane a lock each time that it looks.
    is_told: AtomicBool,
    told: Mutex<Told>,
    waker: AtomicWaker,
}

impl Steering {
    /// Leaves something, and wakes the lane.
    pub(crate) fn tell(&self, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.lock());
        self.is_told.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Takes what has been left; pending while there is nothing.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Told> {
        self.waker.register(cx.waker());
        if !self.is_told.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before the lock: what is told from now on is looked for again.
        self.is_told.store(false, Ordering::Release);
        Poll::Ready(std::mem::take(&mut *self.lock()))
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use fanway_store::change::{Control, Force};

    use super::Steering;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force(breaker: Force) -> Control {
        Control {
            pause: None,
            breaker,
        }
    }

    #[test]
    fn a_lane_that_waits_is_woken_and_gets_the_latest_once() {
        let steering = Steering::default();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        assert!(steering.poll(&cx).is_pending());
        for breaker in [Force::Open, Force::Closed] {
            steering.tell(|told| told.control = Some(force(breaker)));
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        let Poll::Ready(told) = steering.poll(&cx) else {
            panic!("it was told");
        };
        assert_eq!(told.control, Some(force(Force::Closed)));
        assert!(told.settings.is_none());
        assert!(steering.poll(&cx).is_pending());
    }
}
