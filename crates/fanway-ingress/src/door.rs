//! What all cores share, and each core's own door: from a request to whoever answers it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{Either, Full};
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use fanway_store::Store;
use fanway_transform::evaluator::Evaluator;
use fanway_types::{MemoryBudget, MessageId, Timestamp};

use crate::connection::{self, Closing, Link};
use crate::content::Content;
use crate::date::Date;
use crate::generation::{Error, Generation};
use crate::metrics::Metrics;
use crate::params::{Params, Table};
use crate::problem::Problem;
use crate::sse::Stream;
use crate::{body, date, status};

/// HTTP in: what all cores share. Clones are the same ingress.
#[derive(Clone)]
pub struct Ingress {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    present: ArcSwap<Generation>,
    pub(crate) budget: MemoryBudget,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) metrics: Metrics,
    pub(crate) evaluator: Option<Evaluator>,
}

impl Shared {
    /// The generation that requests that come now begin with.
    pub(crate) fn present(&self) -> Arc<Generation> {
        self.present.load_full()
    }
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = self.shared.present();
        f.debug_struct("Ingress")
            .field("router", &present.router)
            .field("limits", &present.limits)
            .finish_non_exhaustive()
    }
}

impl Ingress {
    /// Checks and arranges what the cores share.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn try_new(params: Params) -> Result<Self, Error> {
        let present = Generation::try_new(params.table, &params.metrics)?;
        Ok(Self {
            shared: Arc::new(Shared {
                present: ArcSwap::from_pointee(present),
                budget: params.budget,
                clock: params.clock,
                metrics: params.metrics,
                evaluator: params.evaluator,
            }),
        })
    }

    /// Checks and arranges what is to be put in the place of the present table. Nothing is changed
    /// by it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn arrange(&self, table: Table) -> Result<Arranged, Error> {
        let next = Generation::try_new(table, &self.shared.metrics)?;
        Ok(Arranged(Arc::new(next)))
    }

    /// Puts what was arranged in the place of the present table, for all cores at once. Requests in
    /// progress end with the one that they began with, though a listener to a message's events is
    /// told by the present one what holds its deliveries; connections that are open keep their
    /// time-outs and the limits of their heads and streams.
    pub fn replace(&self, arranged: Arranged) {
        self.shared.present.store(arranged.0);
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
                large: Semaphore::new(1),
                date: Date::default(),
            }),
        }
    }
}

/// A table that can be put to use.
pub struct Arranged(Arc<Generation>);

impl fmt::Debug for Arranged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arranged").finish_non_exhaustive()
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

/// The body of an answer: known whole, or a message's events.
pub(crate) type Body = Either<Full<Bytes>, Stream>;

/// What a core's connections share.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<dyn Store>,
    /// Turns at reading large bodies.
    pub(crate) large: Semaphore,
    /// Only this core's requests draw from it, so nobody waits.
    rng: Mutex<StdRng>,
    date: Date,
}

impl Core {
    /// Answers a request, whatever it is.
    pub(crate) async fn answer(
        &self,
        request: Request<Content<'_>>,
        link: &Link,
    ) -> Response<Body> {
        let present = self.shared.present();
        let (head, mut body) = request.into_parts();
        let cors = present.cors.as_ref();
        if let Some(allowance) = cors.and_then(|cors| cors.preflight(&head)) {
            return allowance.map(Either::Left);
        }
        let answer = if head.uri.path().starts_with(status::RESERVED) {
            self.tell(&head, &present, link).await
        } else {
            let accepted = self.accept(&head, &mut body, &present).await;
            accepted.map(|response| response.map(Either::Left))
        };
        let mut response = match answer {
            Ok(response) => response,
            Err(problem) => self.refuse(problem, &head, body).await,
        };
        if let Some(cors) = cors {
            cors.share(&head.headers, response.headers_mut());
        }
        response
    }

    /// The answer to a request that is refused.
    async fn refuse(&self, problem: Problem, head: &Parts, body: Content<'_>) -> Response<Body> {
        self.shared.metrics.refuse(problem.kind);
        // To read on would ask a sender for a body that it holds back until it is wanted.
        if !head.headers.contains_key(EXPECT) {
            body::discard(body).await;
        }
        problem.into_response().map(Either::Left)
    }

    /// The value of `Date` of an answer that is given now.
    pub(crate) fn date(&self) -> [u8; date::LENGTH] {
        self.date.at((self.shared.clock)())
    }

    /// The id of a message that is accepted now.
    pub(crate) fn new_id(&self) -> MessageId {
        let now = (self.shared.clock)();
        // A generator is whole whoever panicked while holding it.
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        MessageId::new(now, &mut *rng)
    }
}
