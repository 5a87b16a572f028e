//! How a lane reaches its target: at its one address, or at the endpoint that is chosen for each
//! attempt, with the checks of all of them.

use std::sync::Arc;
use std::task::{Context, Poll};

use fanway_policy::exchange::Rules;
use fanway_target::Target;
use fanway_types::TargetName;
use futures_util::stream::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::endpoints::{Checks, Endpoints, Params};
use crate::metrics::LaneMetrics;
use crate::steering::Addresses;

/// How a lane reaches its target.
pub(super) struct Way {
    line: Line,
    /// Empty where nothing is checked.
    checks: Checks,
}

/// What an attempt is made by.
#[derive(Clone)]
pub(super) enum Line {
    /// The one address.
    One(Arc<dyn Target>),
    /// Any of the endpoints.
    Many(Arc<Endpoints>),
}

impl Way {
    /// The way to a target that nothing is known of.
    pub(super) fn new(
        name: &TargetName,
        addresses: Addresses,
        rules: &Rules,
        metrics: &LaneMetrics,
        rng: &mut StdRng,
    ) -> Self {
        match addresses {
            Addresses::One(target) => Self {
                line: Line::One(target),
                checks: Checks::new(),
            },
            Addresses::Many(params) => {
                let rng = StdRng::seed_from_u64(rng.next_u64());
                let metrics = metrics.endpoints();
                let endpoints = Endpoints::new(name.clone(), &params, rules, metrics, rng);
                Self::through(Arc::new(endpoints), &params)
            }
        }
    }

    fn through(endpoints: Arc<Endpoints>, params: &Params) -> Self {
        Self {
            checks: endpoints.checks(params),
            line: Line::Many(endpoints),
        }
    }

    /// The way that another config wants. What is known of endpoints that stay is kept.
    pub(super) fn changed(
        &self,
        name: &TargetName,
        addresses: Addresses,
        rules: &Rules,
        metrics: &LaneMetrics,
        rng: &mut StdRng,
    ) -> Self {
        match (&self.line, addresses) {
            (Line::Many(endpoints), Addresses::Many(params)) => {
                endpoints.reconfigure(&params, rules);
                Self::through(Arc::clone(endpoints), &params)
            }
            (_, addresses) => Self::new(name, addresses, rules, metrics, rng),
        }
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    pub(super) fn endpoints(&self) -> Option<&Arc<Endpoints>> {
        match &self.line {
            Line::One(_) => None,
            Line::Many(endpoints) => Some(endpoints),
        }
    }

    /// Attempts that are made beside those of the deliveries in flight.
    pub(super) fn hedges(&self) -> usize {
        self.endpoints().map_or(0, |endpoints| endpoints.hedges())
    }

    /// Carries the checks on.
    pub(super) fn poll_checks(&mut self, cx: &mut Context<'_>) {
        if self.checks.is_empty() {
            return;
        }
        match self.checks.poll_next_unpin(cx) {
            Poll::Ready(Some(never)) => match never {},
            Poll::Ready(None) | Poll::Pending => {}
        }
    }
}
