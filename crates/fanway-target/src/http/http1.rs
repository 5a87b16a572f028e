//! One HTTP/1.1 connection, driven from within the attempt that uses it.
//!
//! hyper's connection future does all reading and writing. It is polled by the attempt's own
//! future instead of a task of its own: an exchange then costs one wake-up to write and one to
//! read. While the connection is idle nobody polls it; its first poll reads before it writes, and
//! so sees a close, or bytes that nobody asked for, before anything is sent.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection as Driver, SendRequest};
use hyper_util::rt::TokioIo;

use super::drain::Drain;
use super::failure::{Failure, describe};
use super::socket::Socket;
use super::upload::Upload;
use crate::{FailureKind, Sent};

/// The longest head of an answer, and the most that is buffered of a body, in bytes.
const BUFFER_LIMIT: usize = 64 << 10;

/// One connection, for one exchange at a time.
pub(super) struct Connection {
    requests: SendRequest<Upload>,
    /// None where it has ended.
    driver: Option<Driver<TokioIo<Socket>, Upload>>,
}

/// An exchange that ended before an answer's head, with the request where nothing of it was sent.
pub(super) struct Broken {
    pub(super) failure: Failure,
    pub(super) unsent: Option<Box<Request<Upload>>>,
}

impl Connection {
    pub(super) async fn open(socket: Socket) -> Result<Self, Failure> {
        let (requests, driver) = Builder::new()
            .max_buf_size(BUFFER_LIMIT)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|error| Failure::unsent(FailureKind::Io, describe(&error)))?;
        Ok(Self {
            requests,
            driver: Some(driver),
        })
    }

    /// Whether the last exchange was over cleanly, so that another can follow.
    pub(super) fn is_reusable(&self) -> bool {
        self.driver.is_some() && self.requests.is_ready()
    }

    /// Sends a request and waits for the answer's head.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, Broken> {
        let mut answer = pin!(self.requests.try_send_request(request));
        let driver = &mut self.driver;
        let result = poll_fn(|cx| {
            drive(driver, cx);
            answer.as_mut().poll(cx)
        });
        result.await.map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            let sent = if unsent.is_some() {
                Sent::Nothing
            } else {
                Sent::Maybe
            };
            let detail = describe(error.error());
            Broken {
                failure: Failure {
                    kind: kind_of(error.error()),
                    sent,
                    detail,
                },
                unsent,
            }
        })
    }

    /// Reads the answer's body; ends without a word where it breaks off, since the head has
    /// already said how the exchange ended.
    pub(super) async fn drain(&mut self, mut body: Incoming, drain: &mut Drain) {
        while !body.is_end_stream() {
            let Some(piece) = self.piece(&mut body).await else {
                return;
            };
            // With its body unread the connection never becomes reusable.
            if drain.take(&piece).is_break() {
                return;
            }
        }
    }

    /// The next piece of a body, empty where it is a trailer.
    async fn piece(&mut self, body: &mut Incoming) -> Option<Bytes> {
        poll_fn(|cx| {
            drive(&mut self.driver, cx);
            let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(cx));
            Poll::Ready(
                frame
                    .and_then(Result::ok)
                    .map(|frame| frame.into_data().unwrap_or_default()),
            )
        })
        .await
    }
}

/// Lets a connection read and write. One that has ended is dropped, since only then hyper gives
/// back a request that it hadn't begun to send.
fn drive(driver: &mut Option<Driver<TokioIo<Socket>, Upload>>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && Pin::new(running).poll(cx).is_ready()
    {
        *driver = None;
    }
}

fn kind_of(error: &hyper::Error) -> FailureKind {
    if error.is_parse() {
        FailureKind::Protocol
    } else {
        FailureKind::Io
    }
}
