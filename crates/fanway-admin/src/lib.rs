//! What operators ask over HTTP: health, metrics, messages, targets, dead letters, redrives, the
//! config.
//!
//! - `guard` – whose requests are taken at all: `Host` and `Origin`
//! - `api` – all paths, and the OpenAPI document that describes them
//! - `health`, `readiness` – `/healthz` and `/readyz`
//! - `metrics` – `/metrics`
//! - `messages`, `events`, `targets`, `dead`, `redrives`, `config`, `audit` – `/api/v1/…`
//! - `redrive` – what carries redrives of many deliveries out
//! - `current`, `steering` – what the server hands over: its lanes and plans, its config
//! - `problem` – every refusal
//!
//! It has no credentials, so that it must only listen on a loopback address; who calls [`Admin::run`]
//! sees to that. Every change is kept together with an audit record of it. It knows no config: what
//! it needs of that is in [`Params`].

mod actor;
mod api;
mod audit;
mod config;
mod current;
mod cursor;
mod dead;
mod events;
mod extract;
mod guard;
mod health;
mod messages;
mod metrics;
mod moment;
mod problem;
mod readiness;
pub mod redrive;
mod redrives;
mod resolve;
mod schema;
mod standing;
pub mod steering;
mod targets;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use bytes::Bytes;
use fanway_dispatch::Clock;
use fanway_store::Store;
use fanway_types::{ByteCount, TargetName, Timestamp};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};

pub use crate::api::openapi;
pub use crate::current::{LaneView, Lanes, Plans};
pub use crate::metrics::{DEAD, OLDEST_SECONDS, PENDING};
pub use crate::readiness::Readiness;

use crate::resolve::Resolver;
use crate::steering::Steering;

/// What the admin API is told.
pub struct Params {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The lanes that are open now.
    pub lanes: Arc<dyn Lanes>,
    /// What each route does now.
    pub plans: Arc<dyn Plans>,
    /// What changes the config that is in use.
    pub steering: Arc<dyn Steering>,
    /// What carries redrives of many deliveries out.
    pub redrives: redrive::Handle,
    /// What the server knows of its own readiness.
    pub readiness: Readiness,
    /// What the parts have registered their figures in.
    pub registry: Registry,
    /// The largest body that a redrive may have in place of the message's.
    pub largest_body: ByteCount,
    /// Held by whoever changes what is set for a target, inside of the admin API or outside: what
    /// is set follows from what was set.
    pub turn: Arc<Mutex<()>>,
    /// The wall clock.
    pub clock: Clock,
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("readiness", &self.readiness)
            .field("largest_body", &self.largest_body)
            .finish_non_exhaustive()
    }
}

/// The admin API.
#[derive(Debug)]
pub struct Admin {
    params: Params,
    /// What describes it.
    document: Bytes,
    /// Places of those who listen to events.
    followers: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Admin {
    /// The admin API of these parts.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self {
            params,
            document: openapi().into(),
            followers: Arc::new(Semaphore::new(events::MOST)),
            closing: watch::Sender::new(false),
        }
    }

    /// Answers requests until `shutdown` resolves; those in progress are still answered, and what
    /// is told of events ends.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let listen = Arc::new(listener.local_addr()?);
        let admin = Arc::new(self);
        let router = api::router(admin.params.largest_body)
            .with_state(Arc::clone(&admin))
            .layer(from_fn_with_state(listen, guard::guard))
            .into_make_service_with_connect_info::<SocketAddr>();
        let shutdown = async move {
            shutdown.await;
            admin.closing.send_replace(true);
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(shutdown)
            .await
    }

    fn now(&self) -> Timestamp {
        self.params.clock.now()
    }

    /// Finds what redrives run, toward `to` where it is another target than the step's own.
    fn resolver<'a>(&'a self, to: Option<&'a TargetName>) -> Resolver<'a> {
        Resolver {
            store: &*self.params.store,
            plans: &*self.params.plans,
            lanes: &*self.params.lanes,
            to,
        }
    }

    /// The lane of a target of this name.
    fn lane(&self, name: &str) -> Option<(TargetName, Arc<dyn LaneView>)> {
        let mut lanes = self.params.lanes.all().into_iter();
        lanes.find(|(target, _)| target.as_str() == name)
    }

    /// Resolves when the admin API stops.
    fn closed(&self) -> impl Future<Output = ()> + use<> {
        let mut closing = self.closing.subscribe();
        async move {
            // One that is gone has stopped.
            let _told = closing.wait_for(|is_closing| *is_closing).await;
        }
    }
}
