//! What all cores share, and each core's own door: from a request to whoever answers it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use fanway_store::Store;
use fanway_types::{MemoryBudget, MessageId, Timestamp};

use crate::connection::{self, Closing};
use crate::metrics::Metrics;
use crate::params::{Held, Limits, Params};
use crate::problem::Problem;
use crate::router::{Ambiguous, Router};
use crate::{body, status};

/// HTTP in: what all cores share. Clones are the same ingress.
#[derive(Clone)]
pub struct Ingress {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) budget: MemoryBudget,
    /// What links begin with; empty where they are relative.
    pub(crate) public_url: String,
    pub(crate) held: Held,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) metrics: Metrics,
    /// Places for connections.
    pub(crate) connections: Arc<Semaphore>,
}

/// Why there can't be an ingress as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two routes take the same requests.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// The public URL can't stand in a header.
    #[error("`{0}` can't be the beginning of a link")]
    PublicUrl(String),
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingress")
            .field("router", &self.shared.router)
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl Ingress {
    /// Checks and arranges what the cores share.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn try_new(params: Params) -> Result<Self, Error> {
        let mut public_url = params.public_url.unwrap_or_default();
        public_url.truncate(public_url.trim_end_matches('/').len());
        if !public_url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
        {
            return Err(Error::PublicUrl(public_url));
        }
        let connections = params.limits.connections.get().min(Semaphore::MAX_PERMITS);
        Ok(Self {
            shared: Arc::new(Shared {
                router: Router::try_new(params.routes, &params.metrics)?,
                limits: params.limits,
                budget: params.budget,
                public_url,
                held: params.held,
                clock: params.clock,
                metrics: params.metrics,
                connections: Arc::new(Semaphore::new(connections)),
            }),
        })
    }

    /// A core's own door: its requests go to `store`, and `rng` makes its messages' ids, which must
    /// not be guessed: seed it from the operating system.
    #[must_use]
    pub fn door(&self, store: Arc<dyn Store>, rng: StdRng) -> Door {
        Door {
            core: Arc::new(Core {
                shared: Arc::clone(&self.shared),
                store,
                rng: Mutex::new(rng),
                builder: connection::builder(&self.shared.limits),
                checks: Semaphore::new(1),
            }),
        }
    }
}

/// A core's own part of ingress.
pub struct Door {
    pub(crate) core: Arc<Core>,
}

impl Door {
    /// Serves one connection until it ends, over any stream: one that
    /// [`run`](Self::run) can't accept itself. It doesn't count as one of the connections that
    /// are limited.
    pub async fn serve<I>(&self, io: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (_open, closing) = watch::channel(Closing::Open);
        connection::serve(Arc::clone(&self.core), io, closing).await;
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

/// What a core's connections share.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) builder: Builder<TokioExecutor>,
    /// Turns at checking large bodies.
    pub(crate) checks: Semaphore,
    /// Only this core's requests draw from it, so nobody waits.
    rng: Mutex<StdRng>,
}

impl Core {
    /// Answers a request, whatever it is.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        closing: &watch::Receiver<Closing>,
    ) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        let answer = if head.uri.path().starts_with(status::RESERVED) {
            self.tell(&head, closing).await
        } else {
            self.accept(&head, &mut body).await
        };
        let problem = match answer {
            Ok(response) => return response,
            Err(problem) => problem,
        };
        self.shared.metrics.refuse(problem.kind);
        // To read on would ask a sender for a body that it holds back until it is wanted.
        if !head.headers.contains_key(EXPECT) {
            body::discard(body).await;
        }
        Problem::into_response(problem)
    }

    /// The id of a message that is accepted now.
    pub(crate) fn new_id(&self) -> MessageId {
        let now = (self.shared.clock)();
        // A generator is whole whoever panicked while holding it.
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        MessageId::new(now, &mut *rng)
    }
}
