//! A target with more than one address, or whose attempts are hedged: the async shell around
//! [`fanway_policy::endpoints`].
//!
//! It has a lock, which only its lane takes, but for whoever asks how the endpoints stand. A target
//! with one address has none of this.

mod attempt;
mod checks;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanway_policy::endpoints::{self as policy, Id, Named, Roster, State};
use fanway_policy::exchange::Rules;
use fanway_policy::hedge::Budget;
use fanway_target::Target;
use fanway_types::{DeliveryId, TargetName};
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::metrics::{EndpointMetrics, EndpointsMetrics};

pub(crate) use attempt::{Reached, Sending};
pub(crate) use checks::Checks;

/// Deliveries of which it is remembered where they have failed. Beyond that all are forgotten: the
/// next attempts of those may go to the same endpoint.
const REMEMBERED: usize = 4096;

/// What a config says of a target's endpoints.
#[derive(Clone)]
pub struct Params {
    /// The endpoints: at least one.
    pub endpoints: Vec<Endpoint>,
    /// How one is chosen, and when one is left out. Checks are made exactly where this has
    /// something to learn from them.
    pub policy: policy::Params,
    /// How often each is checked.
    pub check_every: Duration,
    /// When an attempt without an answer is made a second time, where that may be.
    pub hedge_after: Option<Duration>,
}

/// An endpoint.
#[derive(Clone)]
pub struct Endpoint {
    /// Its name, which no other of the target's has: as logs and metrics show it.
    pub name: Arc<str>,
    /// Its share of the attempts, in proportion to the others' weights.
    pub weight: NonZeroU32,
    /// What makes attempts at it.
    pub target: Arc<dyn Target>,
    /// How it is checked; `None` where it isn't.
    pub check: Option<Check>,
}

/// A check of an endpoint.
#[derive(Clone)]
pub struct Check {
    /// What makes it, and bounds its time: not what makes attempts, whose connections it leaves
    /// alone.
    pub target: Arc<dyn Target>,
    /// What is appended to the endpoint's URL.
    pub path: Arc<str>,
}

/// A target's endpoints, shared by its lane and what flies for it.
pub(crate) struct Endpoints {
    target: TargetName,
    shared: Mutex<Shared>,
}

struct Shared {
    roster: Roster,
    /// In the roster's order.
    callees: Vec<Callee>,
    hedge_after: Option<Duration>,
    /// What answers mean: one that is worth another attempt doesn't decide.
    rules: Rules,
    /// Where deliveries have failed that are to be attempted again.
    failed_at: HashMap<DeliveryId, Id, foldhash::fast::RandomState>,
    budget: Budget,
    /// Hedges that are under way.
    hedges: usize,
    /// How many more may start, and how many have started, since the lane last looked.
    allowed: usize,
    started: usize,
    metrics: EndpointsMetrics,
    rng: StdRng,
}

/// An endpoint that is in use.
struct Callee {
    id: Id,
    target: Arc<dyn Target>,
    metrics: EndpointMetrics,
    /// Where it stood when that was last shown.
    shown: State,
}

/// An endpoint as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: Arc<str>,
    /// Its weight.
    pub weight: NonZeroU32,
    /// Where it stands.
    pub state: Standing,
    /// For how long it is left out yet, where that is known.
    pub left_out_for: Option<Duration>,
    /// Attempts that are under way.
    pub in_flight: u32,
}

/// Where an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Attempts go to it.
    Up,
    /// It is left out for a time, since attempts have failed.
    Ejected,
    /// It is left out while its checks fail.
    Down,
}

impl From<State> for Standing {
    fn from(state: State) -> Self {
        match state {
            State::Up => Self::Up,
            State::Ejected { .. } => Self::Ejected,
            State::Down => Self::Down,
        }
    }
}

