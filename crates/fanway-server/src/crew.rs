//! The lanes that run: opened, changed and closed while the server runs.
//!
//! A lane that is to close finishes what is in flight, which takes as long as its attempts may;
//! until then its target can neither be opened anew nor be adopted by another. What is wanted and
//! what there is are compared each time that either has changed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fanway_dispatch::lane::DEFAULT_WINDOW;
use fanway_dispatch::{Clock, Lane, Metrics, Plans, Settings, Stopper, lane};
use fanway_store::{Error, Store};
use fanway_transform::evaluator::Evaluator;
use fanway_types::{DeliveryId, TargetName};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::group::{Ended, Group};
use crate::kept::Kept;
use crate::lanes::Lanes;

/// What lanes are made from.
pub(crate) struct Kit {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) plans: Plans,
    pub(crate) evaluator: Evaluator,
    pub(crate) crashed: HashSet<DeliveryId>,
    pub(crate) metrics: Metrics,
    /// Where lanes run, in turn.
    pub(crate) cores: Vec<Handle>,
}

/// All lanes.
pub(crate) struct Crew {
    kit: Kit,
    lanes: Lanes,
    wanted: BTreeMap<TargetName, Settings>,
    /// Targets of earlier configs, and who has what waits for them.
    adopted: BTreeMap<TargetName, TargetName>,
    open: BTreeMap<TargetName, Open>,
    tasks: Group,
    /// Lanes that were opened: the next one's core.
    dealt: usize,
}

/// A lane that runs.
struct Open {
    stopper: Stopper,
    is_closing: bool,
}

impl Crew {
    pub(crate) fn new(kit: Kit, lanes: Lanes) -> Self {
        Self {
            kit,
            lanes,
            wanted: BTreeMap::new(),
            adopted: BTreeMap::new(),
            open: BTreeMap::new(),
            tasks: Group::default(),
            dealt: 0,
        }
    }

    /// The plans that lanes needn't load.
    pub(crate) fn plans(&self) -> &Plans {
        &self.kit.plans
    }

    /// Changes the lanes to what is wanted: these targets, and that those named first are had by
    /// those named second. `kept` is for lanes that are opened.
    ///
    /// # Errors
    /// Where the store gives no lane: it is closed, or failed.
    pub(crate) fn change(
        &mut self,
        wanted: BTreeMap<TargetName, Settings>,
        adopted: BTreeMap<TargetName, TargetName>,
        kept: &Kept,
    ) -> Result<(), Error> {
        for (target, settings) in &wanted {
            if let Some(lane) = self.lanes.get(target) {
                lane.reconfigure(settings.clone());
            }
        }
        self.wanted = wanted;
        self.adopted = adopted;
        self.settle(kept)
    }

    /// Adds lanes to those that are wanted, and takes others off.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub(crate) fn change_some(
        &mut self,
        add: BTreeMap<TargetName, Settings>,
        remove: &[TargetName],
        kept: &Kept,
    ) -> Result<(), Error> {
        self.wanted.extend(add);
        self.wanted.retain(|target, _| !remove.contains(target));
        self.settle(kept)
    }

    /// Closes what isn't wanted, opens what is, and hands on what waits for targets of earlier
    /// configs, each as far as it can be done now.
    fn settle(&mut self, kept: &Kept) -> Result<(), Error> {
        for (target, open) in &mut self.open {
            if !self.wanted.contains_key(target) && !open.is_closing {
                tracing::info!(%target, "closing the lane");
                open.stopper.finish();
                open.is_closing = true;
            }
        }
        let missing: Vec<_> = self
            .wanted
            .iter()
            .filter(|(target, _)| !self.open.contains_key(*target))
            .map(|(target, settings)| (target.clone(), settings.clone()))
            .collect();
        for (target, settings) in missing {
            self.open(&target, settings, kept)?;
        }
        for (old, heir) in &self.adopted {
            if !self.open.contains_key(old) {
                self.kit.store.adopt(old, heir)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, target: &TargetName, settings: Settings, kept: &Kept) -> Result<(), Error> {
        let Kit {
            store,
            plans,
            evaluator,
            crashed,
            metrics,
            cores,
        } = &self.kit;
        let (lane, handle) = Lane::open(lane::Params {
            name: target.clone(),
            target: settings.target,
            counts: settings.counts,
            retry: settings.retry,
            breaker: settings.breaker,
            concurrency: settings.concurrency,
            rate: settings.rate,
            fallback: settings.fallback,
            control: kept.control(target),
            trouble: kept.trouble(target),
            window: DEFAULT_WINDOW,
            store: Arc::clone(store),
            plans: plans.clone(),
            evaluator: evaluator.clone(),
            crashed: crashed.clone(),
            metrics: metrics.lane(target),
            clock: Clock::system(),
            rng: rand::make_rng(),
        })?;
        let (stopper, shutdown) = fanway_dispatch::shutdown();
        let core = &cores[self.dealt % cores.len()];
        self.dealt += 1;
        let run = async move { Ok(lane.run(shutdown).await?) };
        self.tasks.spawn(part_of(target), run, core);
        self.lanes.add(handle);
        let open = Open {
            stopper,
            is_closing: false,
        };
        self.open.insert(target.clone(), open);
        Ok(())
    }

    /// Waits until a lane has ended, which is then to be [`closed`](Self::closed).
    pub(crate) async fn next(&mut self) -> Ended {
        self.tasks.next().await
    }

    /// Takes note of a lane that has ended; returns it back where it was not to.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub(crate) fn closed(&mut self, ended: Ended, kept: &Kept) -> Result<Option<Ended>, Error> {
        let of_part = |target: &&TargetName| part_of(target) == ended.name;
        let Some(target) = self.open.keys().find(of_part).cloned() else {
            return Ok(Some(ended));
        };
        let was_to_close = self
            .open
            .remove(&target)
            .is_some_and(|open| open.is_closing);
        self.lanes.remove(&target);
        if !was_to_close || ended.end.is_err() {
            return Ok(Some(ended));
        }
        tracing::info!(%target, "the lane is closed");
        self.settle(kept)?;
        Ok(None)
    }

    /// Ends all lanes: what is in flight may come home until the deadline, and is broken off then.
    /// Whatever then hasn't ended after `last` is dropped.
    pub(crate) async fn stop(mut self, deadline: Instant, last: Duration) {
        for open in self.open.values() {
            open.stopper.finish();
        }
        if self.tasks.all_ended(deadline).await {
            return;
        }
        let lanes = self.tasks.len();
        tracing::warn!(
            lanes,
            "attempts in flight are broken off, and made again after the next start"
        );
        for open in self.open.values() {
            open.stopper.abandon();
        }
        self.tasks.all_ended(Instant::now() + last).await;
    }
}

fn part_of(target: &TargetName) -> String {
    format!("lane {target}")
}
