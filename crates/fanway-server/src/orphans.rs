//! Targets that messages still wait for but the config no longer has: found at start and then
//! every minute, and told to whoever asks whether the server is ready.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fanway_admin::Readiness;
use fanway_store::{Backlog, Error, Store};
use fanway_types::TargetName;

const EVERY: Duration = Duration::from_secs(60);

/// Looks for orphans until it is dropped.
pub(crate) async fn watch(
    store: Arc<dyn Store>,
    targets: BTreeSet<TargetName>,
    readiness: Readiness,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        match find(&*store, &targets).await {
            Ok(orphans) => readiness.set_orphans(orphans),
            Err(error) => tracing::warn!(%error, "what waits for targets can't be counted"),
        }
    }
}

/// What waits for targets that aren't among these.
pub(crate) async fn find(
    store: &dyn Store,
    targets: &BTreeSet<TargetName>,
) -> Result<Vec<Backlog>, Error> {
    let mut waiting = store.backlog().await?;
    waiting.retain(|waiting| waiting.pending > 0 && !targets.contains(&waiting.target));
    Ok(waiting)
}
