//! A target that speaks HTTP/1.1 or HTTP/2: connections are held and used again, each attempt is
//! bounded in time, and how it ended is said without guessing.
//!
//! There is one exchange to an attempt, with two exceptions: where a connection that was held turns
//! out to be closed before anything of the request was sent on it, the request goes out on another
//! one at once; and where the target refuses a token that can be renewed (`by_token`), it goes out
//! once more with the new one. Redirects are answers.

mod base_url;
mod budget;
mod by_token;
mod clock;
mod connect;
mod credentials;
mod drain;
mod exchange;
mod failure;
mod hex;
mod http1;
mod http2;
mod noted;
mod oauth2;
mod pool;
mod preview;
mod proxy;
mod request;
mod signing;
mod sigv4;
mod socket;
mod tls;
mod upload;

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanway_types::Egress;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

pub use base_url::{BaseUrl, BaseUrlError};
pub use budget::{ConnectionBudget, Figures};
pub use clock::Timeouts;
pub use credentials::{Credentials, CredentialsError};
pub use oauth2::{ClientAuth, Grant, Tokens};
pub use preview::Preview;
pub use proxy::{Login, LoginError, Proxy, ProxyKind};
pub use request::RequestError;
pub use signing::{
    Algorithm, Encoding, HmacError, HmacParams, HmacSigning, NoSigningKey, Signing, WallClock,
    WebhookKey, WebhookKeyError,
};
pub use sigv4::SigV4;
pub use tls::{Identity, IdentityError, LeastVersion, Roots, RootsError, Tls};

use clock::{Clock, Elapsed};
use connect::{Connector, How, Protocol};
use exchange::NoAnswer;
use failure::Failure;
use pool::Pool;
use request::{Message, Template};

use crate::{Answer, AttemptRequest, Begun, Capture, Exchange, FailureKind, Target};

/// What an HTTP target is made of.
#[derive(Clone, Debug)]
pub struct Params {
    /// Where it is.
    pub url: BaseUrl,
    /// What is shown to it.
    pub credentials: Credentials,
    /// How requests are signed, where they are.
    pub sign: Option<Signing>,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// What is spoken.
    pub version: Version,
    /// The most connections open at once, and over HTTP/2 the most requests in flight at once:
    /// attempts beyond wait for their turn.
    pub connections: NonZeroUsize,
    /// The connections that it shares with all other targets.
    pub budget: ConnectionBudget,
    /// How long an unused connection is kept open; at the latest after twice that time it is closed.
    pub idle: Duration,
    /// Whose certificates are accepted; read for https only.
    pub roots: Roots,
    /// What else there is to TLS; read for https only.
    pub tls: Tls,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// Which addresses may be connected to.
    pub egress: Egress,
}

impl Params {
    /// How long an unused connection is kept open unless asked otherwise.
    pub const DEFAULT_IDLE: Duration = Duration::from_secs(60);
}

/// The version of HTTP that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What the TLS handshake settles on; HTTP/1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge (RFC 9113 section 3.3).
    Http2,
}

