//! One HTTP/2 connection, driven by a task of its own and shared by many attempts.
//!
//! Built on h2 itself: hyper spawns a task for each request, and doesn't say when the peer's
//! settings have arrived. A connection is ready only when they have: then the peer is known to
//! speak HTTP/2, and how many streams it allows.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, Connection as Driver, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};

use super::budget::Slot;
use super::drain::Drain;
use super::failure::{Failure, describe};
use super::socket::Socket;
use super::upload::Upload;
use crate::{FailureKind, Sent};

/// The longest head of an answer, in bytes.
const HEAD_LIMIT: u32 = 64 << 10;

/// What a peer may send of a body before it is read; more than is ever read of one.
const STREAM_WINDOW: u32 = 128 << 10;

/// A connection, as the pool keeps it.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    state: Arc<State>,
}

struct State {
    /// Streams in use.
    streams: AtomicUsize,
    /// Streams that the peer allows.
    limit: AtomicUsize,
    /// Takes no new streams.
    retired: AtomicBool,
    /// Was used since somebody last asked.
    used: AtomicBool,
}

/// The right to one stream of a connection.
pub(super) struct Stream {
    requests: SendRequest<Bytes>,
    state: Arc<State>,
}

impl Connection {
    /// Shakes hands and waits for the peer's settings.
    pub(super) async fn open(socket: Socket, slot: Slot) -> Result<Self, Failure> {
        let shaken = Builder::new()
            .enable_push(false)
            .max_header_list_size(HEAD_LIMIT)
            .initial_window_size(STREAM_WINDOW)
            // Stays 0 until the peer's first settings, whatever they say.
            .initial_max_send_streams(0)
            .handshake(socket)
            .await;
        let (requests, mut driver) = shaken.map_err(|error| failure(&error))?;
        let limit = settled(&mut driver).await?;
        let state = Arc::new(State {
            streams: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            retired: AtomicBool::new(false),
            used: AtomicBool::new(true),
        });
        tokio::spawn(run(driver, Arc::clone(&state), slot));
        Ok(Self { requests, state })
    }

    /// Whether it takes no new streams.
    pub(super) fn is_retired(&self) -> bool {
        self.state.retired.load(Ordering::Acquire)
    }

    /// Whether nothing goes on over it.
    pub(super) fn is_unused(&self) -> bool {
        self.state.streams.load(Ordering::Relaxed) == 0
    }

    /// Whether nothing goes on over it, and nothing has since this was last asked.
    pub(super) fn was_idle(&self) -> bool {
        !self.state.used.swap(false, Ordering::Relaxed) && self.is_unused()
    }

    /// The right to a stream; `None` where the peer allows no more at once. The caller is alone in
    /// taking them.
    pub(super) fn stream(&self) -> Option<Stream> {
        if self.is_retired()
            || self.state.streams.load(Ordering::Relaxed)
                >= self.state.limit.load(Ordering::Relaxed)
        {
            return None;
        }
        self.state.streams.fetch_add(1, Ordering::Relaxed);
        self.state.used.store(true, Ordering::Relaxed);
        Some(Stream {
            requests: self.requests.clone(),
            state: Arc::clone(&self.state),
        })
    }
}

impl Stream {
    /// Whether the connection still takes a request.
    pub(super) fn ready(&mut self) -> Result<(), Failure> {
        // Never pending: this handle has no request of its own that waits for a stream.
        match self
            .requests
            .poll_ready(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(Err(error)) => {
                self.retire();
                Err(Failure {
                    sent: Sent::Nothing,
                    ..failure(&error)
                })
            }
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Sends a request and waits for the answer's head.
    pub(super) async fn exchange(
        &mut self,
        request: Request<()>,
        mut body: Upload,
    ) -> Result<Response<RecvStream>, Failure> {
        let is_empty = body.remaining() == 0;
        let (answer, stream) = self
            .requests
            .send_request(request, is_empty)
            .map_err(|error| failure(&error))?;
        if is_empty {
            return answer.await.map_err(|error| failure(&error));
        }
        send(answer, stream, &mut body)
            .await
            .map_err(|error| failure(&error))
    }

    /// Reads the answer's body; ends without a word where it breaks off, since the head has
    /// already said how the exchange ended. What isn't read is refused by dropping it.
    pub(super) async fn drain(&self, mut body: RecvStream, drain: &mut Drain) {
        while let Some(piece) = body.data().await {
            let Ok(piece) = piece else {
                return;
            };
            if drain.take(&piece).is_break() {
                return;
            }
            if body.flow_control().release_capacity(piece.len()).is_err() {
                return;
            }
        }
        drain.end();
    }

    /// Gives the connection no new streams: those that are open go on.
    pub(super) fn retire(&self) {
        self.state.retired.store(true, Ordering::Release);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.state.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Drives a connection until the peer's settings are there: how many streams it allows.
async fn settled(driver: &mut Driver<Socket, Bytes>) -> Result<usize, Failure> {
    poll_fn(|cx| match Pin::new(&mut *driver).poll(cx) {
        Poll::Ready(Ok(())) => {
            Poll::Ready(Err(Failure::unsent(FailureKind::Io, "connection closed")))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(Failure {
            sent: Sent::Nothing,
            ..failure(&error)
        })),
        Poll::Pending => match driver.max_concurrent_send_streams() {
            0 => Poll::Pending,
            limit => Poll::Ready(Ok(limit)),
        },
    })
    .await
}

/// Drives a connection until it ends: when the peer says so, when it breaks, or when the pool and
/// all attempts have let go of it. Then its place among the process' connections is given up.
async fn run(mut driver: Driver<Socket, Bytes>, state: Arc<State>, _slot: Slot) {
    let end = poll_fn(|cx| {
        let end = Pin::new(&mut driver).poll(cx);
        state
            .limit
            .store(driver.max_concurrent_send_streams(), Ordering::Relaxed);
        end
    });
    if let Err(error) = end.await {
        tracing::debug!(error = %describe(&error), "HTTP/2 connection broke");
    }
    state.retired.store(true, Ordering::Release);
}

/// Sends a body as the peer makes room for it, and waits for the answer, which may come earlier.
async fn send(
    mut answer: ResponseFuture,
    mut stream: SendStream<Bytes>,
    body: &mut Upload,
) -> Result<Response<RecvStream>, h2::Error> {
    let mut sending = pin!(async {
        while body.remaining() > 0 {
            stream.reserve_capacity(body.remaining().min(Upload::PIECE));
            // None where the peer wants no more of it: the answer says why.
            let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
                return;
            };
            let piece = body.take(room);
            if stream.send_data(piece, body.remaining() == 0).is_err() {
                return;
            }
        }
    });
    let mut is_sent = false;
    poll_fn(|cx| {
        is_sent = is_sent || sending.as_mut().poll(cx).is_ready();
        Pin::new(&mut answer).poll(cx)
    })
    .await
}

fn failure(error: &h2::Error) -> Failure {
    let kind = if error.is_library() {
        FailureKind::Protocol
    } else {
        FailureKind::Io
    };
    // RFC 9113 section 8.7: a refused stream was not acted on.
    let refused = error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
    let sent = if refused { Sent::Nothing } else { Sent::Maybe };
    Failure {
        kind,
        sent,
        detail: describe(error),
    }
}
