//! What is counted of targets with more than one address, and of hedges.
//!
//! An endpoint's series end when no config has it any more, so that there are never more than
//! endpoints.

use std::sync::Arc;

use fanway_types::TargetName;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::TargetLabel;
use crate::endpoints::Standing;

/// Attempts at an endpoint that are over, by target, endpoint and how they ended; shown as
/// `fanway_target_endpoint_attempts_total`.
pub const ENDPOINT_ATTEMPTS: &str = "fanway_target_endpoint_attempts";
/// Attempts at an endpoint that are under way, by target and endpoint.
pub const ENDPOINT_IN_FLIGHT: &str = "fanway_target_endpoint_in_flight";
/// Where an endpoint stands, by target and endpoint: 0 up, 1 ejected, 2 down.
pub const ENDPOINT_STATE: &str = "fanway_target_endpoint_state";
/// Second attempts that were made while the first was slow, by target; shown as
/// `fanway_target_hedges_total`.
pub const HEDGES: &str = "fanway_target_hedges";
/// Those whose answer was taken, by target; shown as `fanway_target_hedges_won_total`.
pub const HEDGES_WON: &str = "fanway_target_hedges_won";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    target: String,
    endpoint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    target: String,
    endpoint: String,
    outcome: &'static str,
}

/// How an attempt at an endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointAttempt {
    /// With an answer, other than a 5xx.
    Answered,
    /// Without one, or with a 5xx.
    Failed,
    /// The other of two was faster, or the server stops.
    BrokenOff,
}

impl EndpointAttempt {
    const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::BrokenOff];

    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::BrokenOff => "broken_off",
        }
    }
}

/// Those of all targets.
#[derive(Clone, Debug, Default)]
pub(super) struct Families {
    attempts: Family<AttemptLabels, Counter>,
    in_flight: Family<EndpointLabels, Gauge>,
    state: Family<EndpointLabels, Gauge>,
    hedges: Family<TargetLabel, Counter>,
    hedges_won: Family<TargetLabel, Counter>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self::default();
        registry.register(
            ENDPOINT_ATTEMPTS,
            "Attempts by endpoint and how they ended",
            families.attempts.clone(),
        );
        registry.register(
            ENDPOINT_IN_FLIGHT,
            "Attempts that are under way at an endpoint",
            families.in_flight.clone(),
        );
        registry.register(
            ENDPOINT_STATE,
            "0 up, 1 ejected, 2 down",
            families.state.clone(),
        );
        registry.register(
            HEDGES,
            "Second attempts made while the first was slow",
            families.hedges.clone(),
        );
        registry.register(
            HEDGES_WON,
            "Second attempts whose answer was taken",
            families.hedges_won.clone(),
        );
        families
    }

    pub(super) fn of(&self, target: &TargetName) -> EndpointsMetrics {
        EndpointsMetrics {
            families: self.clone(),
            target: target.to_string(),
        }
    }
}

/// Those of one target.
#[derive(Clone, Debug)]
pub(crate) struct EndpointsMetrics {
    families: Families,
    target: String,
}

impl EndpointsMetrics {
    /// Those of one endpoint.
    pub(crate) fn endpoint(&self, name: &Arc<str>) -> EndpointMetrics {
        let labels = EndpointLabels {
            target: self.target.clone(),
            endpoint: name.to_string(),
        };
        let Families {
            attempts,
            in_flight,
            state,
            ..
        } = &self.families;
        EndpointMetrics {
            name: Arc::clone(name),
            attempts: EndpointAttempt::ALL
                .map(|end| attempts.get_or_create_owned(&labels.with(end))),
            in_flight: in_flight.get_or_create_owned(&labels),
            state: state.get_or_create_owned(&labels),
            families: self.families.clone(),
            labels,
        }
    }

    /// The target.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn hedged(&self) {
        self.families.hedges.get_or_create(&self.label()).inc();
    }

    pub(crate) fn hedge_won(&self) {
        self.families.hedges_won.get_or_create(&self.label()).inc();
    }

    fn label(&self) -> TargetLabel {
        TargetLabel {
            target: self.target.clone(),
        }
    }
}

impl EndpointLabels {
    fn with(&self, end: EndpointAttempt) -> AttemptLabels {
        AttemptLabels {
            target: self.target.clone(),
            endpoint: self.endpoint.clone(),
            outcome: end.as_str(),
        }
    }
}

/// Those of one endpoint, whose series end with this.
#[derive(Debug)]
pub(crate) struct EndpointMetrics {
    name: Arc<str>,
    attempts: [Counter; 3],
    in_flight: Gauge,
    state: Gauge,
    families: Families,
    labels: EndpointLabels,
}

impl EndpointMetrics {
    /// The endpoint.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn attempted(&self, end: EndpointAttempt) {
        self.attempts[end as usize].inc();
    }

    pub(crate) fn show(&self, state: Standing, in_flight: u32) {
        self.in_flight.set(in_flight.into());
        self.state.set(match state {
            Standing::Up => 0,
            Standing::Ejected => 1,
            Standing::Down => 2,
        });
    }
}

impl Drop for EndpointMetrics {
    fn drop(&mut self) {
        for end in EndpointAttempt::ALL {
            self.families.attempts.remove(&self.labels.with(end));
        }
        self.families.in_flight.remove(&self.labels);
        self.families.state.remove(&self.labels);
    }
}
