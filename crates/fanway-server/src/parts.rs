//! What each part is told, from what the config says.

mod addresses;
mod proofs;
mod wire;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;

use fanway_admin::steering::Generation;
use fanway_config::{self as config, Config};
use fanway_dispatch::{Addresses, Counts, Settings};
use fanway_ingress::{BodyKind, Cors, Idempotency, Limits, Origins, RouteParams, Table};
use fanway_journal::fs::RealFs;
use fanway_policy::concurrency::Concurrency;
use fanway_policy::exchange::Rules;
use fanway_store_local::{self as local, Syncing, Turns, largest_message};
use fanway_target::Target;
use fanway_target::http::{self, HttpTarget, HttpTargetError, Version};
use fanway_transform::Predicate;
use fanway_transform::plan::CompiledPlan;
use fanway_types::{MemoryBudget, Plan, RouteName, TargetName, Timestamp};

use crate::lanes::Lanes;
use crate::outward::Outward;
use crate::start::StartError;

/// What the wall clock shows.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// How the store is opened.
pub(crate) fn store(config: &Config, budget: MemoryBudget, turns: Turns) -> local::Params {
    let config::Store {
        path,
        sync,
        segment,
        max,
        keep,
        encrypt,
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
        encrypt: encryption(encrypt),
        budget,
        clock: Arc::new(now),
        fs: Arc::new(RealFs),
        owner: format!("fanway, listening on {}", config.server.listen),
        turns,
    }
}

/// The keys that the data folder is encrypted by.
fn encryption(keys: config::Encrypt) -> local::Encryption {
    local::Encryption {
        seals: keys.seals,
        opens: keys.opens,
    }
}

