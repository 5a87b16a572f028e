//! `/api/v1/messages`: what an operator sees of a message, and calling it off.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fanway_store::change::CancelError;
use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, HeldBy, MessageId, MessageState, RouteName, StepName,
    TargetName, Timestamp,
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use crate::actor::Actor;
use crate::extract::Id;
use crate::problem::{Kind, Problem};
use crate::standing::Standing;
use crate::{Admin, schema};

/// How long a cancellation waits for attempts in flight.
const PATIENCE: Duration = Duration::from_secs(1);

/// A message and its deliveries, with reasons and what targets answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Message {
    /// The message.
    #[schema(value_type = schema::MessageId)]
    id: MessageId,
    /// The route that accepted it.
    #[schema(value_type = schema::Name)]
    route: RouteName,
    /// Where it stands.
    #[schema(value_type = schema::MessageWord)]
    state: MessageState,
    /// When it was accepted.
    #[schema(value_type = schema::Time)]
    received_at: Timestamp,
    /// When the last of its deliveries ended, where all have.
    #[schema(value_type = Option<schema::Time>)]
    ended_at: Option<Timestamp>,
    /// Each step's latest delivery, in the order of the plan it was accepted with.
    deliveries: Vec<Delivery>,
}

/// A delivery.
#[derive(Serialize, ToSchema)]
pub(crate) struct Delivery {
    /// The delivery.
    #[schema(value_type = schema::DeliveryId)]
    id: DeliveryId,
    /// Its step.
    #[schema(value_type = schema::Name)]
    step: StepName,
    /// Its target.
    #[schema(value_type = schema::Name)]
    target: TargetName,
    /// The target of its step, where a fallback has it in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    fallback_of: Option<TargetName>,
    /// Whether its failure fails the message.
    critical: bool,
    /// Where it stands.
    #[schema(value_type = schema::DeliveryWord)]
    state: DeliveryState,
    /// What holds the target's lane, where anything does and it hasn't ended.
    #[schema(value_type = Option<schema::HeldWord>)]
    held_by: Option<HeldBy>,
    /// Attempts made.
    attempts: u32,
    /// The status code of the last answer.
    last_status: Option<u16>,
    /// When its state was last recorded.
    #[schema(value_type = Option<schema::Time>)]
    last_at: Option<Timestamp>,
    /// When it is due again.
    #[schema(value_type = Option<schema::Time>)]
    next_attempt_at: Option<Timestamp>,
    /// Why it is dead.
    #[schema(value_type = Option<schema::ReasonWord>)]
    reason: Option<DeadReason>,
    /// The error, or the beginning of the target's answer.
    detail: Option<String>,
}

impl Message {
    fn new(admin: &Admin, view: MessageView) -> Self {
        let standing = Standing::now(admin);
        let deliveries = view.deliveries.into_iter();
        Self {
            id: view.id,
            route: view.route,
            state: view.state,
            received_at: view.id.timestamp(),
            ended_at: view.ended_at,
            deliveries: deliveries
                .map(|delivery| Delivery::new(&standing, delivery))
                .collect(),
        }
    }
}

impl Delivery {
    fn new(standing: &Standing, view: DeliveryView) -> Self {
        let held_by = if view.state.has_ended() {
            None
        } else if view.in_line {
            Some(HeldBy::Order)
        } else {
            standing.held_by(&view.target)
        };
        Self {
            id: view.id,
            step: view.step,
            target: view.target,
            fallback_of: view.fallback_of,
            critical: view.critical,
            state: view.state,
            held_by,
            attempts: view.attempts,
            last_status: view.status,
            last_at: view.at,
            next_attempt_at: view.due,
            reason: view.reason,
            detail: view.detail.as_deref().map(str::to_owned),
        }
    }
}

/// Shows a message and its deliveries.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{message}",
    tag = "messages",
    operation_id = "showMessage",
    params(("message" = schema::MessageId, Path, description = "The message.")),
    responses(
        (status = 200, description = "The message.", body = Message),
        (status = 404, description = "`message_unknown`, `id_malformed`"),
        (status = 410, description = "`message_expired`"),
    ),
)]
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<MessageId>,
) -> Result<Json<Message>, Problem> {
    let view = find(&admin, id).await?;
    Ok(Json(Message::new(&admin, view)))
}

/// Calls a message off.
///
/// What is delivered stays delivered, and an attempt in flight decides how its delivery ends. A
/// message that has been called off before is answered as it stands.
#[utoipa::path(
    delete,
    path = "/api/v1/messages/{message}",
    tag = "messages",
    operation_id = "cancelMessage",
    params(("message" = schema::MessageId, Path, description = "The message."), Actor),
    responses(
        (status = 200, description = "The message, which has ended.", body = Message),
        (status = 202, description = "The message; attempts in flight still decide.", body = Message),
        (status = 404, description = "`message_unknown`, `id_malformed`"),
        (status = 409, description = "`message_ended`"),
        (status = 410, description = "`message_expired`"),
    ),
)]
pub(crate) async fn cancel(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<MessageId>,
    actor: Actor,
) -> Result<(StatusCode, Json<Message>), Problem> {
    let now = admin.now();
    let audit = actor.did(now, "message.cancel", &id, None);
    match admin.params.store.cancel(id, Some(audit), now).await {
        Ok(()) => tracing::info!(message = %id, "message called off"),
        Err(ended @ CancelError::Ended(_)) => {
            let view = find(&admin, id).await?;
            if view.state != MessageState::Cancelled {
                return Err(ended.into());
            }
        }
        // One that is no longer kept has been there.
        Err(unknown @ CancelError::NotFound(_)) => {
            find(&admin, id).await?;
            return Err(unknown.into());
        }
        Err(error) => return Err(error.into()),
    }
    let view = settled(&admin, id, Instant::now() + PATIENCE).await?;
    let status = if view.state.has_ended() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(Message::new(&admin, view))))
}

/// The message when it has ended, or as it stands at the deadline.
async fn settled(admin: &Admin, id: MessageId, deadline: Instant) -> Result<MessageView, Problem> {
    loop {
        let changed = admin.params.store.changed(id);
        let view = find(admin, id).await?;
        if view.state.has_ended() || timeout_at(deadline, changed).await.is_err() {
            return Ok(view);
        }
    }
}

async fn find(admin: &Admin, id: MessageId) -> Result<MessageView, Problem> {
    match admin.params.store.message(id).await? {
        Found::Message(view) => Ok(view),
        Found::Unknown => Err(Kind::MessageUnknown.into()),
        Found::Expired => Err(Kind::MessageExpired.into()),
    }
}
