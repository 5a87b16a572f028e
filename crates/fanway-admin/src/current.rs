//! What a reload replaces: the lanes that are open, and what each route does.

use std::sync::Arc;

use fanway_dispatch::Handle;
use fanway_dispatch::endpoints::View;
use fanway_dispatch::handle::Snapshot;
use fanway_store::change::Control;
use fanway_types::{Plan, RouteName, TargetName};

/// The lanes that are open now.
pub trait Lanes: Send + Sync {
    /// Each target of the config in use, and each origin of senders' callbacks that has a lane,
    /// by its name.
    fn all(&self) -> Vec<(TargetName, Arc<dyn LaneView>)>;
}

/// A lane from outside.
pub trait LaneView: Send + Sync {
    /// Where it stands.
    fn snapshot(&self) -> Snapshot;

    /// Where the endpoints of its target stand, where it has more than one address.
    fn endpoints(&self) -> Vec<View> {
        Vec::new()
    }

    /// Has it obey what an operator has set. It is durable by now.
    fn control(&self, control: Control);
}

impl LaneView for Handle {
    fn snapshot(&self) -> Snapshot {
        self.snapshot()
    }

    fn endpoints(&self) -> Vec<View> {
        self.endpoints()
    }

    fn control(&self, control: Control) {
        self.control(control);
    }
}

/// What each route does now.
pub trait Plans: Send + Sync {
    /// The route's plan, which the store keeps; `None` where the config in use has no such route.
    fn of(&self, route: &RouteName) -> Option<Arc<Plan>>;
}
