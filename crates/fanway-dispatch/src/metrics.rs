//! What lanes count, for Prometheus.
//!
//! A lane's handles are bound once, so that counting is an atomic addition and no look-up. What
//! waits for a target and what is dead is the store's to tell.

mod endpoints;

use std::time::Duration;

use fanway_store::change::PauseCause;
use fanway_types::TargetName;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::handle::{Breaker, Snapshot};
use endpoints::Families;

pub use endpoints::{ENDPOINT_ATTEMPTS, ENDPOINT_IN_FLIGHT, ENDPOINT_STATE, HEDGES, HEDGES_WON};
pub(crate) use endpoints::{EndpointAttempt, EndpointMetrics, EndpointsMetrics};

/// Attempts that are over, by target and outcome; shown as `fanway_target_attempts_total`.
pub const ATTEMPTS: &str = "fanway_target_attempts";
/// How long attempts took, in seconds, by target.
pub const ATTEMPT_SECONDS: &str = "fanway_target_attempt_seconds";
/// Deliveries that are being shaped or attempted, by target.
pub const IN_FLIGHT: &str = "fanway_target_in_flight";
/// Deliveries in a lane's window that aren't in flight, by target.
pub const WAITING: &str = "fanway_target_window_waiting";
/// Where the breaker stands, by target: 0 closed, 1 half-open, 2 open.
pub const BREAKER_STATE: &str = "fanway_target_breaker_state";

/// Whether a target is paused, by target: 0 no, 1 by an operator, 2 since it has answered 410.
pub const PAUSED: &str = "fanway_target_paused";

/// Attempts that may be in flight now, by target.
pub const CONCURRENCY: &str = "fanway_target_concurrency";
/// Deliveries that went to the fallback, by target and cause: `breaker` or `given_up`; shown as
/// `fanway_target_fallbacks_total`.
pub const FALLBACKS: &str = "fanway_target_fallbacks";

/// The upper bounds of the duration's buckets, in seconds.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabel {
    target: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    target: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FallbackLabels {
    target: String,
    cause: &'static str,
}

/// Why a delivery went to the fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FallbackCause {
    /// The target's breaker wasn't closed.
    Breaker,
    /// The target has given it up.
    GivenUp,
}

impl FallbackCause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::GivenUp => "given_up",
        }
    }
}

/// How an attempt ended, as metrics tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    Delivered,
    Refused,
    Failed,
    Pushback,
    Credentials,
    Unsendable,
    Gone,
}

impl AttemptEnd {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Pushback => "pushback",
            Self::Credentials => "credentials",
            Self::Unsendable => "unsendable",
            Self::Gone => "gone",
        }
    }
}

