//! What stands in for the server: lanes, plans and a config that tests replace at will.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_admin::steering::{Generation, Previous, Refused, RollbackError, Steering};
use fanway_admin::{LaneView, Lanes, Plans};
use fanway_dispatch::endpoints::View;
use fanway_dispatch::handle::{Breaker, Limit, Snapshot};
use fanway_store::BoxFuture;
use fanway_store::change::Control;
use fanway_store::trouble::Cause;
use fanway_types::{HeldBy, Plan, RouteName, TargetName};

use crate::served::NOW;

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lanes that remember what they were told.
#[derive(Clone)]
pub(crate) struct FakeLanes(Arc<Mutex<BTreeMap<TargetName, Arc<FakeLane>>>>);

struct FakeLane {
    snapshot: Snapshot,
    endpoints: Vec<View>,
    told: Mutex<Vec<Control>>,
}

impl Default for FakeLanes {
    /// `inventory`, which its breaker holds, and `shipping`, which is busy.
    fn default() -> Self {
        let lanes = Self(Arc::default());
        let held = Snapshot {
            held_by: Some(HeldBy::Breaker),
            held_until: Some(NOW),
            breaker: Breaker::Open,
            cause: Some(Cause::Slow),
            concurrency: 64,
            ..Snapshot::default()
        };
        let busy = Snapshot {
            in_flight: 3,
            concurrency: 3,
            held_by: Some(HeldBy::Limit),
            limited_by: Some(Limit::Concurrency),
            ..Snapshot::default()
        };
        lanes.open("inventory", held);
        lanes.open("shipping", busy);
        lanes
    }
}

impl FakeLanes {
    /// Opens a lane.
    pub(crate) fn open(&self, target: &str, snapshot: Snapshot) {
        let lane = FakeLane {
            snapshot,
            endpoints: Vec::new(),
            told: Mutex::default(),
        };
        let target = target.parse().expect("a name");
        lock(&self.0).insert(target, Arc::new(lane));
    }

    /// Opens a lane of a target with endpoints.
    pub(crate) fn open_with(&self, target: &str, endpoints: Vec<View>) {
        let lane = FakeLane {
            snapshot: Snapshot::default(),
            endpoints,
            told: Mutex::default(),
        };
        let target = target.parse().expect("a name");
        lock(&self.0).insert(target, Arc::new(lane));
    }

    /// Closes a lane.
    pub(crate) fn close(&self, target: &str) {
        lock(&self.0).remove(target);
    }

    /// What a lane was told last.
    pub(crate) fn told(&self, target: &str) -> Option<Control> {
        let lanes = lock(&self.0);
        let told = lock(&lanes[target].told);
        told.last().cloned()
    }
}

impl Lanes for FakeLanes {
    fn all(&self) -> Vec<(TargetName, Arc<dyn LaneView>)> {
        let lanes = lock(&self.0);
        let view = |(target, lane): (&TargetName, &Arc<FakeLane>)| {
            let lane: Arc<dyn LaneView> = Arc::<FakeLane>::clone(lane);
            (target.clone(), lane)
        };
        lanes.iter().map(view).collect()
    }
}

impl LaneView for FakeLane {
    fn snapshot(&self) -> Snapshot {
        self.snapshot
    }

    fn endpoints(&self) -> Vec<View> {
        self.endpoints.clone()
    }

    fn control(&self, control: Control) {
        lock(&self.told).push(control);
    }
}

/// What each route does.
#[derive(Clone, Default)]
pub(crate) struct FakePlans(Arc<Mutex<BTreeMap<RouteName, Arc<Plan>>>>);

impl FakePlans {
    pub(crate) fn of(plans: impl IntoIterator<Item = Arc<Plan>>) -> Self {
        let plans = plans.into_iter().map(|plan| (plan.route.clone(), plan));
        Self(Arc::new(Mutex::new(plans.collect())))
    }
}

impl Plans for FakePlans {
    fn of(&self, route: &RouteName) -> Option<Arc<Plan>> {
        lock(&self.0).get(route).cloned()
    }
}

/// A config of which each reload makes another generation, unless there are errors.
#[derive(Clone, Default)]
pub(crate) struct FakeConfig(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Reloads so far.
    reloads: u64,
    /// What the files have wrong.
    errors: Vec<String>,
    refused: Option<Refused>,
}

impl FakeConfig {
    /// From now on the files have this wrong.
    pub(crate) fn break_with(&self, errors: &[&str]) {
        lock(&self.0).errors = errors.iter().map(|error| (*error).to_owned()).collect();
    }
}

impl State {
    fn generation(&self) -> Generation {
        let fingerprint = |number: u64| format!("{number:016x}");
        let previous = (self.reloads > 0).then(|| Previous {
            number: self.reloads,
            fingerprint: fingerprint(self.reloads),
            loaded_at: NOW,
        });
        Generation {
            number: self.reloads + 1,
            fingerprint: fingerprint(self.reloads + 1),
            loaded_at: NOW,
            files: vec!["fanway.yaml".to_owned()],
            previous,
        }
    }
}

impl Steering for FakeConfig {
    fn current(&self) -> Generation {
        lock(&self.0).generation()
    }

    fn refused(&self) -> Option<Refused> {
        lock(&self.0).refused.clone()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Generation, Vec<String>>> {
        let mut state = lock(&self.0);
        let errors = state.errors.clone();
        let reloaded = if errors.is_empty() {
            state.refused = None;
            state.reloads += 1;
            Ok(state.generation())
        } else {
            let at = NOW;
            state.refused = Some(Refused {
                at,
                errors: errors.clone(),
            });
            Err(errors)
        };
        Box::pin(std::future::ready(reloaded))
    }

    fn rollback(&self) -> BoxFuture<'_, Result<Generation, RollbackError>> {
        let mut state = lock(&self.0);
        let rolled_back = match (state.reloads, &state.errors[..]) {
            (0, _) => Err(RollbackError::NoPrevious),
            (_, []) => {
                state.reloads += 1;
                Ok(state.generation())
            }
            (_, errors) => Err(RollbackError::Refused(errors.to_vec())),
        };
        Box::pin(std::future::ready(rolled_back))
    }
}
