//! What operators ask over HTTP: health, metrics, dead letters, messages, targets.
//!
//! - `guard` – whose requests are taken at all: `Host` and `Origin`
//! - `health`, `readiness` – `/healthz` and `/readyz`
//! - `metrics` – `/metrics`
//! - `dead`, `messages`, `targets` – `/api/v1/…`
//! - `problem` – every refusal
//!
//! It has no credentials, so that it must only listen on a loopback address; who calls [`Admin::run`]
//! sees to that. It changes nothing but dead letters, and knows no config: what it needs of that is
//! in [`Params`].

mod cursor;
mod dead;
mod extract;
mod guard;
mod health;
mod messages;
mod metrics;
mod problem;
mod readiness;
mod targets;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use fanway_dispatch::handle::Snapshot;
use fanway_store::{Backlog, Error, Store};
use fanway_types::{Plan, RouteName, TargetName, Timestamp};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

pub use crate::metrics::{DEAD, OLDEST_SECONDS, PENDING};
pub use crate::readiness::Readiness;

use crate::problem::{Kind, Problem};

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 16 << 10;

/// What the admin API is told.
pub struct Params {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Each target of the config, with what tells where its lane stands.
    pub lanes: BTreeMap<TargetName, Look>,
    /// Each route's plan as it is today.
    pub plans: BTreeMap<RouteName, Arc<Plan>>,
    /// What the server knows of its own readiness.
    pub readiness: Readiness,
    /// What the parts have registered their figures in.
    pub registry: Registry,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
}

/// Tells where a lane stands.
pub type Look = Box<dyn Fn() -> Snapshot + Send + Sync>;

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes: Vec<_> = self.lanes.keys().collect();
        f.debug_struct("Params")
            .field("lanes", &lanes)
            .field("plans", &self.plans)
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}

/// The admin API.
#[derive(Debug)]
pub struct Admin {
    params: Params,
}

impl Admin {
    /// The admin API of these parts.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self { params }
    }

    /// Answers requests until `shutdown` resolves; those in progress are still answered.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let listen = Arc::new(listener.local_addr()?);
        let router = Arc::new(self)
            .router()
            .layer(from_fn_with_state(listen, guard::guard));
        axum::serve(listener, router)
            .with_graceful_shutdown(shutdown)
            .await
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics::scrape))
            .route("/problems/{code}", get(problem::page))
            .route("/api/v1/dead", get(dead::list))
            .route("/api/v1/dead/{id}", get(dead::show))
            .route("/api/v1/dead/{id}/redrive", post(dead::redrive))
            .route("/api/v1/dead/{id}/discard", post(dead::discard))
            .route("/api/v1/messages/{id}", get(messages::show))
            .route("/api/v1/targets", get(targets::list))
            .fallback(async || Problem::from(Kind::PathUnknown))
            .method_not_allowed_fallback(async || Problem::from(Kind::MethodNotAllowed))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(self)
    }

    /// Where a target's lane stands; `None` where the config has no such target.
    fn snapshot(&self, target: &TargetName) -> Option<Snapshot> {
        self.params.lanes.get(target).map(|look| look())
    }

    /// What waits for each target, those included that nothing waits for.
    async fn backlog(&self) -> Result<BTreeMap<TargetName, Backlog>, Error> {
        let backlog = self.params.store.backlog().await?;
        Ok(targets::by_target(self.params.lanes.keys(), backlog))
    }
}
