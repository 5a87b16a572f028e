//! Whose turn it is: jobs that run, each with the time at which it may go on.

use std::collections::VecDeque;

use fanway_store::job::Job;
use fanway_types::JobId;
use tokio::time::Instant;

/// A job that waits for its turn.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) id: JobId,
    /// The job; `None` where it has to be read from the store.
    pub(crate) job: Option<Job>,
    /// When it may go on.
    due: Instant,
}

impl Turn {
    pub(crate) fn of(job: Job, due: Instant) -> Self {
        Self {
            id: job.id,
            job: Some(job),
            due,
        }
    }

    pub(crate) fn to_read(id: JobId, due: Instant) -> Self {
        Self { id, job: None, due }
    }
}

/// All jobs that wait for their turn, those that came first in front.
#[derive(Debug, Default)]
pub(crate) struct Turns(VecDeque<Turn>);

impl Turns {
    pub(crate) fn add(&mut self, turn: Turn) {
        self.0.push_back(turn);
    }

    pub(crate) fn remove(&mut self, id: JobId) {
        self.0.retain(|turn| turn.id != id);
    }

    /// A job as it stands.
    pub(crate) fn job(&self, id: JobId) -> Option<&Job> {
        let turn = self.0.iter().find(|turn| turn.id == id)?;
        turn.job.as_ref()
    }

    /// When the next turn is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|turn| turn.due).min()
    }

    /// The job that is due first, and of several the one that came first.
    pub(crate) fn next(&mut self) -> Option<Turn> {
        let due = self.due()?;
        let first = self.0.iter().position(|turn| turn.due == due)?;
        self.0.remove(first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanway_types::JobId;
    use tokio::time::Instant;

    use super::{Turn, Turns};

    #[test]
    fn turns_go_by_time_and_then_by_arrival() {
        let now = Instant::now();
        let mut turns = Turns::default();
        for (id, millis) in [(1, 5), (2, 0), (3, 0), (4, 2)] {
            let due = now + Duration::from_millis(millis);
            turns.add(Turn::to_read(JobId::from_bytes([id; 16]), due));
        }
        turns.remove(JobId::from_bytes([4; 16]));
        let order: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        let order: Vec<_> = order.iter().map(|turn| turn.id.to_bytes()[0]).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(turns.due(), None);
    }
}
