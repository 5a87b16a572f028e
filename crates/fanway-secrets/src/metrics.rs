//! What is counted of secrets, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Questions, by who was asked and what came of it; shown as `fanway_secrets_asked_total`.
const ASKED: &str = "fanway_secrets_asked";
/// Renewals, by what was renewed and what came of it; shown as `fanway_secrets_renewed_total`.
const RENEWED: &str = "fanway_secrets_renewed";
/// Values that have changed since they were first asked for; shown as
/// `fanway_secrets_changed_total`.
const CHANGED: &str = "fanway_secrets_changed";
/// What couldn't be asked for again, and is used as it was.
const STALE: &str = "fanway_secrets_stale";
/// Leases that are kept.
const LEASES: &str = "fanway_secrets_leases";
/// Leases that have run out, and whose values are used all the same.
const RAN_OUT: &str = "fanway_secrets_leases_ran_out";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    source: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Renewed {
    what: &'static str,
    outcome: &'static str,
}

/// The counters. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    asked: Family<Asked, Counter>,
    renewed: Family<Renewed, Counter>,
    pub(crate) changed: Counter,
    pub(crate) stale: Gauge,
    pub(crate) leases: Gauge,
    pub(crate) ran_out: Gauge,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(ASKED, "Secrets that were asked for", self.asked.clone());
        registry.register(
            RENEWED,
            "Leases and tokens that were renewed",
            self.renewed.clone(),
        );
        registry.register(CHANGED, "Secrets that have changed", self.changed.clone());
        let stale = "Secrets that couldn't be asked for again and are used as they were";
        registry.register(STALE, stale, self.stale.clone());
        registry.register(LEASES, "Leases that are kept", self.leases.clone());
        let ran_out = "Leases that have run out and whose values are still used";
        registry.register(RAN_OUT, ran_out, self.ran_out.clone());
    }

    pub(crate) fn asked(&self, source: &'static str, is_answered: bool) {
        let outcome = outcome(is_answered, "answered");
        self.asked.get_or_create(&Asked { source, outcome }).inc();
    }

    pub(crate) fn renewed(&self, what: &'static str, is_renewed: bool) {
        let outcome = outcome(is_renewed, "renewed");
        self.renewed.get_or_create(&Renewed { what, outcome }).inc();
    }
}

fn outcome(is_good: bool, good: &'static str) -> &'static str {
    if is_good { good } else { "failed" }
}
