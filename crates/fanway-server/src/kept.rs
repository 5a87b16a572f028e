//! What the store keeps of targets, for lanes that are opened.

use fanway_store::change::Control;
use fanway_store::trouble::Trouble;
use fanway_store::{Error, Store};
use fanway_types::TargetName;

/// What is kept, of targets of which anything is.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    controls: Vec<(TargetName, Control)>,
    troubles: Vec<(TargetName, Trouble)>,
}

impl Kept {
    /// Reads it.
    ///
    /// # Errors
    /// Where the store failed or was closed.
    pub(crate) async fn read(store: &dyn Store) -> Result<Self, Error> {
        Ok(Self {
            controls: store.controls().await?,
            troubles: store.troubles().await?,
        })
    }

    /// What an operator has set for a target.
    pub(crate) fn control(&self, target: &TargetName) -> Control {
        let set = self.controls.iter().find(|(named, _)| named == target);
        set.map(|(_, control)| control.clone()).unwrap_or_default()
    }

    /// What isn't well with a target.
    pub(crate) fn trouble(&self, target: &TargetName) -> Trouble {
        let kept = self.troubles.iter().find(|(named, _)| named == target);
        kept.map(|(_, trouble)| *trouble).unwrap_or_default()
    }
}
