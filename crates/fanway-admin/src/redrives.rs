//! `/api/v1/redrives`: redrives of many deliveries, started, shown, held and ended.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fanway_store::job::{self, Filter, Job};
use fanway_types::{JobId, RouteName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actor::Actor;
use crate::cursor::{self, Page};
use crate::extract::{Body, Id, Params, text};
use crate::moment::Moment;
use crate::problem::{Kind, Problem};
use crate::redrive::{Change, Order};
use crate::{Admin, schema};

/// A redrive of many deliveries.
#[derive(Serialize, ToSchema)]
pub(crate) struct Redrive {
    /// Its id.
    #[schema(value_type = schema::RedriveId)]
    id: JobId,
    /// Where it stands.
    #[schema(value_type = schema::RedriveWord)]
    state: job::State,
    /// When it was started. What has ended since isn't part of it.
    #[schema(value_type = schema::Time)]
    started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<schema::Time>)]
    ended_at: Option<Timestamp>,
    /// What it is of.
    #[schema(value_type = schema::IncludeWord)]
    include: job::Include,
    /// Only what went to this target.
    #[schema(value_type = Option<schema::Name>)]
    target: Option<TargetName>,
    /// Only messages of this route.
    #[schema(value_type = Option<schema::Name>)]
    route: Option<RouteName>,
    /// Only what is dead for this reason.
    #[schema(value_type = Option<schema::ReasonWord>)]
    reason: Option<job::Reason>,
    /// Only what has this text in its detail.
    text: Option<String>,
    /// Only what ended then or later.
    #[schema(value_type = Option<schema::Time>)]
    since: Option<Timestamp>,
    /// Only what ended before.
    #[schema(value_type = Option<schema::Time>)]
    until: Option<Timestamp>,
    /// The target that the new deliveries go to, where it isn't the step's own.
    #[schema(value_type = Option<schema::Name>)]
    to: Option<TargetName>,
    /// Whether the attempts for dead letters carry an `Idempotency-Key` of their own. Those for
    /// what was delivered do anyway.
    new_key: bool,
    /// New deliveries a second at most.
    pace: Option<u32>,
    /// What it found when it was started.
    found: u64,
    /// New deliveries so far.
    redriven: u64,
    /// What could not be made anew so far: the request is no longer kept, the config has no such
    /// route, step or target, or somebody else has redriven or discarded it meanwhile.
    passed_over: u64,
}

impl From<Job> for Redrive {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            state: job.state,
            started_at: job.id.timestamp(),
            ended_at: job.ended_at,
            include: job.filter.include,
            target: job.filter.target,
            route: job.filter.route,
            reason: job.filter.reason,
            text: job.filter.text,
            since: job.filter.since,
            until: job.filter.until,
            to: job.to,
            new_key: job.new_key,
            pace: job.pace,
            found: job.found,
            redriven: job.redriven,
            passed_over: job.passed_over,
        }
    }
}

/// A redrive that is wanted. Every condition that is there has to hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// What it is of.
    #[schema(value_type = schema::IncludeWord)]
    include: job::Include,
    /// Only what went to this target.
    #[schema(value_type = Option<schema::Name>)]
    target: Option<TargetName>,
    /// Only messages of this route.
    #[schema(value_type = Option<schema::Name>)]
    route: Option<RouteName>,
    /// Only what is dead for this reason.
    #[schema(value_type = Option<schema::ReasonWord>)]
    reason: Option<job::Reason>,
    /// Only what has this text in its detail, capitals or not (ASCII).
    #[schema(min_length = 1, max_length = 256)]
    text: Option<String>,
    /// Only what ended then or later.
    #[schema(value_type = Option<schema::When>)]
    since: Option<Moment>,
    /// Only what ended before. Nothing that ends after now is ever part of it.
    #[schema(value_type = Option<schema::When>)]
    until: Option<Moment>,
    /// Another target to send it to.
    #[schema(value_type = Option<schema::Name>)]
    to: Option<TargetName>,
    /// Whether the attempts for dead letters carry an `Idempotency-Key` of their own. Those for
    /// what was delivered do anyway.
    #[serde(default)]
    new_key: bool,
    /// New deliveries a second at most.
    #[schema(value_type = Option<u32>, minimum = 1)]
    pace: Option<NonZeroU32>,
    /// Whether only to count.
    #[serde(default)]
    dry_run: bool,
}

impl Start {
    /// Which deliveries it means, of those that have ended by `now`.
    fn filter(&self, now: Timestamp) -> Result<Filter, Problem> {
        let until = self.until.map(|until| until.seen_from(now));
        Ok(Filter {
            include: self.include,
            target: self.target.clone(),
            route: self.route.clone(),
            reason: self.reason,
            since: self.since.map(|since| since.seen_from(now)),
            until: Some(until.map_or(now, |until| until.min(now))),
            text: self.text.clone().map(text).transpose()?,
        })
    }
}

