//! What others see of a config in use: the lanes that are open, and what each route does.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use fanway_admin::LaneView;
use fanway_dispatch::Handle;
use fanway_types::{HeldBy, Plan, RouteName, TargetName};

/// The lanes that are open. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes(Arc<RwLock<BTreeMap<TargetName, Handle>>>);

impl Lanes {
    /// A target's lane, where one is open.
    pub(crate) fn get(&self, target: &TargetName) -> Option<Handle> {
        let lanes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lanes.get(target).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Handle> {
        let lanes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lanes.values().cloned().collect()
    }

    /// What holds a target's deliveries: where it has no lane, that it has none.
    pub(crate) fn held(&self, target: &TargetName) -> Option<HeldBy> {
        self.get(target)
            .map_or(Some(HeldBy::Target), |lane| lane.snapshot().held_by)
    }

    pub(crate) fn add(&self, lane: Handle) {
        let mut lanes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(lane.target().clone(), lane);
    }

    pub(crate) fn remove(&self, target: &TargetName) {
        let mut lanes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lanes.remove(target);
    }
}

impl fanway_admin::Lanes for Lanes {
    fn all(&self) -> Vec<(TargetName, Arc<dyn LaneView>)> {
        let view = |lane: Handle| {
            let target = lane.target().clone();
            let view: Arc<dyn LaneView> = Arc::new(lane);
            (target, view)
        };
        Self::all(self).into_iter().map(view).collect()
    }
}

/// What each route does. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoutePlans(Arc<RwLock<BTreeMap<RouteName, Arc<Plan>>>>);

impl RoutePlans {
    pub(crate) fn set(&self, plans: BTreeMap<RouteName, Arc<Plan>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plans;
    }
}

impl fanway_admin::Plans for RoutePlans {
    fn of(&self, route: &RouteName) -> Option<Arc<Plan>> {
        let plans = self.0.read().unwrap_or_else(PoisonError::into_inner);
        plans.get(route).cloned()
    }
}
