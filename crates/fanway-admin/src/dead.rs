//! `/api/v1/dead`: dead letters, listed, shown and discarded.

pub(crate) mod redrive;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_store::dead::{Error, Letter, Opened, Query};
use fanway_store::job;
use fanway_types::{
    DeadReason, DeliveryId, MessageId, Request, RouteName, StepName, TargetName, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::actor::Actor;
use crate::cursor;
use crate::extract::{Body, Id, Params, malformed, reason, text};
use crate::moment::Moment;
use crate::problem::Problem;
use crate::{Admin, schema};

/// Which dead letters to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those of this target.
    #[param(value_type = Option<schema::Name>)]
    target: Option<TargetName>,
    /// Only those of messages of this route.
    #[param(value_type = Option<schema::Name>)]
    route: Option<RouteName>,
    /// Only those that are dead for this reason.
    #[param(value_type = Option<schema::ReasonWord>)]
    reason: Option<job::Reason>,
    /// Only those that died then or later.
    #[param(value_type = Option<schema::When>)]
    since: Option<Moment>,
    /// Only those that died before.
    #[param(value_type = Option<schema::When>)]
    until: Option<Moment>,
    /// Only those whose detail has this text in it, capitals or not (ASCII).
    #[param(min_length = 1, max_length = 256)]
    text: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl Filter {
    fn query(self, now: Timestamp) -> Result<Query, Problem> {
        let after = cursor::place(self.cursor.as_deref())?;
        let limit = cursor::limit(self.limit)?;
        let filter = job::Filter {
            include: job::Include::Dead,
            target: self.target,
            route: self.route,
            reason: self.reason,
            since: self.since.map(|since| since.seen_from(now)),
            until: self.until.map(|until| until.seen_from(now)),
            text: self.text.map(text).transpose()?,
        };
        Ok(Query {
            filter,
            after,
            limit,
        })
    }
}

/// A page of dead letters, latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadPage {
    /// The letters.
    dead: Vec<DeadLetter>,
    /// The `cursor` of the next page, where there is one.
    next: Option<String>,
}

/// A dead letter.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    /// The delivery.
    #[schema(value_type = schema::DeliveryId)]
    id: DeliveryId,
    /// Its message.
    #[schema(value_type = schema::MessageId)]
    message: MessageId,
    /// The route that accepted the message.
    #[schema(value_type = schema::Name)]
    route: RouteName,
    /// The step.
    #[schema(value_type = schema::Name)]
    step: StepName,
    /// The target.
    #[schema(value_type = schema::Name)]
    target: TargetName,
    /// Why it is dead.
    #[schema(value_type = schema::ReasonWord)]
    reason: DeadReason,
    /// The error, or the beginning of the target's answer.
    detail: Option<String>,
    /// The status code of the last answer.
    last_status: Option<u16>,
    /// Attempts made.
    attempts: u32,
    /// When it died.
    #[schema(value_type = schema::Time)]
    died_at: Timestamp,
    /// The size of the message's body, in bytes.
    size: u64,
}

impl DeadLetter {
    fn new(letter: Letter) -> Self {
        Self {
            id: letter.delivery,
            message: letter.delivery.message,
            route: letter.route,
            step: letter.step,
            target: letter.target,
            reason: letter.reason,
            detail: letter.detail.as_deref().map(str::to_owned),
            last_status: letter.status,
            attempts: letter.attempts,
            died_at: letter.died_at,
            size: letter.size.get(),
        }
    }
}

/// Lists dead letters, latest first.
#[utoipa::path(
    get,
    path = "/api/v1/dead",
    tag = "dead letters",
    operation_id = "listDead",
    params(Filter),
    responses(
        (status = 200, description = "A page of them.", body = DeadPage),
        (status = 400, description = "`request_malformed`"),
    ),
)]
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    Params(filter): Params<Filter>,
) -> Result<Json<DeadPage>, Problem> {
    let query = filter.query(admin.now())?;
    let page = admin.params.store.dead_letters(query).await?;
    Ok(Json(DeadPage {
        dead: page.letters.into_iter().map(DeadLetter::new).collect(),
        next: page.next.as_ref().map(cursor::encode),
    }))
}