/// All lanes' metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    attempts: Family<AttemptLabels, Counter>,
    seconds: Family<TargetLabel, Histogram, fn() -> Histogram>,
    in_flight: Family<TargetLabel, Gauge>,
    waiting: Family<TargetLabel, Gauge>,
    breaker: Family<TargetLabel, Gauge>,
    paused: Family<TargetLabel, Gauge>,
    concurrency: Family<TargetLabel, Gauge>,
    fallbacks: Family<FallbackLabels, Counter>,
    endpoints: Families,
}

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            attempts: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Family::default(),
            waiting: Family::default(),
            breaker: Family::default(),
            paused: Family::default(),
            concurrency: Family::default(),
            fallbacks: Family::default(),
            endpoints: Families::register(registry),
        };
        registry.register(
            FALLBACKS,
            "Deliveries that went to the target's fallback",
            metrics.fallbacks.clone(),
        );
        registry.register(ATTEMPTS, "Attempts by outcome", metrics.attempts.clone());
        registry.register(
            ATTEMPT_SECONDS,
            "How long attempts took",
            metrics.seconds.clone(),
        );
        registry.register(
            IN_FLIGHT,
            "Deliveries that are being attempted",
            metrics.in_flight.clone(),
        );
        registry.register(
            WAITING,
            "Deliveries that wait within the lane",
            metrics.waiting.clone(),
        );
        registry.register(
            BREAKER_STATE,
            "0 closed, 1 half-open, 2 open",
            metrics.breaker.clone(),
        );
        registry.register(
            PAUSED,
            "0 not, 1 by an operator, 2 since the target has answered 410",
            metrics.paused.clone(),
        );
        registry.register(
            CONCURRENCY,
            "Attempts that may be in flight",
            metrics.concurrency.clone(),
        );
        metrics
    }

    /// The metrics of one target's lane.
    #[must_use]
    pub fn lane(&self, name: &TargetName) -> LaneMetrics {
        let target = name.to_string();
        let attempts = |end: AttemptEnd| {
            let labels = AttemptLabels {
                target: target.clone(),
                outcome: end.as_str(),
            };
            self.attempts.get_or_create_owned(&labels)
        };
        let label = TargetLabel {
            target: target.clone(),
        };
        LaneMetrics {
            delivered: attempts(AttemptEnd::Delivered),
            refused: attempts(AttemptEnd::Refused),
            failed: attempts(AttemptEnd::Failed),
            pushback: attempts(AttemptEnd::Pushback),
            credentials: attempts(AttemptEnd::Credentials),
            unsendable: attempts(AttemptEnd::Unsendable),
            gone: attempts(AttemptEnd::Gone),
            seconds: self.seconds.get_or_create_owned(&label),
            in_flight: self.in_flight.get_or_create_owned(&label),
            waiting: self.waiting.get_or_create_owned(&label),
            breaker: self.breaker.get_or_create_owned(&label),
            paused: self.paused.get_or_create_owned(&label),
            concurrency: self.concurrency.get_or_create_owned(&label),
            fallbacks: self.fallbacks.clone(),
            endpoints: self.endpoints.of(name),
        }
    }
}

/// One lane's metrics.
#[derive(Clone, Debug)]
pub struct LaneMetrics {
    delivered: Counter,
    refused: Counter,
    failed: Counter,
    pushback: Counter,
    credentials: Counter,
    unsendable: Counter,
    gone: Counter,
    seconds: Histogram,
    in_flight: Gauge,
    waiting: Gauge,
    breaker: Gauge,
    paused: Gauge,
    concurrency: Gauge,
    fallbacks: Family<FallbackLabels, Counter>,
    endpoints: EndpointsMetrics,
}

impl LaneMetrics {
    /// Counts a delivery that went to the fallback. There are series of that only where it happens.
    pub(crate) fn fell_back(&self, cause: FallbackCause) {
        let labels = FallbackLabels {
            target: self.endpoints.target().to_owned(),
            cause: cause.as_str(),
        };
        self.fallbacks.get_or_create(&labels).inc();
    }

    /// Those of its endpoints.
    pub(crate) fn endpoints(&self) -> EndpointsMetrics {
        self.endpoints.clone()
    }

    pub(crate) fn attempted(&self, end: AttemptEnd, took: Duration) {
        let counter = match end {
            AttemptEnd::Delivered => &self.delivered,
            AttemptEnd::Refused => &self.refused,
            AttemptEnd::Failed => &self.failed,
            AttemptEnd::Pushback => &self.pushback,
            AttemptEnd::Credentials => &self.credentials,
            AttemptEnd::Unsendable => &self.unsendable,
            AttemptEnd::Gone => &self.gone,
        };
        counter.inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn show(&self, snapshot: &Snapshot) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.in_flight.set(count(snapshot.in_flight));
        self.waiting.set(count(snapshot.waiting));
        self.concurrency.set(count(snapshot.concurrency));
        self.breaker.set(match snapshot.breaker {
            Breaker::Closed => 0,
            Breaker::HalfOpen => 1,
            Breaker::Open => 2,
        });
        self.paused.set(match snapshot.pause {
            None => 0,
            Some(PauseCause::Operator) => 1,
            Some(PauseCause::Gone) => 2,
        });
    }
}