impl Endpoints {
    /// Endpoints of which nothing is known.
    pub(crate) fn new(
        target: TargetName,
        params: &Params,
        rules: &Rules,
        metrics: EndpointsMetrics,
        rng: StdRng,
    ) -> Self {
        let shared = Shared {
            roster: Roster::new(params.policy.clone(), named(params)),
            callees: Vec::new(),
            hedge_after: params.hedge_after,
            rules: rules.clone(),
            failed_at: HashMap::default(),
            budget: Budget::default(),
            hedges: 0,
            allowed: 0,
            started: 0,
            metrics,
            rng,
        };
        let endpoints = Self {
            target,
            shared: Mutex::new(shared),
        };
        endpoints.reconfigure(params, rules);
        endpoints
    }

    /// Takes over what another config says; what is known of endpoints that stay is kept.
    pub(crate) fn reconfigure(&self, params: &Params, rules: &Rules) {
        let mut shared = self.lock();
        let Shared {
            roster,
            callees,
            metrics,
            ..
        } = &mut *shared;
        roster.reconfigure(params.policy.clone(), named(params));
        let mut before = std::mem::take(callees);
        for (id, endpoint) in roster.ids().zip(&params.endpoints) {
            let known = before.iter().position(|callee| callee.id == id);
            let callee = match known {
                Some(at) => Callee {
                    target: Arc::clone(&endpoint.target),
                    ..before.swap_remove(at)
                },
                None => Callee {
                    id,
                    target: Arc::clone(&endpoint.target),
                    metrics: metrics.endpoint(&endpoint.name),
                    shown: State::Up,
                },
            };
            callees.push(callee);
        }
        shared.hedge_after = params.hedge_after;
        shared.rules = rules.clone();
        self.show(&mut shared);
    }

    /// Hedges that are under way: each is an attempt beside that of its delivery.
    pub(crate) fn hedges(&self) -> usize {
        self.lock().hedges
    }

    /// Hedges that have started since this was last asked.
    pub(crate) fn take_hedged(&self) -> usize {
        std::mem::take(&mut self.lock().started)
    }

    /// Sets how many more hedges may start.
    pub(crate) fn allow_hedges(&self, most: usize) {
        self.lock().allowed = most;
    }

    /// Where the endpoints stand, in the order of the config.
    pub(crate) fn views(&self) -> Vec<View> {
        let now = Instant::now().into_std();
        let shared = self.lock();
        let views = shared.roster.views(now).map(|view| View {
            name: view.name,
            weight: view.weight,
            state: view.state.into(),
            left_out_for: match view.state {
                State::Ejected { until } => Some(until - now),
                State::Up | State::Down => None,
            },
            in_flight: view.in_flight,
        });
        views.collect()
    }

    /// Shows what has changed: to metrics, and to who reads the log.
    fn show(&self, shared: &mut Shared) {
        let now = Instant::now().into_std();
        let Shared {
            roster, callees, ..
        } = shared;
        for (callee, (state, in_flight)) in callees.iter_mut().zip(roster.states(now)) {
            callee.metrics.show(state.into(), in_flight);
            let before = std::mem::replace(&mut callee.shown, state);
            if Standing::from(before) != Standing::from(state) {
                self.log(callee.metrics.name(), state, now);
            }
        }
    }

    fn log(&self, endpoint: &str, state: State, now: std::time::Instant) {
        let target_name = &self.target;
        match state {
            State::Up => tracing::info!(%target_name, endpoint, "an endpoint is used again"),
            State::Ejected { until } => {
                let seconds = (until - now).as_secs();
                tracing::warn!(
                    %target_name, endpoint, seconds,
                    "an endpoint is left out for a time: its attempts have failed"
                );
            }
            State::Down => tracing::warn!(
                %target_name, endpoint,
                "an endpoint is left out: its checks fail"
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named(params: &Params) -> Vec<Named> {
    let named = |endpoint: &Endpoint| Named {
        name: Arc::clone(&endpoint.name),
        weight: endpoint.weight,
    };
    params.endpoints.iter().map(named).collect()
}
