//! One connection: HTTP/1.1, or HTTP/2 with prior knowledge, from its first byte to its end.
//!
//! It ends when the peer ends it, when it has been without a request for too long, or when the
//! door closes: then requests in progress are still answered, and new ones are refused by
//! HTTP/2's GOAWAY or HTTP/1's `connection: close`. Where it is upgraded to a WebSocket, that is
//! served here to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::activity::{Activity, Watched};
use crate::door::{Body, Core};
use crate::params::Limits;
use crate::websocket::Session;

/// How far the door has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closing {
    /// It hasn't.
    Open,
    /// What is in progress is finished, and nothing is begun.
    Finishing,
    /// Everything is let go.
    Closed,
}

impl Closing {
    /// Resolves when the door has closed as far as this, or is gone.
    pub(crate) async fn is_reached(self, closing: &mut watch::Receiver<Self>) {
        let _gone = closing.wait_for(|closing| *closing >= self).await;
    }
}

/// The settings of hyper that follow from the limits.
pub(crate) fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let head = limits.max_header_bytes.max(Limits::SMALLEST_HEAD);
    // `Activity` has the time-outs.
    builder.http1().header_read_timeout(None);
    builder.http1().max_buf_size(head.as_usize());
    if limits.max_headers != Limits::default().max_headers {
        // hyper keeps its default number on the stack, and any other on the heap.
        builder.http1().max_headers(limits.max_headers);
    }
    builder.http2().max_concurrent_streams(limits.streams);
    builder
        .http2()
        .max_header_list_size(u32::try_from(head.get()).unwrap_or(u32::MAX));
    builder
}

/// What the requests of one connection share.
pub(crate) struct Link {
    pub(crate) core: Arc<Core>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) closing: watch::Receiver<Closing>,
    /// What follows when the connection is upgraded.
    session: Mutex<Option<Session>>,
}

impl Link {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let _in_progress = self.activity.begin(request.version());
        Ok(self.core.answer(request, &self).await)
    }

    /// Leaves it to the connection what follows when it is upgraded.
    pub(crate) fn hand_over(&self, session: Session) {
        *self.lock() = Some(session);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Session>> {
        // Nothing is done with it that could leave it half done.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve<I>(core: Arc<Core>, io: I, closing: watch::Receiver<Closing>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let present = core.shared.present();
    let builder = Arc::clone(&present.builder);
    let link = Arc::new(Link {
        core,
        activity: Activity::new(&present.limits),
        closing,
        session: Mutex::default(),
    });
    drop(present);
    answer_all(&link, io, &builder).await;
    let session = link.lock().take();
    if let Some(session) = session {
        let mut closing = link.closing.clone();
        tokio::select! {
            () = Box::pin(session.run(link.closing.clone())) => {}
            () = Closing::Closed.is_reached(&mut closing) => {}
        }
    }
}

/// Answers requests until there are no more, or the connection is upgraded.
async fn answer_all<I>(link: &Arc<Link>, io: I, builder: &Builder<TokioExecutor>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = &link.activity;
    let mut closing = link.closing.clone();
    let io = Watched::new(TokioIo::new(io), Arc::clone(activity));
    let requests = Arc::clone(link);
    let service = service_fn(move |request| Arc::clone(&requests).answer(request));
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut expired = activity.expired();
    loop {
        // The timer is moved by what the connection has just done, so the connection comes first.
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(error, "a connection failed");
                }
                return;
            }
            () = &mut expired => {
                if !activity.takes_leave() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                expired = activity.expired();
            }
            changed = closing.changed() => {
                if changed.is_err() || *closing.borrow() == Closing::Closed {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
