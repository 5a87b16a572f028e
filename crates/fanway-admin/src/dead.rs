//! `/api/v1/dead`: dead letters, listed, shown, redriven and discarded.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_store::dead::{Letter, Opened, Query};
use fanway_store::{Redrive, dead};
use fanway_types::{DeliveryId, Message, Plan, Request, RouteName, TargetName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Admin;
use crate::cursor;
use crate::extract::{Body, Id, Params, malformed};
use crate::problem::{Kind, Problem};

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 500;
const LONGEST_REASON: usize = 1024;

/// Which dead letters to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    target: Option<TargetName>,
    route: Option<RouteName>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of dead letters, latest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Value>, Problem> {
    let page = admin.params.store.dead_letters(query(filter)?).await?;
    let letters: Vec<Value> = page.letters.iter().map(letter).collect();
    Ok(Json(
        json!({"dead": letters, "next": page.next.map(cursor::encode)}),
    ))
}

fn query(filter: Filter) -> Result<Query, Problem> {
    let limit = filter.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(malformed(format!("`limit`: expected 1 to {MOST}")));
    }
    let place = |text: &String| {
        cursor::decode(text).ok_or_else(|| malformed("`cursor`: not one that a page has given"))
    };
    Ok(Query {
        target: filter.target,
        route: filter.route,
        after: filter.cursor.as_ref().map(place).transpose()?,
        limit,
    })
}

/// One dead letter with its request.
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<DeliveryId>,
) -> Result<Json<Value>, Problem> {
    let opened = open(&admin, id).await?;
    let mut view = letter(&opened.letter);
    view["request"] = opened
        .message
        .map_or(Value::Null, |message| request(&message.request));
    Ok(Json(view))
}

/// Which plan a redrive follows.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Follow {
    /// What the route does today.
    #[default]
    Current,
    /// What it did when the message was accepted.
    Pinned,
}

/// How to redrive.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveBody {
    #[serde(default)]
    plan: Follow,
}

/// Makes a new delivery for a dead letter.
pub(crate) async fn redrive(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<DeliveryId>,
    Body(body): Body<RedriveBody>,
) -> Result<Response, Problem> {
    let opened = open(&admin, id).await?;
    let message = opened.message.ok_or(dead::Error::NoBody(id))?;
    let redrive = match body.plan {
        Follow::Current => current(&admin, &opened.letter)?,
        Follow::Pinned => pinned(&admin, &opened.letter, &message).await?,
    };
    let delivery = admin
        .params
        .store
        .redrive(redrive, (admin.params.clock)())
        .await?;
    tracing::info!(dead = %id, %delivery, "dead letter redriven");
    let body = json!({"delivery": delivery.to_string(), "message": message.id.to_string()});
    let location = format!("/api/v1/messages/{}", message.id);
    Ok((
        StatusCode::ACCEPTED,
        [(header::LOCATION, location)],
        Json(body),
    )
        .into_response())
}

/// Why a dead letter is taken off the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscardBody {
    #[serde(default)]
    reason: String,
}

/// Takes a dead letter off the list.
pub(crate) async fn discard(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<DeliveryId>,
    Body(body): Body<DiscardBody>,
) -> Result<StatusCode, Problem> {
    let reason = body.reason.trim();
    if reason.is_empty() || reason.len() > LONGEST_REASON {
        return Err(malformed(format!(
            "`reason`: expected a text of 1 to {LONGEST_REASON} bytes"
        )));
    }
    admin
        .params
        .store
        .discard(id, reason.to_owned(), (admin.params.clock)())
        .await?;
    tracing::info!(dead = %id, reason, "dead letter discarded");
    Ok(StatusCode::NO_CONTENT)
}

async fn open(admin: &Admin, id: DeliveryId) -> Result<Opened, Problem> {
    let opened = admin.params.store.dead_letter(id).await?;
    opened.ok_or_else(|| dead::Error::NotFound(id).into())
}

/// The step of the same name in what the route does today.
fn current(admin: &Admin, letter: &Letter) -> Result<Redrive, Problem> {
    let (route, name) = (&letter.route, &letter.step);
    let gone = |detail| Problem::new(Kind::StepGone, detail);
    let plan = admin
        .params
        .plans
        .get(route)
        .ok_or_else(|| gone(format!("the config has no route `{route}` any more")))?;
    let step = step_of(plan, letter)
        .ok_or_else(|| gone(format!("route `{route}` has no step `{name}` any more")))?;
    Ok(Redrive {
        dead: letter.delivery,
        plan: plan.hash(),
        step,
    })
}

/// The step in the plan that the message was accepted with.
async fn pinned(admin: &Admin, letter: &Letter, message: &Message) -> Result<Redrive, Problem> {
    let plan = admin
        .params
        .store
        .plan(message.plan)
        .await?
        .ok_or(dead::Error::NoStep)?;
    let step = letter.delivery.step;
    let target = plan
        .steps
        .get(usize::from(step))
        .map(|step| &step.target)
        .ok_or(dead::Error::NoStep)?;
    if !admin.params.lanes.contains_key(target) {
        let detail = format!("the config has no target `{target}` any more");
        return Err(Problem::new(Kind::TargetGone, detail));
    }
    Ok(Redrive {
        dead: letter.delivery,
        plan: message.plan,
        step,
    })
}

fn step_of(plan: &Plan, letter: &Letter) -> Option<u16> {
    let index = plan
        .steps
        .iter()
        .position(|step| step.name == letter.step)?;
    u16::try_from(index).ok()
}

fn letter(letter: &Letter) -> Value {
    json!({
        "id": letter.delivery.to_string(),
        "message": letter.delivery.message.to_string(),
        "route": letter.route,
        "step": letter.step,
        "target": letter.target,
        "reason": letter.reason,
        "detail": letter.detail,
        "last_status": letter.status,
        "attempts": letter.attempts,
        "died_at": letter.died_at,
        "size": letter.size.get(),
    })
}

/// A stored request: the body as text where it is some, in base 64 otherwise.
fn request(request: &Request) -> Value {
    let headers: Vec<(&str, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned()))
        .collect();
    let body = match str::from_utf8(&request.body) {
        Ok(text) => json!({"text": text}),
        Err(_) => json!({"base64": STANDARD.encode(&request.body)}),
    };
    json!({
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "body": body,
    })
}
