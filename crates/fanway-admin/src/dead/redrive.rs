//! `/api/v1/dead/{delivery}/redrive`: a new delivery for one dead letter.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fanway_store::change::{Edited, Key, Redrive};
use fanway_store::dead::{Error, Letter};
use fanway_types::{ByteCount, DeliveryId, Message, MessageId, TargetName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::actor::Actor;
use crate::extract::{Body, Id, malformed};
use crate::problem::{Kind, Problem};
use crate::resolve::Run;
use crate::{Admin, schema};

/// The longest media type, in bytes.
const LONGEST_TYPE: usize = 255;

/// Which plan a redrive follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Follow {
    /// What the route does today: its step of the same name.
    #[default]
    Current,
    /// What it did when the message was accepted.
    Pinned,
}

/// How to redrive a dead letter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveOne {
    /// Which plan to follow. Notices always follow their own.
    #[serde(default)]
    plan: Follow,
    /// Another target to send it to.
    #[schema(value_type = Option<schema::Name>)]
    to: Option<TargetName>,
    /// A body in place of the message's: JSON, sent as it is written here.
    #[schema(value_type = Option<serde_json::Value>)]
    body: Option<Box<RawValue>>,
    /// A body in place of the message's: any bytes, in base 64.
    body_base64: Option<String>,
    /// The media type of the edited body; by default `application/json` for `body`, and for
    /// `body_base64` the message's own.
    #[schema(max_length = 255)]
    content_type: Option<String>,
    /// Whether the attempts carry an `Idempotency-Key` of their own. They do anyway where the
    /// body is edited.
    #[serde(default)]
    new_key: bool,
}

impl RedriveOne {
    /// The edited body, where there is one.
    fn edited(&self, largest: ByteCount) -> Result<Option<Edited>, Problem> {
        let (body, own_type) = match (&self.body, &self.body_base64) {
            (None, None) if self.content_type.is_some() => {
                return Err(malformed(
                    "`content_type`: only with `body` or `body_base64`",
                ));
            }
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(malformed("`body` and `body_base64`: one at most")),
            (Some(json), None) => {
                let json = Bytes::copy_from_slice(json.get().as_bytes());
                (json, Some("application/json"))
            }
            (None, Some(text)) => {
                let decoded = STANDARD.decode(text);
                let bytes = decoded.map_err(|_| malformed("`body_base64`: not base 64"))?;
                (bytes.into(), None)
            }
        };
        if u64::try_from(body.len()).is_ok_and(|size| size > largest.get()) {
            let detail = format!("the edited body is larger than {largest}");
            return Err(Problem::new(Kind::BodyTooLarge, detail));
        }
        let content_type = self.content_type.as_deref().map(media_type).transpose()?;
        let content_type = content_type.or(own_type).map(Box::from);
        Ok(Some(Edited { body, content_type }))
    }

    /// What is special about it, for the audit record.
    fn detail(&self) -> String {
        let to = self.to.as_ref().map(|to| format!("to {to}"));
        let is_edited = self.body.is_some() || self.body_base64.is_some();
        let parts = [
            to,
            (self.plan == Follow::Pinned).then(|| "pinned plan".to_owned()),
            is_edited.then(|| "edited body".to_owned()),
            self.new_key.then(|| "new key".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn media_type(text: &str) -> Result<&str, Problem> {
    let is_header = HeaderValue::from_str(text).is_ok();
    if is_header && text.contains('/') && text.len() <= LONGEST_TYPE {
        Ok(text)
    } else {
        Err(malformed("`content_type`: not a media type"))
    }
}

/// What a redrive made.
#[derive(Serialize, ToSchema)]
pub(crate) struct Redriven {
    /// The new delivery.
    #[schema(value_type = schema::DeliveryId)]
    delivery: DeliveryId,
    /// Its message.
    #[schema(value_type = schema::MessageId)]
    message: MessageId,
}

/// Makes a new delivery for a dead letter, with a budget of its own.
///
/// Its attempts carry the old delivery's `Idempotency-Key`, so that a target which has done its
/// work already can say so; but for an edited body, or with `new_key`, one of its own.
#[utoipa::path(
    post,
    path = "/api/v1/dead/{delivery}/redrive",
    tag = "dead letters",
    operation_id = "redriveDead",
    params(("delivery" = schema::DeliveryId, Path, description = "The dead letter."), Actor),
    request_body = Option<RedriveOne>,
    responses(
        (status = 202, description = "A new delivery was made.", body = Redriven,
            headers(("Location" = String, description = "The message."))),
        (status = 400, description = "`request_malformed`"),
        (status = 404, description = "`dead_unknown`, `id_malformed`"),
        (status = 409, description = "`request_not_kept`, `step_gone`, `target_gone`"),
        (status = 413, description = "`body_too_large`"),
        (status = 422, description = "`to_unknown`"),
    ),
)]
pub(crate) async fn redrive(
    State(admin): State<Arc<Admin>>,
    Id(id): Id<DeliveryId>,
    actor: Actor,
    Body(body): Body<RedriveOne>,
) -> Result<Response, Problem> {
    let edited = body.edited(admin.params.largest_body)?;
    let opened = super::open(&admin, id).await?;
    let message = opened.message.ok_or(Error::NoBody(id))?;
    let run = run(&admin, &opened.letter, &message, &body).await?;
    let redrive = Redrive {
        old: id,
        plan: run.plan,
        step: run.step,
        key: if body.new_key || edited.is_some() {
            Key::New
        } else {
            Key::Kept
        },
        body: edited,
    };
    let now = admin.now();
    let audit = actor.did(now, "dead.redrive", &id, Some(&body.detail()));
    let store = &admin.params.store;
    let mut redriven = store.redrive(vec![redrive], None, Some(audit), now).await?;
    let delivery = redriven.pop().ok_or(Error::NotFound(id))??;
    tracing::info!(dead = %id, %delivery, "dead letter redriven");
    let location = format!("/api/v1/messages/{}", message.id);
    let redriven = Redriven {
        delivery,
        message: message.id,
    };
    let headers = [(header::LOCATION, location)];
    Ok((StatusCode::ACCEPTED, headers, Json(redriven)).into_response())
}

/// The step that the new delivery runs.
async fn run(
    admin: &Admin,
    letter: &Letter,
    message: &Message,
    wanted: &RedriveOne,
) -> Result<Run, Problem> {
    let resolver = admin.resolver(wanted.to.as_ref());
    resolver.check()?;
    let is_pinned =
        wanted.plan == Follow::Pinned || resolver.is_notice(message, &letter.step).await?;
    let run = if is_pinned {
        resolver.pinned(message, letter.delivery.step).await?
    } else {
        resolver.today(&letter.route, &letter.step).await?
    };
    Ok(run)
}