/// Why an HTTP target can't be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpTargetError {
    /// The credentials.
    #[error("the credentials can't be sent")]
    Credentials(#[source] CredentialsError),
    /// The certificate authorities.
    #[error("there are no certificate authorities to check the target's certificate against")]
    Roots(#[source] RootsError),
    /// The host.
    #[error("the URL's host is neither a name nor an address that a certificate can be for")]
    Host,
}

/// A target that speaks HTTP. Dropping it closes its connections as attempts let go of them.
pub struct HttpTarget(Arc<Inner>);

struct Inner {
    template: Template,
    connector: Connector,
    timeouts: Timeouts,
    pool: Arc<Pool>,
    /// Held while a connection is opened that others may turn out to be able to share, so that a
    /// rush of attempts opens one and not one each.
    opening: Mutex<()>,
    /// Whether the last connection turned out to be HTTP/2; before the first, whether it may.
    speaks_http2: AtomicBool,
}

/// A connection to use, and its permit.
enum Connection {
    Http1(Box<http1::Connection>),
    Http2(http2::Stream),
}

impl HttpTarget {
    /// Checks what can be checked without the peer. For https this may read the system's
    /// certificate authorities, which blocks.
    ///
    /// # Errors
    /// Where credentials, authorities or host don't fit.
    pub fn try_new(params: Params) -> Result<Self, HttpTargetError> {
        let Params {
            url,
            credentials,
            sign,
            timeouts,
            version,
            connections,
            budget,
            idle,
            roots,
            tls,
            proxy,
            egress,
        } = params;
        let how = How {
            tls: tls::handshake(&url, &roots, &tls, version)?,
            version,
            egress,
            proxy,
        };
        let connector = Connector::new(&url, how);
        let mut template =
            Template::try_new(url, credentials, sign).map_err(HttpTargetError::Credentials)?;
        if let Some(proxy) = connector.forwarder() {
            template.name_whole_urls(&proxy.authorization());
        }
        let pool = Pool::new(connections.get(), idle, &budget);
        let speaks_http2 = AtomicBool::new(connector.may_multiplex());
        let opening = Mutex::new(());
        Ok(Self(Arc::new(Inner {
            template,
            connector,
            timeouts,
            pool,
            opening,
            speaks_http2,
        })))
    }
}

impl Target for HttpTarget {
    fn attempt(&self, request: AttemptRequest) -> BoxFuture<'static, Answer> {
        Box::pin(Arc::clone(&self.0).answer(request, None))
    }

    fn attempt_noting(&self, request: AttemptRequest, begun: Begun) -> BoxFuture<'static, Answer> {
        Box::pin(Arc::clone(&self.0).answer(request, Some(begun)))
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, request: AttemptRequest, begun: Option<Begun>) -> Answer {
        let started = Instant::now();
        let timer = pin!(sleep_until(started + self.timeouts.whole));
        let clock = Clock::new(timer, begun);
        let exchange = match self.template.tokens() {
            None => self.attempt(request, clock, started).await,
            Some(tokens) => self.attempt_by_token(tokens, request, clock, started).await,
        };
        Answer {
            exchange: exchange.unwrap_or_else(Exchange::from),
            took: started.elapsed(),
        }
    }

    async fn attempt(
        &self,
        request: AttemptRequest,
        mut clock: Clock<'_>,
        started: Instant,
    ) -> Result<Exchange, Failure> {
        let capture = request.capture;
        let message = self.template.fill(request, None)?;
        self.send(&message, capture, &mut clock, started).await
    }

    /// Sends a message, over a connection that is held or a new one, and reads the answer.
    async fn send(
        &self,
        message: &Message,
        capture: Capture,
        clock: &mut Clock<'_>,
        started: Instant,
    ) -> Result<Exchange, Failure> {
        let _permit = self.permit(clock).await?;
        let Some(held) = self.take_held(started) else {
            return self.over_fresh(message, capture, clock).await;
        };
        let held = self.exchange(held, message, started, capture, clock);
        match held.await {
            // Not over another that is idle: it is likely to have been closed together with this.
            Err(NoAnswer::Unsent(_)) => self.over_fresh(message, capture, clock).await,
            over => over.map_err(NoAnswer::into_failure),
        }
    }

    /// Sends a message over a new connection. Boxed, since it is rare, and an attempt would be
    /// several times as large with all that connecting takes.
    fn over_fresh<'a>(
        &'a self,
        message: &'a Message,
        capture: Capture,
        clock: &'a mut Clock<'_>,
    ) -> BoxFuture<'a, Result<Exchange, Failure>> {
        Box::pin(async move {
            let fresh = self.connect(clock).await?;
            self.exchange(fresh, message, Instant::now(), capture, clock)
                .await
                .map_err(NoAnswer::into_failure)
        })
    }

    async fn permit(&self, clock: &mut Clock<'_>) -> Result<SemaphorePermit<'_>, Failure> {
        if let Some(permit) = self.pool.try_permit() {
            return Ok(permit);
        }
        clock
            .until(clock.whole(), self.pool.permit())
            .await
            .map_err(|_| {
                Failure::unsent(
                    FailureKind::WholeTimeout,
                    "no connection to it was free in time",
                )
            })
    }

    fn take_held(&self, now: Instant) -> Option<Connection> {
        if let Some(idle) = self.pool.take_idle(now) {
            return Some(Connection::Http1(idle));
        }
        self.take_shared()
    }

    fn take_shared(&self) -> Option<Connection> {
        if !self.may_share() {
            return None;
        }
        self.pool.take_shared().map(Connection::Http2)
    }

    /// Opens a connection, or joins one that was opened in the meantime.
    async fn connect(&self, clock: &mut Clock<'_>) -> Result<Connection, Failure> {
        let deadline = Instant::now() + self.timeouts.connect;
        let waits = AtomicBool::new(false);
        let opened = clock.until(deadline, self.open(deadline, &waits)).await;
        opened.unwrap_or_else(|elapsed| {
            let kind = match elapsed {
                _ if waits.load(Ordering::Relaxed) => {
                    let detail = "none of the connections of this process was free in time";
                    return Err(Failure::unsent(FailureKind::NoConnection, detail));
                }
                Elapsed::Phase => FailureKind::ConnectTimeout,
                Elapsed::Whole => FailureKind::WholeTimeout,
            };
            Err(Failure::unsent(kind, "no connection in time")
                .while_doing("connect to", self.connector.peer()))
        })
    }

    async fn open(&self, deadline: Instant, waits: &AtomicBool) -> Result<Connection, Failure> {
        if !self.may_share() {
            return self.open_new(deadline, waits).await;
        }
        let turn = self.opening.lock().await;
        if let Some(shared) = self.take_shared() {
            return Ok(shared);
        }
        if !self.may_share() {
            drop(turn);
            return self.open_new(deadline, waits).await;
        }
        self.open_new(deadline, waits).await
    }

    /// Whether a new connection may be one that many attempts share, going by the last one.
    fn may_share(&self) -> bool {
        self.speaks_http2.load(Ordering::Relaxed)
    }

    /// Opens a connection; says in `waits` while it waits for its place among all of the process.
    async fn open_new(&self, deadline: Instant, waits: &AtomicBool) -> Result<Connection, Failure> {
        waits.store(true, Ordering::Relaxed);
        let slot = match self.pool.slot().await {
            Ok(slot) => slot,
            Err(idle) => return Ok(Connection::Http1(idle)),
        };
        waits.store(false, Ordering::Relaxed);
        let (socket, protocol) = self.connector.open(deadline).await?;
        self.speaks_http2
            .store(protocol == Protocol::Http2, Ordering::Relaxed);
        let named = |failure: Failure| {
            Failure::unsent(failure.kind, failure.detail)
                .while_doing("connect to", self.connector.peer())
        };
        match protocol {
            Protocol::Http1 => {
                let connection = http1::Connection::new(socket, slot);
                Ok(Connection::Http1(Box::new(connection)))
            }
            Protocol::Http2 => {
                let connection = http2::Connection::open(socket, slot).await.map_err(named)?;
                let stream = self.pool.share(connection);
                let refused = || {
                    named(Failure::unsent(
                        FailureKind::Io,
                        "it closed the connection at once",
                    ))
                };
                stream.map(Connection::Http2).ok_or_else(refused)
            }
        }
    }
}
