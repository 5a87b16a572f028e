//! Deliveries during whose evaluation the process died: which of them are to be given up.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use fanway_store::lookup::Found;
use fanway_store::{Error, Store};
use fanway_transform::slots::{STRIKES_LIMIT, SlotFile};
use fanway_types::DeliveryId;

/// Where running evaluations are noted in a data folder.
const FILE: &str = "evaluating";

/// Opens the notes in a data folder, with the deliveries that have a strike.
pub(crate) fn open(folder: &Path) -> io::Result<(SlotFile, Vec<(DeliveryId, u8)>)> {
    SlotFile::open(&folder.join(FILE))
}

/// Strikes out deliveries that have ended since, and returns those to be given up.
pub(crate) async fn settle(
    slots: &SlotFile,
    struck: Vec<(DeliveryId, u8)>,
    store: &dyn Store,
) -> Result<HashSet<DeliveryId>, Error> {
    let mut crashed = HashSet::new();
    for (delivery, strikes) in struck {
        if !is_open(store, delivery).await? {
            slots.forget(delivery);
        } else if strikes >= STRIKES_LIMIT {
            tracing::warn!(%delivery, strikes, "given up: the process died while it was evaluated");
            crashed.insert(delivery);
        }
    }
    Ok(crashed)
}

/// Whether a delivery hasn't ended.
async fn is_open(store: &dyn Store, delivery: DeliveryId) -> Result<bool, Error> {
    let Found::Message(message) = store.message(delivery.message).await? else {
        return Ok(false);
    };
    let mut deliveries = message.deliveries.iter();
    Ok(deliveries.any(|view| view.id == delivery && !view.state.has_ended()))
}
