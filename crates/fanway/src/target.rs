//! An API that is called: its address and policies, and what was learnt of it.

mod builder;
mod delivery;
mod gate;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_target::{Capture, Target as Wire};
use fanway_types::TargetName;
use tokio::sync::{Mutex as Queue, Notify};

pub use builder::{TargetBuilder, TargetError};

use gate::Gate;

/// An API that is called. Clones are the same target: they share its connections, its breaker, its
/// limits, and what it has said of its own.
#[derive(Clone)]
pub struct Target(Arc<Shared>);

struct Shared {
    name: TargetName,
    wire: Arc<dyn Wire>,
    capture: Capture,
    gate: Mutex<Gate>,
    /// Held by the delivery whose turn it is: one at a time looks at the gate, in order of asking.
    turn: Queue<()>,
    /// The gate may have opened.
    changed: Notify,
}

impl Target {
    /// A builder for the API at this URL, with the same defaults as the gateway's, but for
    /// `timeout` and `retry`, which are a calling program's: see [`TargetBuilder`].
    #[must_use]
    pub fn builder(name: &str, url: &str) -> TargetBuilder {
        TargetBuilder::new(name, url)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Attempts that are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.gate().in_flight()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.0.name).finish()
    }
}

impl Shared {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        // What it holds is whole between any two of its statements.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
