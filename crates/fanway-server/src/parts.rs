//! What each part is told, from what the config says.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;

use fanway_config::{self as config, Config};
use fanway_ingress::{BodyKind, Limits, RouteParams};
use fanway_journal::fs::RealFs;
use fanway_store_local::{self as local, Syncing, largest_message};
use fanway_target::http::{self, HttpTarget, Roots, Version};
use fanway_transform::plan::CompiledPlan;
use fanway_types::{MemoryBudget, Timestamp};

use crate::start::StartError;

/// What the wall clock shows.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// How the store is opened.
pub(crate) fn store(config: &Config, budget: MemoryBudget) -> local::Params {
    let config::Store {
        path,
        sync,
        segment,
        max,
        keep,
    } = config.store.clone();
    local::Params {
        path,
        sync: match sync {
            config::Sync::Always => Syncing::Always,
            config::Sync::Interval(every) => Syncing::Interval(every),
            config::Sync::Never => Syncing::Never,
        },
        segment,
        max,
        keep: local::Keep {
            messages: keep.messages,
            history: keep.history,
            dead: keep.dead,
            bodies: match keep.bodies {
                config::Bodies::All => local::Bodies::All,
                config::Bodies::Failures => local::Bodies::Failures,
                config::Bodies::None => local::Bodies::None,
            },
        },
        budget,
        clock: Arc::new(now),
        fs: Arc::new(RealFs),
        owner: format!("fanway, listening on {}", config.server.listen),
    }
}

/// The limits of what comes in.
pub(crate) fn limits(config: &Config) -> Limits {
    let server = &config.server;
    Limits {
        max_body: server.max_body.min(largest_message(config.store.segment)),
        connections: in_memory(server.connections.get()),
        header_timeout: server.header_timeout,
        body_timeout: server.body_timeout,
        max_headers: in_memory(server.max_headers.get()).get(),
        max_header_bytes: server.max_header_bytes,
        ..Limits::default()
    }
}

fn in_memory(count: u32) -> NonZeroUsize {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

/// A route, whose plan the store keeps.
pub(crate) fn route(route: &config::Route, plan: &CompiledPlan) -> RouteParams {
    RouteParams {
        name: route.name.clone(),
        method: route.method.clone(),
        path: route.path.clone(),
        plan: plan.plan().hash(),
        body: if plan.needs_json() {
            BodyKind::Json
        } else {
            BodyKind::Opaque
        },
    }
}

/// Compiles a route's plan.
pub(crate) fn plan(route: &config::Route) -> Result<Arc<CompiledPlan>, StartError> {
    let compiled = CompiledPlan::compile(&route.plan).map_err(|mut errors| StartError::Plan {
        route: route.name.clone(),
        source: errors.swap_remove(0),
    })?;
    Ok(Arc::new(compiled))
}

/// A target that is called over HTTP. May read the system's certificate authorities, which blocks.
pub(crate) fn target(
    target: &config::Target,
    roots: &Roots,
) -> Result<HttpTarget, http::HttpTargetError> {
    let url = target.url.as_str().parse();
    HttpTarget::try_new(http::Params {
        url: url.expect("the config takes no other URL"),
        credentials: credentials(target.credentials.as_ref()),
        timeouts: http::Timeouts {
            connect: target.timeouts.connect,
            first_byte: target.timeouts.first_byte,
            whole: target.timeouts.whole,
        },
        version: match target.http {
            config::Http::Auto => Version::Auto,
            config::Http::One => Version::Http1,
            config::Http::Two => Version::Http2,
        },
        connections: target.concurrency,
        idle: target.idle,
        roots: roots.clone(),
    })
}

fn credentials(credentials: Option<&config::Credentials>) -> http::Credentials {
    match credentials.cloned() {
        None => http::Credentials::None,
        Some(config::Credentials::Bearer(token)) => http::Credentials::Bearer(token),
        Some(config::Credentials::Basic { user, password }) => http::Credentials::Basic {
            user: user.expose().to_owned(),
            password,
        },
        Some(config::Credentials::Header { name, value }) => http::Credentials::Header {
            name: name.as_str().to_owned(),
            value,
        },
    }
}
