//! Targets that messages still wait for but the config no longer has: found at start and then
//! every minute, and told to whoever asks whether the server is ready.

use std::sync::Arc;
use std::time::Duration;

use fanway_admin::Readiness;
use fanway_store::{Backlog, Error, Store};
use fanway_types::TargetName;

use crate::lanes::Lanes;

const EVERY: Duration = Duration::from_secs(60);

/// Looks for orphans until it is dropped.
pub(crate) async fn watch(store: Arc<dyn Store>, lanes: Lanes, readiness: Readiness) {
    loop {
        tokio::time::sleep(EVERY).await;
        match find(&*store, &lanes).await {
            Ok(orphans) => readiness.set_orphans(orphans),
            Err(error) => tracing::warn!(%error, "what waits for targets can't be counted"),
        }
    }
}

/// What waits for targets that have no lane, and aren't origins of callbacks: those wait their turn.
pub(crate) async fn find(store: &dyn Store, lanes: &Lanes) -> Result<Vec<Backlog>, Error> {
    let mut waiting = store.backlog().await?;
    let origins = store.origins();
    let is_origin = |target: &TargetName| origins.iter().any(|origin| origin.target == *target);
    waiting.retain(|waiting| {
        let target = &waiting.target;
        waiting.pending > 0 && lanes.get(target).is_none() && !is_origin(target)
    });
    Ok(waiting)
}
