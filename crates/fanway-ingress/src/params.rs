//! What ingress is told: its routes, its limits, and the parts of the server that it uses.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use fanway_transform::evaluator::Evaluator;
use fanway_transform::plan::CompiledPlan;
use fanway_types::{
    AllowedOrigin, ByteCount, HeldBy, MemoryBudget, PathTemplate, PlanHash, RouteName, TargetName,
    Timestamp,
};

use crate::cors::Cors;
use crate::metrics::Metrics;

/// What ingress is told.
pub struct Params {
    /// What can be replaced while it runs.
    pub table: Table,
    /// The memory that bodies are counted against, shared with whoever holds messages.
    pub budget: MemoryBudget,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
    /// Where is counted.
    pub metrics: Metrics,
    /// Where order keys are evaluated that aren't found in place. Without it no route may need one.
    pub evaluator: Option<Evaluator>,
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// What follows from a config, and is replaced with it as a whole.
pub struct Table {
    /// The routes.
    pub routes: Vec<RouteParams>,
    /// What requests and connections may take.
    pub limits: Limits,
    /// Scheme and authority, without a path, that links begin with. Without it they are relative.
    pub public_url: Option<String>,
    /// Which web pages may send from a browser; without it none of another origin.
    pub cors: Option<Cors>,
    /// What holds a target's deliveries now.
    pub held: Held,
}

/// Tells what holds a target's deliveries now, if anything does.
pub type Held = Arc<dyn Fn(&TargetName) -> Option<HeldBy> + Send + Sync>;

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("routes", &self.routes)
            .field("limits", &self.limits)
            .field("public_url", &self.public_url)
            .field("cors", &self.cors)
            .finish_non_exhaustive()
    }
}

/// A route: which requests are its own, and what follows from one.
#[derive(Clone, Debug)]
pub struct RouteParams {
    /// Its name.
    pub name: RouteName,
    /// The method that it takes; `None` for any.
    pub method: Option<http::Method>,
    /// The paths that it takes.
    pub path: PathTemplate,
    /// The plan that its messages name. The store has to keep it already.
    pub plan: PlanHash,
    /// The plan, compiled, where any of its steps keeps its deliveries in order.
    pub order: Option<Arc<CompiledPlan>>,
    /// Whether an expression reads the body, which then has to be JSON. Otherwise it is opaque.
    pub body: BodyKind,
    /// What it makes of `Idempotency-Key`.
    pub idempotency: Idempotency,
    /// How long after acceptance the first attempt is made, where the sender doesn't say.
    pub not_before: Option<Duration>,
    /// How long after acceptance a message expires, where the sender doesn't say.
    pub expires: Option<Duration>,
    /// The origins of callbacks that a sender may name; with none it may name no callback.
    pub callbacks: Arc<[AllowedOrigin]>,
}

/// What a route makes of `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whether a request without one is refused.
    pub required: bool,
    /// How long a key stands for the request that it came with.
    pub keep: Duration,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self {
            required: false,
            keep: Duration::from_hours(24),
        }
    }
}

/// What a route has to know of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing: any bytes do.
    Opaque,
    /// It has to be JSON, since an expression of the plan reads it.
    Json,
}

/// What requests and connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, as sent and, where it is read, once it is decompressed.
    pub max_body: ByteCount,
    /// Connections open at once, over all cores.
    pub connections: NonZeroUsize,
    /// Listeners to messages' events at once, over all cores.
    pub followers: usize,
    /// The longest that the head of a request may take to arrive.
    pub header_timeout: Duration,
    /// The longest that a whole body may take to arrive.
    pub body_timeout: Duration,
    /// The longest that a connection is kept open without a request.
    pub idle_timeout: Duration,
    /// Headers of one request.
    pub max_headers: usize,
    /// The head of one request, at least [`Limits::SMALLEST_HEAD`].
    pub max_header_bytes: ByteCount,
    /// Requests in progress at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Limits {
    /// The smallest limit of a head that can be kept to; a lower one counts as this.
    pub const SMALLEST_HEAD: ByteCount = ByteCount::kib(8);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: ByteCount::mib(10),
            connections: NonZeroUsize::new(10_000).expect("it isn't zero"),
            followers: 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            max_headers: 100,
            max_header_bytes: ByteCount::kib(32),
            streams: 256,
        }
    }
}
