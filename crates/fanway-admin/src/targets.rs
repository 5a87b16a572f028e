//! `/api/v1/targets`: where each target's lane stands and what waits for it; pausing it and
//! forcing its breaker.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use fanway_dispatch::endpoints::{self, View};
use fanway_dispatch::handle::Limit;
use fanway_store::Backlog;
use fanway_store::change::{self, Control, Force, Pause};
use fanway_store::trouble::Cause;
use fanway_types::{HeldBy, TargetName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actor::Actor;
use crate::extract::{Body, malformed, reason};
use crate::problem::{Kind, Problem};
use crate::standing::Standing;
use crate::{Admin, schema};

/// All targets.
#[derive(Serialize, ToSchema)]
pub(crate) struct Targets {
    /// Those of the config, and those that only messages know of.
    targets: Vec<Target>,
}

/// A target: where its lane stands, and what waits for it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Target {
    /// Its name.
    #[schema(value_type = schema::Name)]
    target: TargetName,
    /// The origin that it stands for, where it is one that a sender has named for callbacks.
    origin: Option<String>,
    /// Where it stands.
    state: Standstill,
    /// What holds it.
    #[schema(value_type = Option<schema::HeldWord>)]
    held_by: Option<HeldBy>,
    /// When that ends or a probe is sent, where it is known.
    #[schema(value_type = Option<schema::Time>)]
    held_until: Option<Timestamp>,
    /// Which limit it is, where it is held by one.
    #[schema(value_type = Option<schema::LimitWord>)]
    limited_by: Option<&'static str>,
    /// Attempts that may be in flight now, where it has a lane.
    concurrency: Option<usize>,
    /// Its breaker, where it has a lane.
    breaker: Option<Breaker>,
    /// Why its breaker isn't closed, by what the target has answered.
    #[schema(value_type = Option<schema::CauseWord>)]
    breaker_cause: Option<&'static str>,
    /// What an operator has its breaker do.
    #[schema(value_type = schema::ForceWord)]
    force: Force,
    /// The pause that an operator has set, or that follows from a 410.
    paused: Option<Paused>,
    /// Deliveries that are being shaped or attempted.
    in_flight: usize,
    /// Deliveries that haven't ended.
    pending: u64,
    /// When the oldest message that waits was accepted.
    #[schema(value_type = Option<schema::Time>)]
    oldest: Option<Timestamp>,
    /// Dead letters.
    dead: u64,
    /// Its endpoints, where it has more than one address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    endpoints: Vec<Endpoint>,
}

/// One of a target's addresses.
#[derive(Serialize, ToSchema)]
struct Endpoint {
    /// Scheme, host and port; with a number where another has the same.
    endpoint: String,
    /// Its share of the attempts, in proportion to the others' weights.
    weight: u32,
    /// Where it stands.
    state: EndpointState,
    /// For how many seconds it is left out yet, where that is known.
    left_out_for: Option<u64>,
    /// Attempts that are under way.
    in_flight: u32,
}

/// Where an endpoint stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EndpointState {
    /// Attempts go to it.
    Up,
    /// It is left out for a time, since attempts have failed.
    Ejected,
    /// It is left out while its checks fail.
    Down,
}

impl From<View> for Endpoint {
    fn from(view: View) -> Self {
        Self {
            endpoint: view.name.to_string(),
            weight: view.weight.get(),
            state: match view.state {
                endpoints::Standing::Up => EndpointState::Up,
                endpoints::Standing::Ejected => EndpointState::Ejected,
                endpoints::Standing::Down => EndpointState::Down,
            },
            left_out_for: view.left_out_for.map(|left| left.as_secs()),
            in_flight: view.in_flight,
        }
    }
}

/// Where a target stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standstill {
    /// Attempts are made.
    Running,
    /// Something holds it.
    Held,
    /// The config doesn't have it, and nothing is sent to it.
    Gone,
}

/// Where a breaker stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Breaker {
    /// Attempts are made.
    Closed,
    /// Probes are made.
    HalfOpen,
    /// Nothing is attempted.
    Open,
}

