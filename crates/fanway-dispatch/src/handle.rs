//! The outside of a lane: what can be seen of it, and how it is steered.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use fanway_store::change::{self, Control, Force};
use fanway_store::trouble::Cause;
use fanway_types::{ByteCount, HeldBy, TargetName, Timestamp};

use crate::endpoints::{Endpoints, View};
use crate::steering::{Settings, Steering, Told};

/// The outside of a lane. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    target: TargetName,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    snapshot: Mutex<Snapshot>,
    /// Where it has more than one.
    endpoints: Mutex<Option<Arc<Endpoints>>>,
    steering: Steering,
}

impl Handle {
    pub(crate) fn new(target: TargetName) -> Self {
        Self {
            target,
            shared: Arc::default(),
        }
    }

    /// The lane's target.
    #[must_use]
    pub fn target(&self) -> &TargetName {
        &self.target
    }

    /// Where the lane stood when it last came to rest.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let snapshot = self.shared.snapshot.lock();
        *snapshot.unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the target's endpoints stand, in the order of the config; none where it has but one
    /// address.
    #[must_use]
    pub fn endpoints(&self) -> Vec<View> {
        let endpoints = self.shared.endpoints.lock();
        let endpoints = endpoints.unwrap_or_else(PoisonError::into_inner).clone();
        endpoints.map_or_else(Vec::new, |endpoints| endpoints.views())
    }

    /// Sets what the lane does from now on. What is in flight goes on.
    pub fn control(&self, control: Control) {
        let told = |told: &mut Told| told.control = Some(control);
        self.shared.steering.tell(told);
    }

    /// Gives the lane what a new config says of its target. Attempts in flight finish with what
    /// they began with.
    pub fn reconfigure(&self, settings: Settings) {
        let told = |told: &mut Told| told.settings = Some(Box::new(settings));
        self.shared.steering.tell(told);
    }

    pub(crate) fn set_endpoints(&self, endpoints: Option<&Arc<Endpoints>>) {
        let shown = self.shared.endpoints.lock();
        *shown.unwrap_or_else(PoisonError::into_inner) = endpoints.cloned();
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let shown = self.shared.snapshot.lock();
        *shown.unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// What the lane was told since it last asked.
    pub(crate) fn poll_told(&self, cx: &Context<'_>) -> Poll<Told> {
        self.shared.steering.poll(cx)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Handle");
        debug.field("target", &self.target);
        debug.field("snapshot", &self.snapshot()).finish()
    }
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What keeps it from making attempts, or from making more; `None` where nothing does.
    pub held_by: Option<HeldBy>,
    /// When that ends, or probes begin, where it is known: not where only an operator ends it.
    pub held_until: Option<Timestamp>,
    /// Which limit it is, where it is held by one.
    pub limited_by: Option<Limit>,
    /// Attempts that may be in flight now.
    pub concurrency: usize,
    /// Its breaker, as it is in force.
    pub breaker: Breaker,
    /// Why the breaker isn't closed, by what the target has answered.
    pub cause: Option<Cause>,
    /// What an operator has the breaker do.
    pub force: Force,
    /// Why the target is paused, where it is.
    pub pause: Option<change::PauseCause>,
    /// Deliveries that are being shaped or attempted.
    pub in_flight: usize,
    /// Other deliveries in its window.
    pub waiting: usize,
    /// The bodies of all deliveries in its window.
    pub bytes: ByteCount,
}

/// A limit that holds a lane's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// No more attempts may start yet.
    Rate,
    /// No more attempts may be in flight.
    Concurrency,
    /// No more attempts may be in flight yet: the target was left alone.
    Ramp,
    /// The target has asked to be left alone.
    Pushback,
    /// The target has told how much it still takes: attempts are spread.
    Pace,
}

impl Limit {
    /// The word for it, as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
            Self::Ramp => "ramp",
            Self::Pushback => "pushback",
            Self::Pace => "pace",
        }
    }
}

/// Where a lane's breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaker {
    /// Attempts are made.
    #[default]
    Closed,
    /// Probes are made, one at a time.
    HalfOpen,
    /// Nothing is attempted.
    Open,
}

impl Breaker {
    /// The word for it, as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}
