//! `/metrics`: what the parts have counted, and what waits for each target at the time of asking.
//!
//! What waits is asked of the store for each scrape and put into a registry of its own, so that a
//! target that is gone leaves no figure behind.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fanway_store::Backlog;
use fanway_types::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::Admin;
use crate::problem::Problem;
use crate::standing::Standing;
use crate::targets::by_target;

/// Deliveries that haven't ended, by target.
pub const PENDING: &str = "fanway_target_pending";
/// Seconds since the oldest message that waits for a target was accepted.
pub const OLDEST_SECONDS: &str = "fanway_target_oldest_seconds";
/// Dead letters, by target.
pub const DEAD: &str = "fanway_target_dead";

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabel {
    target: String,
}

/// Everything that is counted, as OpenMetrics text.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    operation_id = "metrics",
    responses((status = 200, description = "The figures.", body = String, content_type = CONTENT_TYPE)),
)]
pub(crate) async fn scrape(State(admin): State<Arc<Admin>>) -> Result<Response, Problem> {
    let backlog = admin.params.store.backlog().await?;
    let backlog = by_target(&Standing::now(&admin), backlog);
    let waiting = waiting(backlog.values(), admin.now());
    let mut text = String::new();
    encode_registry(&mut text, &admin.params.registry)
        .and_then(|()| encode_registry(&mut text, &waiting))
        .and_then(|()| encode_eof(&mut text))
        .expect("a string takes all that is written to it");
    let kind = HeaderValue::from_static(CONTENT_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn waiting<'a>(backlog: impl Iterator<Item = &'a Backlog>, now: Timestamp) -> Registry {
    let pending = Family::<TargetLabel, Gauge>::default();
    let oldest = Family::<TargetLabel, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let dead = Family::<TargetLabel, Gauge>::default();
    for waiting in backlog {
        let label = TargetLabel {
            target: waiting.target.to_string(),
        };
        let age = waiting.oldest.map(|oldest| now.since(oldest));
        pending
            .get_or_create(&label)
            .set(waiting.pending.cast_signed());
        oldest
            .get_or_create(&label)
            .set(age.unwrap_or_default().as_secs_f64());
        dead.get_or_create(&label).set(waiting.dead.cast_signed());
    }
    let mut registry = Registry::default();
    registry.register(
        PENDING,
        "Deliveries that have not ended, as posted to the ledger: up to a second behind",
        pending,
    );
    registry.register(
        OLDEST_SECONDS,
        "Seconds since the oldest message that waits was accepted, as posted to the ledger: up to a second behind",
        oldest,
    );
    registry.register(
        DEAD,
        "Dead letters, as posted to the ledger: up to a second behind",
        dead,
    );
    registry
}
