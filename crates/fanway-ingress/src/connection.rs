//! One connection: HTTP/1.1, or HTTP/2 with prior knowledge, from its first byte to its end.
//!
//! It ends when the peer ends it, when it has been without a request for too long, or when the
//! door closes: then requests in progress are still answered, and new ones are refused by
//! HTTP/2's GOAWAY or HTTP/1's `connection: close`.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::activity::{Activity, Watched};
use crate::door::Core;
use crate::params::Limits;

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
struct Link {
    core: Arc<Core>,
    activity: Arc<Activity>,
    closing: watch::Receiver<Closing>,
}

impl Link {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let _in_progress = self.activity.begin(request.version());
        Ok(self.core.answer(request, &self.closing).await)
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve<I>(core: Arc<Core>, io: I, mut closing: watch::Receiver<Closing>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new(&core.shared.limits);
    let io = Watched::new(TokioIo::new(io), Arc::clone(&activity));
    let link = Arc::new(Link {
        core: Arc::clone(&core),
        activity: Arc::clone(&activity),
        closing: closing.clone(),
    });
    let service = service_fn(move |request| Arc::clone(&link).answer(request));
    let mut connection = pin!(core.builder.serve_connection(io, service));
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
