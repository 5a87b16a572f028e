//! How often an attempt that is slow may be made a second time while it still runs.
//!
//! Hedging helps against the few that are slow, and makes it worse where all are (J. Dean,
//! L. A. Barroso, "The Tail at Scale", CACM 56(2), 2013): so it is a share of the attempts.

/// Attempts for each of which there may be one hedge.
pub const ATTEMPTS_PER_HEDGE: u32 = 10;

/// Hedges that can be saved up.
const MOST: u32 = 10;

/// What is left to hedge with: there are never more hedges than ten, and one for each
/// [`ATTEMPTS_PER_HEDGE`] attempts before. It begins with ten, so that what is rarely called is
/// hedged too.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Attempts that no hedge was made for.
    saved: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            saved: MOST * ATTEMPTS_PER_HEDGE,
        }
    }
}

impl Budget {
    /// An attempt is made that is no hedge.
    pub fn earn(&mut self) {
        self.saved = (self.saved + 1).min(MOST * ATTEMPTS_PER_HEDGE);
    }

    /// Whether there is one, and takes it.
    #[must_use]
    pub fn spend(&mut self) -> bool {
        let left = self.saved.checked_sub(ATTEMPTS_PER_HEDGE);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    /// Hedges that are made where each of so many attempts asks for one.
    fn hedged(budget: &mut Budget, attempts: u32) -> usize {
        let asked = (0..attempts).filter(|_| {
            budget.earn();
            budget.spend()
        });
        asked.count()
    }

    /// Hedges that are made at once.
    fn spent(budget: &mut Budget) -> usize {
        std::iter::from_fn(|| budget.spend().then_some(())).count()
    }

    #[test]
    fn one_in_ten_attempts_is_hedged_at_most() {
        let mut budget = Budget::default();
        assert_eq!(spent(&mut budget), 10, "it begins with ten");
        assert_eq!(hedged(&mut budget, 9), 0);
        assert_eq!(hedged(&mut budget, 1), 1);
        assert_eq!(hedged(&mut budget, 1000), 100);
    }

    #[test]
    fn no_more_than_ten_are_saved_up() {
        let mut budget = Budget::default();
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!(spent(&mut budget), 10);
    }
}
