//! The compiled plans of the deliveries that a lane makes.
//!
//! The current ones are compiled when the config is read, and shared. A delivery can be of an
//! earlier one: that is loaded from the store and compiled again, and kept while there is room.

use std::collections::HashMap;
use std::sync::Arc;

use fanway_store::{Error, Store};
use fanway_transform::plan::{CompiledPlan, StepError};
use fanway_types::{Outcome, PlanHash};

/// How many earlier plans a lane keeps.
const EARLIER_LIMIT: usize = 100;

/// A plan, or why there is none: then its deliveries are dead letters.
pub(crate) type Known = Result<Arc<CompiledPlan>, Arc<str>>;

/// Compiled plans. A clone shares the current ones and has earlier ones of its own.
#[derive(Clone, Default)]
pub struct Plans {
    current: Arc<HashMap<PlanHash, Known>>,
    earlier: HashMap<PlanHash, Known>,
}

impl Plans {
    /// The plans of the config.
    #[must_use]
    pub fn new(current: impl IntoIterator<Item = Arc<CompiledPlan>>) -> Self {
        let current = current
            .into_iter()
            .map(|plan| (plan.plan().hash(), Ok(plan)))
            .collect();
        Self {
            current: Arc::new(current),
            earlier: HashMap::new(),
        }
    }

    pub(crate) fn get(&self, hash: PlanHash) -> Option<&Known> {
        self.current.get(&hash).or_else(|| self.earlier.get(&hash))
    }

    /// Keeps an earlier plan.
    pub(crate) fn keep(&mut self, hash: PlanHash, plan: Known) {
        // Deliveries come in the order of acceptance: what is older isn't asked for again soon.
        if self.earlier.len() >= EARLIER_LIMIT {
            self.earlier.clear();
        }
        self.earlier.insert(hash, plan);
    }
}

/// Loads a plan from the store and compiles it.
///
/// # Errors
/// Where the store failed.
pub(crate) async fn load(
    store: Arc<dyn Store>,
    hash: PlanHash,
) -> Result<(PlanHash, Known), Error> {
    let known = match store.plan(hash).await? {
        None => Err("the plan of this message is not kept".into()),
        Some(plan) => CompiledPlan::compile(&plan)
            .map(Arc::new)
            .map_err(|errors| no_longer_compiles(&errors)),
    };
    Ok((hash, known))
}

fn no_longer_compiles(errors: &[StepError]) -> Arc<str> {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    let text = format!("this release can't compile the message's plan: {first}");
    Outcome::detail_of(&text)
}
