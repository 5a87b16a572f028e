//! What is counted: names of the metrics, and the handles that the hot path holds.
//!
//! Handles are bound once for each route and each kind of refusal, so that counting a request
//! looks nothing up.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use fanway_types::RouteName;

use crate::problem::Kind;

/// Messages accepted, by route. Shown with the suffix `_total`.
pub const ACCEPTED: &str = "fanway_ingress_accepted";
/// Requests that were answered with the message that their key stands for, by route. Shown with the
/// suffix `_total`.
pub const REPLAYED: &str = "fanway_ingress_replayed";
/// Requests refused, by the problem's code. Shown with the suffix `_total`.
pub const REFUSED: &str = "fanway_ingress_refused";
/// Seconds from a request's head to its 202, by route.
pub const ACCEPT_SECONDS: &str = "fanway_ingress_accept_seconds";
/// Connections that are open.
pub const CONNECTIONS: &str = "fanway_ingress_connections";
/// Listeners to messages' events.
pub const FOLLOWERS: &str = "fanway_ingress_followers";

/// Upper bounds in seconds: an fsync takes 0.1 ms on a good disk, and seconds on a sick one.
const BOUNDS: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

/// The metrics of ingress. Clones share the figures.
#[derive(Clone, Debug)]
pub struct Metrics {
    accepted: Family<RouteLabel, Counter>,
    replayed: Family<RouteLabel, Counter>,
    seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    refused: Vec<Counter>,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Those who follow messages.
    pub(crate) followers: Gauge,
}

/// A route's own figures.
#[derive(Clone, Debug)]
pub(crate) struct RouteMetrics {
    pub(crate) accepted: Counter,
    pub(crate) replayed: Counter,
    pub(crate) seconds: Histogram,
}

impl Metrics {
    /// Registers the metrics of ingress.
    pub fn register(registry: &mut Registry) -> Self {
        let refused = Family::<CodeLabel, Counter>::default();
        let bind = |kind: &Kind| refused.get_or_create_owned(&CodeLabel { code: kind.code() });
        let metrics = Self {
            accepted: Family::default(),
            replayed: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
            refused: Kind::ALL.iter().map(bind).collect(),
            connections: Gauge::default(),
            followers: Gauge::default(),
        };
        registry.register(ACCEPTED, "Messages accepted", metrics.accepted.clone());
        registry.register(
            REPLAYED,
            "Requests answered with the message that their key stands for",
            metrics.replayed.clone(),
        );
        registry.register(REFUSED, "Requests refused", refused);
        registry.register(
            ACCEPT_SECONDS,
            "Seconds from a request's head to its 202",
            metrics.seconds.clone(),
        );
        registry.register(CONNECTIONS, "Open connections", metrics.connections.clone());
        registry.register(
            FOLLOWERS,
            "Listeners to messages' events",
            metrics.followers.clone(),
        );
        metrics
    }

    /// The figures of one route.
    pub(crate) fn of_route(&self, route: &RouteName) -> RouteMetrics {
        let label = RouteLabel {
            route: route.as_str().to_owned(),
        };
        RouteMetrics {
            accepted: self.accepted.get_or_create_owned(&label),
            replayed: self.replayed.get_or_create_owned(&label),
            seconds: self.seconds.get_or_create_owned(&label),
        }
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&self, kind: Kind) {
        self.refused[kind as usize].inc();
    }
}