/// The limits of what comes in.
pub(crate) fn limits(config: &Config) -> Limits {
    let server = &config.server;
    Limits {
        max_body: server.max_body.min(largest_message(config.store.segment)),
        connections: in_memory(server.connections.get()),
        followers: server.followers.get(),
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

/// What ingress takes from a config, whose plans the store keeps.
pub(crate) fn table(config: &Config, plans: &[Arc<CompiledPlan>], lanes: &Lanes) -> Table {
    let routes = config.routes.iter().zip(plans);
    let url = config.server.public_url.as_ref();
    let lanes = lanes.clone();
    Table {
        routes: routes.map(|(config, plan)| route(config, plan)).collect(),
        limits: limits(config),
        public_url: url.map(|url| url.as_str().to_owned()),
        cors: config.server.cors.as_ref().map(cors),
        held: Arc::new(move |target| lanes.held(target)),
    }
}

fn cors(cors: &config::Cors) -> Cors {
    Cors {
        origins: match &cors.origins {
            config::PageOrigins::Any => Origins::Any,
            config::PageOrigins::Listed(origins) => Origins::Listed(origins.as_slice().into()),
        },
        max_age: cors.max_age,
    }
}

fn route(route: &config::Route, plan: &Arc<CompiledPlan>) -> RouteParams {
    RouteParams {
        name: route.name.clone(),
        method: route.method.clone(),
        path: route.path.clone(),
        plan: plan.plan().hash(),
        order: plan.plan().is_ordered().then(|| Arc::clone(plan)),
        body: if plan.needs_json() {
            BodyKind::Json
        } else {
            BodyKind::Opaque
        },
        idempotency: Idempotency {
            required: route.idempotency.required,
            keep: route.idempotency.keep,
        },
        not_before: route.not_before,
        expires: route.expires,
        callbacks: route.callback_origins.as_slice().into(),
    }
}

/// What each route does, for operators.
pub(crate) fn route_plans(config: &Config) -> BTreeMap<RouteName, Arc<Plan>> {
    let routes = config.routes.iter();
    routes
        .map(|route| (route.name.clone(), Arc::clone(&route.plan)))
        .collect()
}

/// The config as it is shown once it is in use as the `number`-th.
pub(crate) fn generation(config: &Config, number: u64) -> Generation {
    let files = config.files.iter();
    Generation {
        number,
        fingerprint: config.fingerprint.clone(),
        loaded_at: now(),
        files: files.map(|file| file.display().to_string()).collect(),
        previous: None,
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

/// What a target's lane does. May read the system's certificate authorities, which blocks.
pub(crate) fn settings(
    name: &TargetName,
    target: &config::Target,
    outward: &Outward,
) -> Result<Settings, StartError> {
    Ok(Settings {
        target: addresses::of(name, target, outward)?,
        counts: counts(&target.counts),
        retry: target.retry.clone(),
        breaker: target.breaker.clone(),
        concurrency: target.concurrency,
        rate: target.rate,
        fallback: target.fallback.clone(),
    })
}

/// How a target is called.
pub(crate) fn called(
    name: &TargetName,
    target: &config::Target,
    outward: &Outward,
) -> Result<http::Params, HttpTargetError> {
    Ok(http::Params {
        url: url(target.url.as_str()),
        credentials: proofs::credentials(name, target, outward)?,
        sign: target.sign.as_ref().map(proofs::signing),
        timeouts: timeouts(&target.timeouts),
        version: match target.http {
            config::Http::Auto => Version::Auto,
            config::Http::One => Version::Http1,
            config::Http::Two => Version::Http2,
        },
        connections: target.concurrency.most(),
        idle: target.idle,
        budget: outward.budget.clone(),
        roots: wire::roots(target.tls.as_ref(), outward),
        tls: wire::tls(target.tls.as_ref()),
        proxy: target.proxy.as_ref().map(wire::proxy),
        egress: target.egress.clone(),
    })
}

/// What the lane of an origin does that a sender named for callbacks.
pub(crate) fn origin(
    callbacks: &config::Callbacks,
    name: &TargetName,
    origin: &str,
    outward: &Outward,
) -> Result<Settings, StartError> {
    let called = http::Params {
        url: url(origin),
        credentials: http::Credentials::None,
        sign: callbacks.sign.as_ref().map(proofs::signing),
        timeouts: timeouts(&callbacks.timeouts),
        version: Version::Auto,
        connections: callbacks.concurrency,
        idle: http::Params::DEFAULT_IDLE,
        budget: outward.budget.clone(),
        roots: outward.roots.clone(),
        tls: http::Tls::default(),
        proxy: None,
        egress: callbacks.egress.clone(),
    };
    let counts = counts(&callbacks.counts);
    Ok(Settings {
        target: Addresses::One(http_target(name, called)?),
        counts: Counts {
            // One address that is gone says nothing of the origin's others.
            rules: counts.rules.from_data(),
            ..counts
        },
        retry: callbacks.retry.clone(),
        breaker: callbacks.breaker.clone(),
        concurrency: Concurrency::Fixed(callbacks.concurrency),
        rate: None,
        fallback: None,
    })
}

fn counts(counts: &config::Counts) -> Counts {
    let compile = |body: &String| {
        Predicate::compile(body).expect("the config takes no predicate that doesn't compile")
    };
    Counts {
        rules: Rules::new(&counts.answers),
        body: counts.body.as_ref().map(compile),
    }
}

fn http_target(name: &TargetName, params: http::Params) -> Result<Arc<dyn Target>, StartError> {
    let target = HttpTarget::try_new(params).map_err(|source| uncallable(name, source))?;
    Ok(Arc::new(target))
}

fn uncallable(name: &TargetName, source: HttpTargetError) -> StartError {
    StartError::Target {
        target: name.clone(),
        source,
    }
}

fn url(url: &str) -> http::BaseUrl {
    url.parse().expect("the config takes no other URL")
}

fn timeouts(timeouts: &config::Timeouts) -> http::Timeouts {
    http::Timeouts {
        connect: timeouts.connect,
        first_byte: timeouts.first_byte,
        whole: timeouts.whole,
    }
}