/// A dead letter with its request.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedLetter {
    #[serde(flatten)]
    letter: DeadLetter,
    /// The request, where it is kept.
    request: Option<StoredRequest>,
}

/// A request as it was received, less its credentials.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoredRequest {
    /// The method.
    method: String,
    /// The path, as sent.
    path: String,
    /// The query without its `?`.
    query: Option<String>,
    /// Names, in lower case, and values.
    headers: Vec<(String, String)>,
    /// The body.
    body: StoredBody,
}

/// A body: `text` where it is some, else `base64`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoredBody {
    /// The body as text.
    Text(String),
    /// The body in base 64.
    Base64(String),
}

impl StoredRequest {
    fn new(request: &Request) -> Self {
        let headers = request.headers.iter();
        let body = match str::from_utf8(&request.body) {
            Ok(text) => StoredBody::Text(text.to_owned()),
            Err(_) => StoredBody::Base64(STANDARD.encode(&request.body)),
        };
        Self {
            method: request.method.to_string(),
            path: request.path.to_string(),
            query: request.query.as_deref().map(str::to_owned),
            headers: headers
                .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
                .collect(),
            body,
        }
    }
}

/// Shows a dead letter with its request.
#[utoipa::path(
    get,
    path = "/api/v1/dead/{delivery}",
    tag = "dead letters",
    operation_id = "showDead",
    params(("delivery" = schema::DeliveryId, Path, description = "The dead letter.")),
    responses(
        (status = 200, description = "The letter.", body = OpenedLetter),
        (status = 404, description = "`dead_unknown`, `id_malformed`"),
    ),
)]
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<DeliveryId>,
) -> Result<Json<OpenedLetter>, Problem> {
    let opened = open(&admin, id).await?;
    Ok(Json(OpenedLetter {
        letter: DeadLetter::new(opened.letter),
        request: opened
            .message
            .map(|message| StoredRequest::new(&message.request)),
    }))
}

async fn open(admin: &Admin, id: DeliveryId) -> Result<Opened, Problem> {
    let opened = admin.params.store.dead_letter(id).await?;
    opened.ok_or_else(|| Error::NotFound(id).into())
}

/// Why a dead letter is taken off the list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discard {
    /// Why.
    #[schema(min_length = 1, max_length = 1024)]
    reason: String,
}

/// Takes a dead letter off the list, for a reason.
///
/// The delivery stays dead in its message's history.
#[utoipa::path(
    post,
    path = "/api/v1/dead/{delivery}/discard",
    tag = "dead letters",
    operation_id = "discardDead",
    params(("delivery" = schema::DeliveryId, Path, description = "The dead letter."), Actor),
    request_body = Discard,
    responses(
        (status = 204, description = "It is off the list."),
        (status = 400, description = "`request_malformed`"),
        (status = 404, description = "`dead_unknown`, `id_malformed`"),
        (status = 413, description = "`body_too_large`"),
    ),
)]
pub(crate) async fn discard(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<DeliveryId>,
    actor: Actor,
    Body(body): Body<Discard>,
) -> Result<StatusCode, Problem> {
    let reason = reason(&body.reason)?;
    if reason.is_empty() {
        return Err(malformed("`reason`: expected a text"));
    }
    let now = admin.now();
    let audit = actor.did(now, "dead.discard", &id, Some(reason));
    let store = &admin.params.store;
    store
        .discard(id, reason.to_owned(), Some(audit), now)
        .await?;
    tracing::info!(dead = %id, reason, "dead letter discarded");
    Ok(StatusCode::NO_CONTENT)
}
