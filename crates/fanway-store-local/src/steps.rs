//! The posting thread's steps, so that a test can let it die between any two of them.

use std::fmt;
use std::sync::Arc;

/// A step that the posting thread is about to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Committing a range to the ledger.
    Post,
    /// Letting the journal use again what was posted.
    Trim,
    /// Taking what was posted off the tail.
    Forget,
    /// Telling those who wait.
    Tell,
    /// Making a data key, in place of one that has sealed for long enough.
    Renew,
    /// Moving what waits under a target's old name.
    Adopt,
    /// Removing what is too old.
    Prune,
}

/// Says of each step whether it is made. By default all are.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<dyn Fn(Step) -> bool + Send + Sync>>);

impl Steps {
    /// Steps of which `makes` says whether each is made; the thread dies before the first that
    /// isn't.
    #[cfg(feature = "faulty")]
    #[must_use]
    pub fn new(makes: impl Fn(Step) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(makes)))
    }

    pub(crate) fn makes(&self, step: Step) -> bool {
        self.0.as_ref().is_none_or(|makes| makes(step))
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}
