//! Parts of one kind that run, and which of them has ended.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout_at};

/// Why a part ended.
pub(crate) type End = Result<(), Box<dyn Error + Send + Sync>>;

/// Parts that run. Dropped, they are broken off.
#[derive(Default)]
pub(crate) struct Group {
    tasks: JoinSet<End>,
    names: HashMap<Id, String>,
}

/// A part that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Which.
    pub(crate) name: String,
    /// How: well, with an error, or by a panic.
    pub(crate) end: End,
}

impl Group {
    /// Begins a part on the runtime of `handle`.
    pub(crate) fn spawn(
        &mut self,
        name: String,
        part: impl Future<Output = End> + Send + 'static,
        handle: &Handle,
    ) {
        let id = self.tasks.spawn_on(part, handle).id();
        self.names.insert(id, name);
    }

    /// Waits for the next part that ends; for ever where there is none.
    pub(crate) async fn next(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, end))) => self.ended(id, end),
            Some(Err(error)) => self.ended(error.id(), Err(error.into())),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended, and at most until `deadline`. Returns whether they have.
    pub(crate) async fn all_ended(&mut self, deadline: Instant) -> bool {
        while !self.tasks.is_empty() {
            let Ok(Ended { name, end }) = timeout_at(deadline, self.next()).await else {
                return false;
            };
            if let Err(error) = end {
                tracing::error!(part = name, error = %error, "a part failed while it stopped");
            }
        }
        true
    }

    /// The parts that haven't ended.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    fn ended(&mut self, id: Id, end: End) -> Ended {
        let name = self.names.remove(&id).unwrap_or_default();
        Ended { name, end }
    }
}

/// A moment from now.
pub(crate) fn after(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
    Instant::now() + duration.min(FAR)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Handle;

    use super::{Group, after};

    #[tokio::test]
    async fn a_part_that_panics_is_told_by_its_name() {
        let mut group = Group::default();
        let here = Handle::current();
        group.spawn("lasting".to_owned(), std::future::pending(), &here);
        group.spawn("breaking".to_owned(), async { panic!("as asked") }, &here);
        let ended = group.next().await;
        assert_eq!(ended.name, "breaking");
        assert!(ended.end.is_err());
        assert_eq!(group.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn parts_that_dont_end_are_waited_for_until_the_deadline() {
        let mut group = Group::default();
        let here = Handle::current();
        group.spawn("quick".to_owned(), async { Ok(()) }, &here);
        assert!(group.all_ended(after(Duration::from_secs(1))).await);
        group.spawn("lasting".to_owned(), std::future::pending(), &here);
        assert!(!group.all_ended(after(Duration::from_secs(1))).await);
    }
}
