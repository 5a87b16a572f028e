//! `/api/v1/messages`: what an operator sees of a message.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{HeldBy, MessageId};
use serde_json::{Value, json};

use crate::Admin;
use crate::extract::Id;
use crate::problem::{Kind, Problem};

/// A message and its deliveries, with reasons and what targets answered.
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<MessageId>,
) -> Result<Json<Value>, Problem> {
    match admin.params.store.message(id).await? {
        Found::Message(view) => Ok(Json(message(&admin, &view))),
        Found::Unknown => Err(Kind::MessageUnknown.into()),
        Found::Expired => Err(Kind::MessageExpired.into()),
    }
}

fn message(admin: &Admin, view: &MessageView) -> Value {
    let deliveries: Vec<Value> = view
        .deliveries
        .iter()
        .map(|view| delivery(view, held_by(admin, view)))
        .collect();
    json!({
        "id": view.id.to_string(),
        "route": view.route,
        "state": view.state,
        "received_at": view.id.timestamp(),
        "ended_at": view.ended_at,
        "deliveries": deliveries,
    })
}

/// What holds a delivery that is to be attempted.
fn held_by(admin: &Admin, view: &DeliveryView) -> Option<HeldBy> {
    if view.state.has_ended() {
        return None;
    }
    match admin.snapshot(&view.target) {
        Some(lane) => lane.held_by,
        None => Some(HeldBy::Target),
    }
}

fn delivery(view: &DeliveryView, held_by: Option<HeldBy>) -> Value {
    json!({
        "id": view.id.to_string(),
        "step": view.step,
        "target": view.target,
        "critical": view.critical,
        "state": view.state,
        "held_by": held_by,
        "attempts": view.attempts,
        "last_status": view.status,
        "last_at": view.at,
        "next_attempt_at": view.due,
        "reason": view.reason,
        "detail": view.detail,
    })
}
