//! Lanes for the origins of callbacks that senders named: opened when something waits for one, and
//! no more at a time than the config says. Beyond that, one that has nothing to do makes room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanway_config::Config;
use fanway_dispatch::Settings;
use fanway_dispatch::handle::Snapshot;
use fanway_store::notice::CallbackOrigin;
use fanway_store::{Backlog, Error, Store};
use fanway_types::TargetName;
use tokio::time::{Duration, Instant};

use crate::outward::Outward;
use crate::parts;
use crate::start::StartError;

/// How often it is counted what waits, where there are more origins than lanes.
const COUNT: Duration = Duration::from_secs(5);

/// The origins that have lanes.
#[derive(Default)]
pub(crate) struct Origins {
    open: BTreeMap<TargetName, String>,
    counted: Option<Instant>,
}

/// What is to be changed.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) add: BTreeMap<TargetName, Settings>,
    pub(crate) remove: Vec<TargetName>,
}

impl Changes {
    pub(crate) fn is_nothing(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

impl Origins {
    /// The targets' settings, and those of the origins that have lanes, under this config.
    ///
    /// # Errors
    /// Where an origin can't be called as it is configured.
    pub(crate) fn with(
        &mut self,
        config: &Config,
        outward: &Outward,
        mut targets: BTreeMap<TargetName, Settings>,
    ) -> Result<BTreeMap<TargetName, Settings>, StartError> {
        while self.open.len() > config.callbacks.origins.get() {
            self.open.pop_last();
        }
        for (target, origin) in &self.open {
            let settings = parts::origin(&config.callbacks, target, origin, outward)?;
            targets.insert(target.clone(), settings);
        }
        Ok(targets)
    }

    /// Looks for origins that want a lane. `snapshot` tells where an open one stands.
    ///
    /// # Errors
    /// Where the store failed.
    pub(crate) async fn look(
        &mut self,
        config: &Config,
        outward: &Outward,
        store: &Arc<dyn Store>,
        snapshot: impl Fn(&TargetName) -> Option<Snapshot>,
    ) -> Result<Changes, Error> {
        let known = store.origins();
        if known.len() == self.open.len() {
            return Ok(Changes::default());
        }
        let limit = config.callbacks.origins.get();
        if known.len() <= limit {
            return Ok(self.change(config, outward, known, Vec::new()));
        }
        if self.counted.is_some_and(|at| at.elapsed() < COUNT) {
            return Ok(Changes::default());
        }
        self.counted = Some(Instant::now());
        let waiting = waiting(store.backlog().await?);
        let idle = |target: &TargetName| {
            let rests = |lane: Snapshot| lane.in_flight == 0 && lane.waiting == 0;
            !waiting.contains(target) && snapshot(target).is_none_or(rests)
        };
        let wants = |origin: &CallbackOrigin| {
            waiting.contains(&origin.target) && !self.open.contains_key(&origin.target)
        };
        let mut add: Vec<_> = known.into_iter().filter(wants).collect();
        let needed = (self.open.len() + add.len()).saturating_sub(limit);
        let remove: Vec<_> = self
            .open
            .keys()
            .filter(|target| idle(target))
            .cloned()
            .collect();
        let remove: Vec<_> = remove.into_iter().take(needed).collect();
        add.truncate(limit - (self.open.len() - remove.len()));
        Ok(self.change(config, outward, add, remove))
    }

    fn change(
        &mut self,
        config: &Config,
        outward: &Outward,
        add: Vec<CallbackOrigin>,
        remove: Vec<TargetName>,
    ) -> Changes {
        for target in &remove {
            self.open.remove(target);
        }
        let mut added = BTreeMap::new();
        for CallbackOrigin { target, origin } in add {
            if self.open.contains_key(&target) {
                continue;
            }
            match parts::origin(&config.callbacks, &target, &origin, outward) {
                Ok(settings) => {
                    added.insert(target.clone(), settings);
                    self.open.insert(target, origin);
                }
                Err(error) => {
                    tracing::error!(%origin, %error, "callbacks to an origin can't be made");
                }
            }
        }
        Changes { add: added, remove }
    }
}

fn waiting(backlog: Vec<Backlog>) -> BTreeSet<TargetName> {
    let waiting = backlog.into_iter().filter(|waiting| waiting.pending > 0);
    waiting.map(|waiting| waiting.target).collect()
}