/// What a redrive would be of.
#[derive(Serialize, ToSchema)]
pub(crate) struct Counted {
    /// Deliveries that can be made anew.
    sendable: u64,
    /// Those whose request is no longer kept.
    not_kept: u64,
}

/// Starts a redrive of many deliveries, or counts what it would be of.
///
/// It goes on by itself, the oldest first, and over a restart of the server. What dies again isn't
/// taken again.
#[utoipa::path(
    post,
    path = "/api/v1/redrives",
    tag = "redrives",
    operation_id = "startRedrive",
    params(Actor),
    request_body = Start,
    responses(
        (status = 200, description = "What it would be of, for a dry run.", body = Counted),
        (status = 201, description = "It has started.", body = Redrive,
            headers(("Location" = String, description = "The redrive."))),
        (status = 400, description = "`request_malformed`"),
        (status = 409, description = "`too_many_redrives`"),
        (status = 413, description = "`body_too_large`"),
        (status = 422, description = "`to_unknown`"),
    ),
)]
pub(crate) async fn start(
    State(admin): State<Arc<Admin>>,
    actor: Actor,
    Body(wanted): Body<Start>,
) -> Result<Response, Problem> {
    let filter = wanted.filter(admin.now())?;
    admin.resolver(wanted.to.as_ref()).check()?;
    let count = admin.params.store.count(filter.clone()).await?;
    if wanted.dry_run {
        let counted = Counted {
            sendable: count.sendable,
            not_kept: count.not_kept,
        };
        return Ok(Json(counted).into_response());
    }
    let order = Order {
        filter,
        to: wanted.to,
        new_key: wanted.new_key,
        pace: wanted.pace.map(NonZeroU32::get),
        found: count.sendable,
    };
    let job = admin.params.redrives.start(order, actor).await?;
    let location = format!("/api/v1/redrives/{}", job.id);
    let headers = [(header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, Json(Redrive::from(job))).into_response())
}

/// A page of redrives, latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedrivePage {
    /// The redrives.
    redrives: Vec<Redrive>,
    /// The `cursor` of the next page, where there is one.
    next: Option<String>,
}

/// Lists redrives, latest first.
#[utoipa::path(
    get,
    path = "/api/v1/redrives",
    tag = "redrives",
    operation_id = "listRedrives",
    params(Page),
    responses(
        (status = 200, description = "A page of them.", body = RedrivePage),
        (status = 400, description = "`request_malformed`"),
    ),
)]
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    Params(page): Params<Page>,
) -> Result<Json<RedrivePage>, Problem> {
    let (limit, after) = page.place::<JobId>()?;
    let mut jobs = admin.params.store.jobs().await?;
    jobs.retain(|job| after.is_none_or(|after| job.id < after));
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next = jobs.last().filter(|_| more);
    Ok(Json(RedrivePage {
        next: next.map(|job| cursor::encode(&job.id)),
        redrives: jobs.into_iter().map(Redrive::from).collect(),
    }))
}

/// Shows a redrive: how far it has come.
#[utoipa::path(
    get,
    path = "/api/v1/redrives/{redrive}",
    tag = "redrives",
    operation_id = "showRedrive",
    params(("redrive" = schema::RedriveId, Path, description = "The redrive.")),
    responses(
        (status = 200, description = "The redrive.", body = Redrive),
        (status = 404, description = "`redrive_unknown`, `id_malformed`"),
    ),
)]
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<JobId>,
) -> Result<Json<Redrive>, Problem> {
    let jobs = admin.params.store.jobs().await?;
    let job = jobs.into_iter().find(|job| job.id == id);
    let job = job.ok_or_else(|| Problem::from(Kind::RedriveUnknown))?;
    Ok(Json(job.into()))
}

macro_rules! changes {
    ($($(#[doc = $doc:literal])+ $name:ident: $change:ident, $path:literal, $id:literal;)+) => {$(
        $(#[doc = $doc])+
        #[utoipa::path(
            post,
            path = $path,
            tag = "redrives",
            operation_id = $id,
            params(("redrive" = schema::RedriveId, Path, description = "The redrive."), Actor),
            responses(
                (status = 200, description = "The redrive, as it stands now.", body = Redrive),
                (status = 404, description = "`redrive_unknown`, `id_malformed`"),
                (status = 409, description = "`redrive_ended`"),
            ),
        )]
        pub(crate) async fn $name(
            State(admin): State<Arc<Admin>>,
            Id(id): Id<JobId>,
            actor: Actor,
        ) -> Result<Json<Redrive>, Problem> {
            let job = admin.params.redrives.change(id, Change::$change, actor).await?;
            Ok(Json(job.into()))
        }
    )+};
}

changes! {
    /// Holds a redrive, between two batches.
    pause: Pause, "/api/v1/redrives/{redrive}/pause", "pauseRedrive";
    /// Lets a redrive go on that is held.
    resume: Resume, "/api/v1/redrives/{redrive}/resume", "resumeRedrive";
    /// Ends a redrive, between two batches. What it has made anew stays so.
    cancel: Cancel, "/api/v1/redrives/{redrive}/cancel", "cancelRedrive";
}
