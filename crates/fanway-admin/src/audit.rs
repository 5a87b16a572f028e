//! `/api/v1/audit`: who changed what, when.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use fanway_store::change::Audit;
use fanway_types::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cursor::{self, Page};
use crate::extract::Params;
use crate::problem::Problem;
use crate::{Admin, schema};

/// A page of audit records, latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The records.
    audit: Vec<AuditRecord>,
    /// The `cursor` of the next page, where there is one.
    next: Option<String>,
}

/// A record of a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditRecord {
    /// Its number, which counts up.
    number: u64,
    /// When.
    #[schema(value_type = schema::Time)]
    at: Timestamp,
    /// Who, as far as it is known: what the request named, or where it came from.
    actor: String,
    /// What was done: a stable word.
    #[schema(example = "target.pause")]
    action: String,
    /// To what: an id or a name.
    subject: String,
    /// More about it, for people.
    detail: Option<String>,
}

impl AuditRecord {
    fn new(number: u64, audit: &Audit) -> Self {
        Self {
            number,
            at: audit.at,
            actor: audit.actor.as_ref().to_owned(),
            action: audit.action.as_ref().to_owned(),
            subject: audit.subject.as_ref().to_owned(),
            detail: audit.detail.as_deref().map(str::to_owned),
        }
    }
}

/// Lists audit records, latest first: one for each change.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "server",
    operation_id = "listAudit",
    params(Page),
    responses(
        (status = 200, description = "A page of them.", body = AuditPage),
        (status = 400, description = "`request_malformed`"),
    ),
)]
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    Params(page): Params<Page>,
) -> Result<Json<AuditPage>, Problem> {
    let (limit, below) = page.place()?;
    let page = admin.params.store.audit(below, limit).await?;
    let records = page.records.iter();
    Ok(Json(AuditPage {
        audit: records
            .map(|(number, audit)| AuditRecord::new(*number, audit))
            .collect(),
        next: page.next.as_ref().map(cursor::encode),
    }))
}
