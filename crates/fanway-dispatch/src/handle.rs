//! What can be seen of a lane from outside.

use std::sync::{Arc, Mutex, PoisonError};

use fanway_types::{ByteCount, HeldBy, TargetName, Timestamp};

/// The outside of a lane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    target: TargetName,
    shared: Arc<Mutex<Snapshot>>,
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
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What keeps it from making attempts, or from making more; `None` where nothing does.
    pub held_by: Option<HeldBy>,
    /// When that ends, or probes begin, where it is known.
    pub held_until: Option<Timestamp>,
    /// Its breaker.
    pub breaker: Breaker,
    /// Deliveries that are being shaped or attempted.
    pub in_flight: usize,
    /// Other deliveries in its window.
    pub waiting: usize,
    /// The bodies of all deliveries in its window.
    pub bytes: ByteCount,
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