impl From<fanway_dispatch::handle::Breaker> for Breaker {
    fn from(breaker: fanway_dispatch::handle::Breaker) -> Self {
        match breaker {
            fanway_dispatch::handle::Breaker::Closed => Self::Closed,
            fanway_dispatch::handle::Breaker::HalfOpen => Self::HalfOpen,
            fanway_dispatch::handle::Breaker::Open => Self::Open,
        }
    }
}

/// A pause.
#[derive(Serialize, ToSchema)]
pub(crate) struct Paused {
    /// Since when.
    #[schema(value_type = schema::Time)]
    since: Timestamp,
    /// Why, in words; may be empty.
    reason: String,
    /// What it came from.
    #[schema(value_type = schema::PauseCauseWord)]
    cause: change::PauseCause,
}

impl Target {
    fn new(standing: &Standing, waiting: &Backlog, control: Control) -> Self {
        let target = waiting.target.clone();
        let lane = standing.snapshot(&target);
        let endpoints = standing.endpoints(&target);
        let endpoints = endpoints.into_iter().map(Endpoint::from).collect();
        let origin = standing.origin(&target).map(str::to_owned);
        let held_by = standing.held_by(&target);
        let is_gone = lane.is_none() && origin.is_none();
        let is_idle = lane.is_none() && waiting.pending == 0;
        let state = match held_by {
            _ if is_gone => Standstill::Gone,
            Some(_) if !is_idle => Standstill::Held,
            _ => Standstill::Running,
        };
        Self {
            target,
            origin,
            state,
            held_by: held_by.filter(|_| !is_idle),
            held_until: lane.and_then(|lane| lane.held_until),
            limited_by: lane.and_then(|lane| lane.limited_by).map(Limit::as_str),
            concurrency: lane.map(|lane| lane.concurrency),
            breaker: lane.map(|lane| lane.breaker.into()),
            breaker_cause: lane.and_then(|lane| lane.cause).map(Cause::as_str),
            force: control.breaker,
            paused: control.pause.map(|pause| Paused {
                since: pause.since,
                reason: pause.reason,
                cause: pause.cause,
            }),
            in_flight: lane.map_or(0, |lane| lane.in_flight),
            pending: waiting.pending,
            oldest: waiting.oldest,
            dead: waiting.dead,
            endpoints,
        }
    }
}

/// Lists all targets: those of the config, and those that only messages know of.
#[utoipa::path(
    get,
    path = "/api/v1/targets",
    tag = "targets",
    operation_id = "listTargets",
    responses((status = 200, description = "The targets, by name.", body = Targets)),
)]
pub(crate) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Targets>, Problem> {
    let standing = Standing::now(&admin);
    let mut controls = controls(&admin).await?;
    let backlog = by_target(&standing, admin.params.store.backlog().await?);
    let target = |(name, waiting): (&TargetName, &Backlog)| {
        let control = controls.remove(name).unwrap_or_default();
        Target::new(&standing, waiting, control)
    };
    let targets = backlog.iter().map(target).collect();
    Ok(Json(Targets { targets }))
}

/// Shows a target.
#[utoipa::path(
    get,
    path = "/api/v1/targets/{target}",
    tag = "targets",
    operation_id = "showTarget",
    params(("target" = schema::Name, Path, description = "The target.")),
    responses(
        (status = 200, description = "The target.", body = Target),
        (status = 404, description = "`target_unknown`"),
    ),
)]
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<Json<Target>, Problem> {
    let control = controls(&admin).await?.remove(name.as_str());
    let target = find(&admin, &name, control.unwrap_or_default()).await?;
    Ok(Json(target))
}

/// What an operator sets for a target. What isn't named stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Steer {
    /// Whether it is paused: then nothing is attempted, and what comes for it waits.
    paused: Option<bool>,
    /// What its breaker does.
    #[schema(value_type = Option<schema::ForceWord>)]
    breaker: Option<Force>,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 1024)]
    reason: String,
}

