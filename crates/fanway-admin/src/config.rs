//! `/api/v1/config`: which config is in use, putting another one to use, and going back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use fanway_types::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::Actor;
use crate::problem::{Kind, Problem};
use crate::steering::{Generation, Previous, Refused, RollbackError};
use crate::{Admin, schema};

/// The config that is in use.
#[derive(Serialize, ToSchema)]
pub(crate) struct Config {
    /// 1 at start, counted up each time that a config is put to use.
    generation: u64,
    /// Stands for all that was read.
    fingerprint: String,
    /// When it was put to use.
    #[schema(value_type = schema::Time)]
    loaded_at: Timestamp,
    /// The files that it was read from.
    files: Vec<String>,
    /// What a rollback goes back to.
    previous: Option<Earlier>,
    /// The last reload, where it was refused.
    refused: Option<RefusedReload>,
}

/// A config that was in use before.
#[derive(Serialize, ToSchema)]
pub(crate) struct Earlier {
    /// Its number.
    generation: u64,
    /// Stands for all that was read.
    fingerprint: String,
    /// When it was put to use.
    #[schema(value_type = schema::Time)]
    loaded_at: Timestamp,
}

/// A reload that was refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedReload {
    /// When.
    #[schema(value_type = schema::Time)]
    at: Timestamp,
    /// All that is wrong with what was read.
    errors: Vec<String>,
}

impl From<Previous> for Earlier {
    fn from(previous: Previous) -> Self {
        Self {
            generation: previous.number,
            fingerprint: previous.fingerprint,
            loaded_at: previous.loaded_at,
        }
    }
}

impl Config {
    fn new(generation: Generation, refused: Option<Refused>) -> Self {
        Self {
            generation: generation.number,
            fingerprint: generation.fingerprint,
            loaded_at: generation.loaded_at,
            files: generation.files,
            previous: generation.previous.map(Earlier::from),
            refused: refused.map(|refused| RefusedReload {
                at: refused.at,
                errors: refused.errors,
            }),
        }
    }
}

/// Shows which config is in use.
#[utoipa::path(
    get,
    path = "/api/v1/config",
    tag = "config",
    operation_id = "showConfig",
    responses((status = 200, description = "The config.", body = Config)),
)]
pub(crate) async fn show(State(admin): State<Arc<Admin>>) -> Json<Config> {
    let steering = &admin.params.steering;
    Json(Config::new(steering.current(), steering.refused()))
}

/// Reads the config's files again and puts them to use, where nothing is wrong with them.
///
/// Requests in progress and attempts in flight finish under the config that they began with.
#[utoipa::path(
    post,
    path = "/api/v1/config/reload",
    tag = "config",
    operation_id = "reloadConfig",
    params(Actor),
    responses(
        (status = 200, description = "The config that is in use now.", body = Config),
        (status = 422, description = "`config_refused`; nothing has changed"),
    ),
)]
pub(crate) async fn reload(
    State(admin): State<Arc<Admin>>,
    actor: Actor,
) -> Result<Json<Config>, Problem> {
    let reloaded = admin.params.steering.reload().await;
    let generation = reloaded.map_err(Problem::of_config)?;
    note(&admin, &actor, "config.reload", &generation).await?;
    Ok(Json(Config::new(generation, None)))
}

/// Puts the config to use again that was in use before.
#[utoipa::path(
    post,
    path = "/api/v1/config/rollback",
    tag = "config",
    operation_id = "rollBackConfig",
    params(Actor),
    responses(
        (status = 200, description = "The config that is in use now.", body = Config),
        (status = 409, description = "`no_previous_config`"),
        (status = 422, description = "`config_refused`; nothing has changed"),
    ),
)]
pub(crate) async fn roll_back(
    State(admin): State<Arc<Admin>>,
    actor: Actor,
) -> Result<Json<Config>, Problem> {
    let steering = &admin.params.steering;
    let generation = steering.rollback().await.map_err(|error| match error {
        RollbackError::NoPrevious => Problem::from(Kind::NoPreviousConfig),
        RollbackError::Refused(errors) => Problem::of_config(errors),
    })?;
    note(&admin, &actor, "config.rollback", &generation).await?;
    Ok(Json(Config::new(generation, steering.refused())))
}

/// Keeps a record of what has happened to the config.
async fn note(
    admin: &Admin,
    actor: &Actor,
    action: &str,
    generation: &Generation,
) -> Result<(), Problem> {
    let (number, fingerprint) = (generation.number, &generation.fingerprint);
    tracing::info!(
        action,
        generation = number,
        fingerprint,
        "config put to use"
    );
    let audit = actor.did(admin.now(), action, &number, Some(fingerprint));
    Ok(admin.params.store.note(audit).await?)
}
