//! A config that is ready to be put to use: all that can fail has been done.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanway_config::Config;
use fanway_dispatch::Settings;
use fanway_store::Store;
use fanway_transform::plan::CompiledPlan;
use fanway_types::TargetName;

use crate::outward::Outward;
use crate::parts;
use crate::start::StartError;

/// What follows from a config, not in use yet.
pub(crate) struct Prepared {
    pub(crate) config: Arc<Config>,
    /// Each route's plan, in the order of the config; the store keeps them.
    pub(crate) plans: Vec<Arc<CompiledPlan>>,
    /// What each target's lane does.
    pub(crate) settings: BTreeMap<TargetName, Settings>,
}

impl Prepared {
    /// Compiles and makes what the config says, and lets the store keep its plans.
    ///
    /// # Errors
    /// Where a plan doesn't compile, a target can't be called as it is configured, or the store
    /// failed.
    pub(crate) async fn new(
        config: Arc<Config>,
        store: &dyn Store,
        outward: &Outward,
    ) -> Result<Self, StartError> {
        let mut plans = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let plan = parts::plan(route)?;
            store.keep_plan(Arc::clone(plan.plan())).await?;
            plans.push(plan);
        }
        let settings = config.targets.iter().map(|(name, target)| {
            let settings = parts::settings(name, target, outward)?;
            Ok((name.clone(), settings))
        });
        let settings = settings.collect::<Result<_, StartError>>()?;
        Ok(Self {
            config,
            plans,
            settings,
        })
    }
}
