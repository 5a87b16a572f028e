//! The compiled plans of the deliveries that a lane makes.
//!
//! The current ones are compiled when a config is read, and shared. A delivery can be of an earlier
//! one: where that wasn't current just before, it is loaded from the store and compiled again; it is
//! kept while there is room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_store::{Error, Store};
use fanway_transform::plan::{CompiledPlan, StepError};
use fanway_types::{Outcome, PlanHash};
use foldhash::HashMap;

/// How many earlier plans a lane keeps.
const EARLIER_LIMIT: usize = 100;

/// A plan, or why there is none: then its deliveries are dead letters.
pub(crate) type Known = Result<Arc<CompiledPlan>, Arc<str>>;

/// The plans of a config.
type Current = Arc<HashMap<PlanHash, Known>>;

/// Compiled plans. A clone shares the current ones and has earlier ones of its own.
#[derive(Clone, Default)]
pub struct Plans {
    shared: Arc<Shared>,
    /// The current ones, as this clone has last seen them.
    current: Current,
    /// What `shared` counted then.
    seen: u64,
    earlier: HashMap<PlanHash, Known>,
}

/// What all clones share.
#[derive(Default)]
struct Shared {
    /// Counted up by each change.
    changes: AtomicU64,
    current: Mutex<Current>,
}

impl Plans {
    /// The plans of the config.
    #[must_use]
    pub fn new(current: impl IntoIterator<Item = Arc<CompiledPlan>>) -> Self {
        let plans = Self::default();
        plans.set_current(current);
        plans
    }

    /// Puts the plans of another config in their place, for all clones. Those that were current
    /// until now remain at hand for the messages that were accepted with them.
    pub fn set_current(&self, current: impl IntoIterator<Item = Arc<CompiledPlan>>) {
        let current = current.into_iter();
        let current = current.map(|plan| (plan.plan().hash(), Ok(plan)));
        let current = Arc::new(current.collect());
        let mut shared = self.shared.lock();
        *shared = current;
        // Under the lock, so that who sees the count finds these plans or later ones.
        self.shared.changes.fetch_add(1, Ordering::Release);
    }

    /// Takes over what has become current since the last call.
    pub(crate) fn refresh(&mut self) {
        let changes = self.shared.changes.load(Ordering::Acquire);
        if changes == self.seen {
            return;
        }
        self.seen = changes;
        let current = Arc::clone(&self.shared.lock());
        let before = std::mem::replace(&mut self.current, current);
        for (hash, plan) in &*before {
            if !self.current.contains_key(hash) {
                self.keep(*hash, plan.clone());
            }
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanway_testkit::build;
    use fanway_transform::plan::CompiledPlan;

    use super::{EARLIER_LIMIT, Plans};

    fn compiled(number: usize) -> Arc<CompiledPlan> {
        let plan = build::plan([build::step(&format!("target_{number}"))]);
        Arc::new(CompiledPlan::compile(&plan).expect("it compiles"))
    }

    #[track_caller]
    fn check(plans: &Plans, plan: &CompiledPlan, is_known: bool) {
        assert_eq!(plans.get(plan.plan().hash()).is_some(), is_known);
    }

    #[test]
    fn what_becomes_current_is_seen_by_all_and_what_was_stays_at_hand() {
        let [first, second, both] = [1, 2, 3].map(compiled);
        let config = Plans::new([Arc::clone(&first), Arc::clone(&both)]);
        let mut lanes = [config.clone(), config.clone()];
        for lane in &mut lanes {
            lane.refresh();
            check(lane, &first, true);
            check(lane, &second, false);
        }
        config.set_current([Arc::clone(&second), Arc::clone(&both)]);
        for lane in &mut lanes {
            lane.refresh();
            for plan in [&first, &second, &both] {
                check(lane, plan, true);
            }
        }
    }

    #[test]
    fn however_many_configs_come_a_bounded_number_of_plans_is_kept() {
        let config = Plans::default();
        let mut lane = config.clone();
        for number in 0..3 * EARLIER_LIMIT {
            config.set_current([compiled(number)]);
            lane.refresh();
            check(&lane, &compiled(number), true);
            assert!(lane.earlier.len() <= EARLIER_LIMIT);
        }
    }
}