impl Steer {
    /// What is set afterwards.
    fn applied(&self, before: &Control, reason: &str, now: Timestamp) -> Control {
        let pause = match self.paused {
            None => before.pause.clone(),
            Some(false) => None,
            Some(true) => {
                let earlier = before.pause.as_ref();
                let kept = earlier.map_or("", |pause| &pause.reason);
                let reason = if reason.is_empty() { kept } else { reason };
                Some(Pause {
                    since: earlier.map_or(now, |pause| pause.since),
                    reason: reason.to_owned(),
                    // Also of one that wasn't: from now on it is the operator's.
                    cause: change::PauseCause::Operator,
                    address: None,
                })
            }
        };
        Control {
            pause,
            breaker: self.breaker.unwrap_or(before.breaker),
        }
    }
}

/// The words for what has been changed: one for the audit record, and all of it.
fn change(before: &Control, after: &Control, reason: &str) -> (&'static str, String) {
    let pause = match &after.pause {
        Some(_) => "target.pause",
        None => "target.resume",
    };
    let breaker = format!("breaker {}", after.breaker.as_str());
    let (action, detail) = match (before.pause != after.pause, before.breaker != after.breaker) {
        (true, false) => return (pause, reason.to_owned()),
        (true, true) => (pause, breaker),
        _ => ("target.breaker", after.breaker.as_str().to_owned()),
    };
    if reason.is_empty() {
        (action, detail)
    } else {
        (action, format!("{detail}: {reason}"))
    }
}

/// Pauses or resumes a target, or forces its breaker open or closed.
///
/// What is set outlives a restart.
#[utoipa::path(
    patch,
    path = "/api/v1/targets/{target}",
    tag = "targets",
    operation_id = "steerTarget",
    params(("target" = schema::Name, Path, description = "The target."), Actor),
    request_body = Steer,
    responses(
        (status = 200, description = "The target, as it stands now.", body = Target),
        (status = 400, description = "`request_malformed`"),
        (status = 404, description = "`target_unknown`"),
        (status = 413, description = "`body_too_large`"),
    ),
)]
pub(crate) async fn steer(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
    actor: Actor,
    Body(wanted): Body<Steer>,
) -> Result<Json<Target>, Problem> {
    if wanted.paused.is_none() && wanted.breaker.is_none() {
        return Err(malformed("expected `paused` or `breaker`"));
    }
    let reason = reason(&wanted.reason)?;
    let (target, _) = admin.lane(&name).ok_or_else(|| unknown(&name))?;
    // What is set follows from what was set: one change at a time.
    let _turn = admin.params.turn.lock().await;
    let before = controls(&admin).await?.remove(&target).unwrap_or_default();
    let now = admin.now();
    let after = wanted.applied(&before, reason, now);
    if after != before {
        let (action, detail) = change(&before, &after, reason);
        let audit = actor.did(now, action, &target, Some(&detail));
        let store = &admin.params.store;
        store
            .keep_control(target.clone(), after.clone(), Some(audit))
            .await?;
        tracing::info!(target_name = %target, action, detail, "target steered");
    }
    // A reload may have opened another lane since; it is told as well where it came too early to
    // have read what is kept now.
    if let Some((_, lane)) = admin.lane(&name) {
        lane.control(after.clone());
    }
    Ok(Json(find(&admin, &name, after).await?))
}

fn unknown(name: &str) -> Problem {
    Problem::new(Kind::TargetUnknown, format!("no target is called `{name}`"))
}

async fn find(admin: &Admin, name: &str, control: Control) -> Result<Target, Problem> {
    let standing = Standing::now(admin);
    let backlog = by_target(&standing, admin.params.store.backlog().await?);
    let waiting = backlog.get(name).ok_or_else(|| unknown(name))?;
    Ok(Target::new(&standing, waiting, control))
}

async fn controls(admin: &Admin) -> Result<BTreeMap<TargetName, Control>, Problem> {
    let controls = admin.params.store.controls().await?;
    Ok(controls.into_iter().collect())
}

/// What waits for each target, those included that nothing waits for.
pub(crate) fn by_target(
    standing: &Standing,
    backlog: Vec<Backlog>,
) -> BTreeMap<TargetName, Backlog> {
    let idle = standing.targets().map(|target| Backlog {
        target: target.clone(),
        pending: 0,
        oldest: None,
        dead: 0,
    });
    idle.chain(backlog)
        .map(|waiting| (waiting.target.clone(), waiting))
        .collect()
}
