//! The slowest moments of a run: of each tenth of a second the slowest request, and of those the
//! worst that don't follow from each other.

use std::time::Duration;

use serde_json::{Value, json};

/// What counts as one moment.
const MOMENT: Duration = Duration::from_millis(100);
/// Moments that are told.
const TOLD: usize = 10;

/// The slowest request of each moment, by when it was due.
#[derive(Debug)]
pub(crate) struct Moments {
    begun: Duration,
    slowest: Vec<Slow>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slow {
    due: Duration,
    took: Duration,
}

impl Moments {
    /// For requests that become due from then on, for so long.
    pub(crate) fn starting(begun: Duration, duration: Duration) -> Self {
        let moments = duration.as_millis() / MOMENT.as_millis() + 1;
        let moments = usize::try_from(moments).expect("a run has no such length");
        Self {
            begun,
            slowest: vec![Slow::default(); moments],
        }
    }

    /// Takes down how long a request took.
    pub(crate) fn record(&mut self, due: Duration, took: Duration) {
        let moment = (due - self.begun).as_millis() / MOMENT.as_millis();
        let moment = usize::try_from(moment).unwrap_or(usize::MAX);
        if let Some(slowest) = self.slowest.get_mut(moment)
            && slowest.took < took
        {
            *slowest = Slow { due, took };
        }
    }

    /// The worst, the slowest first: when the request was due, and how long it took.
    pub(crate) fn report(&self) -> Value {
        let worst = self.worst();
        let line = |slow: &Slow| {
            let micros = slow.took.as_micros();
            let due = slow.due.as_nanos();
            json!({"due_nanos": due, "micros": micros})
        };
        worst.iter().map(line).collect()
    }

    fn worst(&self) -> Vec<Slow> {
        let mut all = self.slowest.clone();
        all.retain(|slow| slow.took > Duration::ZERO);
        all.sort_unstable_by_key(|slow| std::cmp::Reverse(slow.took));
        let mut worst: Vec<Slow> = Vec::new();
        for slow in all {
            let follows = worst.iter().any(|other| overlap(*other, slow));
            if worst.len() < TOLD && !follows {
                worst.push(slow);
            }
        }
        worst
    }
}

/// Whether one waited while the other did, or in a moment beside.
fn overlap(one: Slow, other: Slow) -> bool {
    one.due <= other.due + other.took + MOMENT && other.due <= one.due + one.took + MOMENT
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Moments;

    #[test]
    fn what_follows_from_a_slower_moment_is_not_told_again() {
        let begun = Duration::from_secs(7);
        let mut moments = Moments::starting(begun, Duration::from_secs(10));
        let mut record = |due, took| {
            moments.record(
                begun + Duration::from_millis(due),
                Duration::from_millis(took),
            );
        };
        record(1_000, 30);
        record(1_010, 20);
        record(5_000, 400);
        record(5_350, 50);
        record(9_000, 2);
        let took: Vec<_> = moments
            .worst()
            .iter()
            .map(|slow| slow.took.as_millis())
            .collect();
        assert_eq!(took, [400, 30, 2]);
    }
}
