//! Where the lanes stand at one moment, and what that holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanway_dispatch::endpoints::View;
use fanway_dispatch::handle::Snapshot;
use fanway_types::{HeldBy, TargetName};

use crate::Admin;
use crate::current::LaneView;

/// The lanes at one moment.
pub(crate) struct Standing {
    lanes: BTreeMap<TargetName, Arc<dyn LaneView>>,
    /// The origins that senders have named, by their lanes' names.
    origins: BTreeMap<TargetName, String>,
}

impl Standing {
    pub(crate) fn now(admin: &Admin) -> Self {
        let origins = admin.params.store.origins().into_iter();
        Self {
            lanes: admin.params.lanes.all().into_iter().collect(),
            origins: origins
                .map(|origin| (origin.target, origin.origin))
                .collect(),
        }
    }

    /// The targets that have lanes.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &TargetName> {
        self.lanes.keys()
    }

    /// Where a target's lane stands, where it has one.
    pub(crate) fn snapshot(&self, target: &TargetName) -> Option<Snapshot> {
        self.lanes.get(target).map(|lane| lane.snapshot())
    }

    /// Where a target's endpoints stand, where it has more than one address.
    pub(crate) fn endpoints(&self, target: &TargetName) -> Vec<View> {
        let lane = self.lanes.get(target);
        lane.map_or_else(Vec::new, |lane| lane.endpoints())
    }

    /// The origin that the target stands for, where a sender has named it.
    pub(crate) fn origin(&self, target: &TargetName) -> Option<&str> {
        self.origins.get(target).map(String::as_str)
    }

    /// What holds all that waits for a target.
    pub(crate) fn held_by(&self, target: &TargetName) -> Option<HeldBy> {
        match self.snapshot(target) {
            Some(lane) => lane.held_by,
            // So many lanes to origins are open at a time, and it waits for one.
            None if self.origins.contains_key(target) => Some(HeldBy::Limit),
            None => Some(HeldBy::Target),
        }
    }
}
