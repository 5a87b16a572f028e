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
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::activity::{Activity, Expired};
use crate::content::Content;
use crate::door::{Body, Core};
use crate::http1::{self, Next, Rewound, Wire};
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

/// What the requests of one connection share.
pub(crate) struct Link {
    pub(crate) core: Arc<Core>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) closing: watch::Receiver<Closing>,
    /// What follows when the connection is upgraded.
    session: Mutex<Option<Session>>,
}

impl Link {
    /// Leaves it to the connection what follows when it is upgraded.
    pub(crate) fn hand_over(&self, session: Session) {
        *self.lock() = Some(session);
    }

    /// Takes what follows, where somebody has left that.
    pub(crate) fn take_session(&self) -> Option<Session> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Session>> {
        // Nothing is done with it that could leave it half done.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ends a connection from without.
struct Interrupts {
    closing: watch::Receiver<Closing>,
    expired: Expired,
}

/// Something that has come from without.
enum Interrupt {
    /// It has been without a request for too long.
    Expired,
    /// Nothing is begun any more.
    Finishing,
    /// Everything is let go.
    Closed,
}

impl Interrupts {
    /// The next one. To be polled after the connection itself, which moves the timer by what it has just done.
    async fn next(&mut self) -> Interrupt {
        tokio::select! {
            biased;
            () = &mut self.expired => Interrupt::Expired,
            changed = self.closing.changed() => {
                if changed.is_err() || *self.closing.borrow() == Closing::Closed {
                    Interrupt::Closed
                } else {
                    Interrupt::Finishing
                }
            }
        }
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve<I>(core: Arc<Core>, io: I, closing: watch::Receiver<Closing>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = core.shared.present().limits;
    let activity = Activity::new(&limits);
    let link = Arc::new(Link {
        core,
        activity: Arc::clone(&activity),
        closing: closing.clone(),
        session: Mutex::default(),
    });
    let mut interrupts = Interrupts {
        closing,
        expired: activity.expired(),
    };
    let mut wire = Wire::new(io, &limits, activity);
    match over_http1(&link, &mut wire, &limits, &mut interrupts).await {
        Next::Nothing => {}
        Next::Http2 => Box::pin(over_http2(&link, wire.into(), &limits, interrupts)).await,
        Next::Session(session) => {
            tokio::select! {
                () = Box::pin(session.run(Rewound::from(wire), link.closing.clone())) => {}
                () = Closing::Closed.is_reached(&mut interrupts.closing) => {}
            }
        }
    }
}

async fn over_http1<I>(
    link: &Arc<Link>,
    wire: &mut Wire<I>,
    limits: &Limits,
    interrupts: &mut Interrupts,
) -> Next
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut serving = pin!(http1::serve(wire, link, limits));
    loop {
        tokio::select! {
            biased;
            next = serving.as_mut() => return next.unwrap_or_else(|error| {
                tracing::debug!(%error, "a connection failed");
                Next::Nothing
            }),
            interrupt = interrupts.next() => match interrupt {
                Interrupt::Expired | Interrupt::Closed => return Next::Nothing,
                // What is in progress, or has begun to arrive, is the last.
                Interrupt::Finishing if link.activity.is_quiet() => return Next::Nothing,
                Interrupt::Finishing => {}
            },
        }
    }
}

async fn over_http2<I>(
    link: &Arc<Link>,
    io: Rewound<I>,
    limits: &Limits,
    mut interrupts: Interrupts,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = &link.activity;
    let requests = Arc::clone(link);
    let service = service_fn(move |request| answer(Arc::clone(&requests), request));
    let mut connection = pin!(http2(limits).serve_connection(TokioIo::new(io), service));
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection failed");
                }
                return;
            }
            interrupt = interrupts.next() => match interrupt {
                Interrupt::Expired if activity.takes_leave() => {
                    connection.as_mut().graceful_shutdown();
                    interrupts.expired = activity.expired();
                }
                Interrupt::Expired | Interrupt::Closed => return,
                Interrupt::Finishing => connection.as_mut().graceful_shutdown(),
            },
        }
    }
}

/// HTTP/2 with the settings that follow from the limits.
fn http2(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let head = limits.max_header_bytes.max(Limits::SMALLEST_HEAD);
    builder.max_concurrent_streams(limits.streams);
    builder.max_header_list_size(u32::try_from(head.get()).unwrap_or(u32::MAX));
    builder
}

async fn answer(link: Arc<Link>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let _in_progress = link.activity.begin(request.version());
    let request = request.map(Content::Http2);
    Ok(link.core.answer(request, &link).await)
}
