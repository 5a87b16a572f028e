//! Who is told that there may be room by now.
//!
//! It only tells. What is tried again, and for how long, is up to whoever listens.

use std::fmt;
use std::sync::Arc;

/// Is told when what was refused as [`Preparing`](crate::Rejected::Preparing) is worth another try: there is more
/// room, or there won't be any for now, or the journal has stopped. Clones tell the same one. By default nobody is
/// told.
///
/// It is called on the journal's threads, and must neither wait nor append.
#[derive(Clone, Default)]
pub struct Progress {
    listener: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Progress {
    /// Tells this one.
    pub fn new(listener: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            listener: Some(Arc::new(listener)),
        }
    }

    pub(crate) fn tell(&self) {
        if let Some(listener) = &self.listener {
            listener();
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}
