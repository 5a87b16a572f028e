//! HTTP with connections for each runtime: a socket is woken by the runtime that opened it, and one
//! that is gone or stands still never wakes it.

use std::sync::{Arc, Mutex, PoisonError};

use fanway_target::http::{HttpTarget, HttpTargetError, Params};
use fanway_target::{Answer, AttemptRequest, Target};
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, Id};

/// The runtimes that connections are held for; of more the one first seen is forgotten.
const RUNTIMES: usize = 16;

/// A target that may be called from any runtime.
pub(super) struct Http {
    params: Params,
    /// In the order in which they were first seen.
    by_runtime: Mutex<Vec<(Id, Arc<HttpTarget>)>>,
}

impl Http {
    /// Checks what can be checked without the peer.
    ///
    /// # Errors
    /// As [`HttpTarget::try_new`].
    pub(super) fn try_new(params: Params) -> Result<Self, HttpTargetError> {
        HttpTarget::try_new(params.clone())?;
        Ok(Self {
            params,
            by_runtime: Mutex::default(),
        })
    }

    /// The connections of the runtime that this is called in.
    fn here(&self) -> Arc<HttpTarget> {
        let id = Handle::current().id();
        let by_runtime = self.by_runtime.lock();
        let mut by_runtime = by_runtime.unwrap_or_else(PoisonError::into_inner);
        if let Some((_, http)) = by_runtime.iter().find(|(of, _)| *of == id) {
            return Arc::clone(http);
        }
        let http = HttpTarget::try_new(self.params.clone());
        let http = Arc::new(http.expect("one was made of the same before"));
        if by_runtime.len() == RUNTIMES {
            by_runtime.remove(0);
        }
        by_runtime.push((id, Arc::clone(&http)));
        http
    }
}

impl Target for Http {
    fn attempt(&self, request: AttemptRequest) -> BoxFuture<'static, Answer> {
        self.here().attempt(request)
    }
}
