//! `/api/v1/targets`: where each target's lane stands, and what waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use fanway_dispatch::handle::Snapshot;
use fanway_store::Backlog;
use fanway_types::{HeldBy, TargetName};
use serde_json::{Value, json};

use crate::Admin;
use crate::problem::Problem;

/// All targets: those of the config, and those that only messages know of.
pub(crate) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Problem> {
    let backlog = admin.backlog().await?;
    let targets: Vec<Value> = backlog
        .values()
        .map(|waiting| match admin.snapshot(&waiting.target) {
            Some(lane) => target(waiting, &lane),
            None => gone(waiting),
        })
        .collect();
    Ok(Json(json!({"targets": targets})))
}

fn target(waiting: &Backlog, lane: &Snapshot) -> Value {
    let state = lane.held_by.map_or("running", |_| "held");
    json!({
        "target": waiting.target,
        "state": state,
        "held_by": lane.held_by,
        "held_until": lane.held_until,
        "breaker": lane.breaker.as_str(),
        "in_flight": lane.in_flight,
        "pending": waiting.pending,
        "oldest": waiting.oldest,
        "dead": waiting.dead,
    })
}

/// A target that the config doesn't have: nothing is sent to it.
fn gone(waiting: &Backlog) -> Value {
    let held_by = (waiting.pending > 0).then_some(HeldBy::Target);
    json!({
        "target": waiting.target,
        "state": "gone",
        "held_by": held_by,
        "held_until": null,
        "breaker": null,
        "in_flight": 0,
        "pending": waiting.pending,
        "oldest": waiting.oldest,
        "dead": waiting.dead,
    })
}

/// What waits for each target, those included that nothing waits for.
pub(crate) fn by_target<'a>(
    targets: impl Iterator<Item = &'a TargetName>,
    backlog: Vec<Backlog>,
) -> BTreeMap<TargetName, Backlog> {
    let idle = targets.map(|target| Backlog {
        target: target.clone(),
        pending: 0,
        oldest: None,
        dead: 0,
    });
    idle.chain(backlog)
        .map(|waiting| (waiting.target.clone(), waiting))
        .collect()
}
