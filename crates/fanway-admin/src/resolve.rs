//! Which step of which plan a redrive runs.
//!
//! It follows what the route does today, by the step's name; or the plan that the message was
//! accepted with. A notice is in no route's plan, and so follows its own. Toward another target
//! the step is the same but for that: its plan is kept like any other.

use std::sync::Arc;

use fanway_store::Store;
use fanway_types::{Message, Plan, PlanHash, RouteName, StepIndex, StepName, TargetName};

use crate::current::{Lanes, Plans};

/// The names of notices' steps, see [`fanway_store::notice`].
const NOTICES: [&str; 2] = ["callback", "on_dead"];

/// A step of a plan that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) plan: PlanHash,
    pub(crate) step: StepIndex,
}

/// Why there is nothing to run.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the config has no route `{0}` any more")]
    Route(RouteName),
    #[error("route `{route}` has no step `{step}` any more")]
    Step { route: RouteName, step: StepName },
    #[error("the plan that the message was accepted with is not kept, or has no such step")]
    Plan,
    #[error("the config has no target `{0}` any more")]
    Target(TargetName),
    #[error("`to`: the config has no target `{0}`")]
    To(TargetName),
    #[error(transparent)]
    Store(#[from] fanway_store::Error),
}

/// Finds what redrives run.
#[derive(Clone, Copy)]
pub(crate) struct Resolver<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) plans: &'a dyn Plans,
    pub(crate) lanes: &'a dyn Lanes,
    /// The target that redrives go to, where it isn't the step's own.
    pub(crate) to: Option<&'a TargetName>,
}

impl Resolver<'_> {
    /// Whether `to` is a target of the config.
    ///
    /// # Errors
    /// Where it isn't. A lane to an origin that a sender has named is no target of the config.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Some(to) = self.to else { return Ok(()) };
        let is_origin = self
            .store
            .origins()
            .iter()
            .any(|origin| origin.target == *to);
        if self.has_lane(to) && !is_origin {
            Ok(())
        } else {
            Err(Error::To(to.clone()))
        }
    }

    /// The step of this name in what the route does today.
    pub(crate) async fn today(&self, route: &RouteName, step: &StepName) -> Result<Run, Error> {
        let plan = self.plans.of(route);
        let plan = plan.ok_or_else(|| Error::Route(route.clone()))?;
        let index = plan.steps.iter().position(|known| known.name == *step);
        let index = index.and_then(|index| StepIndex::try_from(index).ok());
        let index = index.ok_or_else(|| Error::Step {
            route: route.clone(),
            step: step.clone(),
        })?;
        self.run(plan, index).await
    }

    /// The step in the plan that the message was accepted with.
    pub(crate) async fn pinned(&self, message: &Message, step: StepIndex) -> Result<Run, Error> {
        let plan = self.own_plan(message).await?;
        let known = plan.steps.get(usize::from(step)).ok_or(Error::Plan)?;
        // A lane to an origin that a sender has named is opened when it is needed.
        let is_held = self.to.is_some() || known.origin.is_some() || self.has_lane(&known.target);
        if !is_held {
            return Err(Error::Target(known.target.clone()));
        }
        self.run(plan, step).await
    }

    /// Whether the step is a notice's, so that no route has it.
    pub(crate) async fn is_notice(
        &self,
        message: &Message,
        step: &StepName,
    ) -> Result<bool, Error> {
        if !may_be_notice(step) {
            return Ok(false);
        }
        Ok(self.own_plan(message).await?.steps.len() == 1)
    }

    async fn own_plan(&self, message: &Message) -> Result<Arc<Plan>, Error> {
        self.store.plan(message.plan).await?.ok_or(Error::Plan)
    }

    fn has_lane(&self, target: &TargetName) -> bool {
        let lanes = self.lanes.all();
        lanes.iter().any(|(name, _)| name == target)
    }

    /// The step as it is, or toward another target.
    async fn run(&self, plan: Arc<Plan>, step: StepIndex) -> Result<Run, Error> {
        let plan = match self.to {
            None => plan.hash(),
            Some(to) => {
                let mut plan = Arc::unwrap_or_clone(plan);
                let known = plan.steps.get_mut(usize::from(step)).ok_or(Error::Plan)?;
                known.target = to.clone();
                known.origin = None;
                self.store.keep_plan(Arc::new(plan)).await?
            }
        };
        Ok(Run { plan, step })
    }
}

/// Whether a step of this name can be a notice's.
pub(crate) fn may_be_notice(step: &StepName) -> bool {
    NOTICES.contains(&step.as_str())
}
