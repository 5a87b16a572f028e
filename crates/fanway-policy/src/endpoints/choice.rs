//! How one of several endpoints is chosen.
//!
//! Turns are taken by smooth weighted round robin, as nginx does it: the heavier ones come more
//! often, but not in a row. Of two that are drawn at random the one with less in flight is nearly as
//! good a choice as the best of all, and doesn't send everybody to the same one (M. Mitzenmacher,
//! "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001).

use std::cmp::Ordering;
use std::str::FromStr;

use rand::{Rng, RngExt};

use super::{Entry, Roster};

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turn, each as often as its weight says.
    RoundRobin,
    /// The one with the least in flight for its weight; of several, one at random by weight.
    LeastInFlight,
    /// The one of two drawn at random by weight that has less in flight for its weight.
    #[default]
    TwoChoices,
}

impl Balance {
    /// The word for it, as it stands in a config.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastInFlight => "least_in_flight",
            Self::TwoChoices => "two_choices",
        }
    }
}

impl FromStr for Balance {
    type Err = BalanceError;

    fn from_str(text: &str) -> Result<Self, BalanceError> {
        match text {
            "round_robin" => Ok(Self::RoundRobin),
            "least_in_flight" => Ok(Self::LeastInFlight),
            "two_choices" => Ok(Self::TwoChoices),
            other => Err(BalanceError {
                text: other.to_owned(),
            }),
        }
    }
}

/// A text that names no way to choose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no balance: expected round_robin, least_in_flight or two_choices")]
pub struct BalanceError {
    text: String,
}

impl Roster {
    /// The place of one of the candidates, of which there is at least one.
    pub(super) fn choose_candidate(&mut self, rng: &mut impl Rng) -> usize {
        if let [only] = *self.candidates {
            return only;
        }
        match self.params.balance {
            Balance::RoundRobin => self.next_in_turn(),
            Balance::LeastInFlight => self.least_in_flight(rng),
            Balance::TwoChoices => self.better_of_two(rng),
        }
    }

    /// Each gets its weight, the one that then has most is chosen and pays what all have got.
    fn next_in_turn(&mut self) -> usize {
        let mut paid = 0;
        let mut chosen = self.candidates[0];
        for at in &self.candidates {
            let weight = i64::from(self.entries[*at].named.weight.get());
            paid += weight;
            self.entries[*at].credit += weight;
            if self.entries[*at].credit > self.entries[chosen].credit {
                chosen = *at;
            }
        }
        self.entries[chosen].credit -= paid;
        chosen
    }

    fn least_in_flight(&mut self, rng: &mut impl Rng) -> usize {
        let Self {
            entries,
            candidates,
            ..
        } = self;
        let least = candidates
            .iter()
            .copied()
            .min_by(|one, other| by_load(&entries[*one], &entries[*other]))
            .expect("there is a candidate");
        candidates.retain(|at| by_load(&entries[*at], &entries[least]) == Ordering::Equal);
        let drawn = self.draw(rng);
        self.candidates[drawn]
    }

    fn better_of_two(&mut self, rng: &mut impl Rng) -> usize {
        let drawn = self.draw(rng);
        let first = self.candidates.swap_remove(drawn);
        let drawn = self.draw(rng);
        let second = self.candidates[drawn];
        match by_load(&self.entries[first], &self.entries[second]) {
            Ordering::Less | Ordering::Equal => first,
            Ordering::Greater => second,
        }
    }

    /// Draws one of the candidates by weight, and returns where it is among them.
    fn draw(&self, rng: &mut impl Rng) -> usize {
        let weight = |at: &usize| u64::from(self.entries[*at].named.weight.get());
        let total = self.candidates.iter().map(weight).sum();
        let mut left = rng.random_range(0..total);
        let found = self.candidates.iter().position(|at| {
            let is_it = left < weight(at);
            left = left.saturating_sub(weight(at));
            is_it
        });
        found.expect("what is drawn is below the sum of the weights")
    }
}

/// By what is in flight for the weight.
fn by_load(one: &Entry, other: &Entry) -> Ordering {
    let load =
        |entry: &Entry, of: &Entry| u64::from(entry.in_flight) * u64::from(of.named.weight.get());
    load(one, other).cmp(&load(other, one))
}
