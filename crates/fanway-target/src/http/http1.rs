//! One HTTP/1.1 connection (RFC 9112), driven from within the attempt that uses it.
//!
//! Written here instead of taken from a library since it is what a delivery mostly costs
//! ([why](../../../../docs/decisions/0009-own-http1-client.md)). Heads and the sizes of chunks are
//! parsed by httparse. A request goes out with one write, and from one buffer unless its body is
//! long; an exchange costs one wake-up to send it and one to read the answer. While a connection is
//! idle nobody polls it: before it is used again it is looked at, and where the peer has closed it,
//! or has sent what nobody asked for, nothing is sent over it.

mod head;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fanway_http1::{Body, Buffer};
use http::Method;
use tokio::io::AsyncWrite;

use super::budget::Slot;
use super::drain::Drain;
use super::failure::{Failure, describe};
use super::socket::Socket;
use super::upload::Upload;
use crate::{FailureKind, Sent};

pub(super) use head::Head;

/// The longest head of an answer, and of all answers on the way to it together, and the most that is
/// buffered of a body, in bytes.
const LIMIT: usize = 64 << 10;

/// One connection, for one exchange at a time.
pub(super) struct Connection {
    socket: Socket,
    /// What was read, and isn't used yet.
    read: Buffer,
    /// How long the answers on the way were that this exchange has passed over, in bytes.
    passed_over: usize,
    /// Whether an exchange was over cleanly, so that another can follow.
    is_idle: bool,
    /// Its place among the process' connections; given up after the socket is closed.
    _slot: Slot,
}

/// A request on its way out.
pub(super) struct Outgoing<'m> {
    /// Whether an answer to it has a body depends on it.
    method: &'m Method,
    /// The head, and maybe a body.
    text: &'m [u8],
    /// How much of the text was taken.
    taken: usize,
    /// What follows.
    rest: Upload,
    state: Sending,
}

/// How far a request is.
enum Sending {
    UnderWay,
    Sent,
    /// The peer takes no more of it. It may have answered all the same.
    Failed(io::Error),
}

impl<'m> Outgoing<'m> {
    /// A request, its head being written out in `text`: with its body, or that is the `rest`.
    pub(super) fn new(method: &'m Method, text: &'m [u8], rest: Upload) -> Self {
        Self {
            method,
            text,
            taken: 0,
            rest,
            state: Sending::UnderWay,
        }
    }

    /// Why there is no answer to it.
    fn failure(&self, kind: FailureKind, detail: String) -> Failure {
        let sent = if self.taken == 0 {
            Sent::Nothing
        } else {
            Sent::Maybe
        };
        Failure { kind, sent, detail }
    }

    /// The failure where the connection has ended, by this error, after such a beginning of a head.
    fn broken(&self, error: Option<io::Error>, head: &[u8]) -> Failure {
        let detail = match (&self.state, error) {
            (Sending::Failed(error), _) => describe(error),
            (_, Some(error)) => describe(&error),
            (_, None) if head.is_empty() => {
                "it closed the connection before it answered".to_owned()
            }
            (_, None) => "it closed the connection within the answer's head".to_owned(),
        };
        self.failure(FailureKind::Io, detail)
    }

    /// The bytes to take next; of the second slice only behind the whole of the first.
    fn slices(&self) -> (&[u8], &[u8]) {
        (&self.text[self.taken..], self.rest.piece())
    }

    /// Takes so many bytes of the [`slices`](Self::slices).
    fn advance(&mut self, taken: usize) {
        let of_text = taken.min(self.text.len() - self.taken);
        self.taken += of_text;
        self.rest.advance(taken - of_text);
    }

    fn is_taken(&self) -> bool {
        self.taken == self.text.len() && self.rest.remaining() == 0
    }
}

impl Connection {
    /// A connection that nothing was sent over.
    pub(super) fn new(socket: Socket, slot: Slot) -> Self {
        Self {
            socket,
            read: Buffer::new(LIMIT),
            passed_over: 0,
            is_idle: false,
            _slot: slot,
        }
    }

    /// Whether the last exchange was over cleanly, so that another can follow.
    pub(super) fn is_reusable(&self) -> bool {
        self.is_idle
    }

    /// Sends a request and waits for the answer's head. The failure says whether anything of the
    /// request was sent.
    pub(super) async fn exchange(&mut self, request: &mut Outgoing<'_>) -> Result<Head, Failure> {
        let was_idle = std::mem::replace(&mut self.is_idle, false);
        let mut is_looked_at = !was_idle;
        self.passed_over = 0;
        poll_fn(|cx| {
            if !is_looked_at {
                is_looked_at = true;
                self.look(cx)?;
                self.send(cx, request);
                if !matches!(request.state, Sending::Failed(_)) {
                    // There was no answer just now, and looking has us woken by what comes.
                    return Poll::Pending;
                }
            }
            self.send(cx, request);
            // Also before all is sent: an answer may come early, and say why the peer takes no more.
            self.poll_head(cx, request)
        })
        .await
    }

    /// Looks whether an idle connection is as it was left.
    fn look(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let unsent = |detail: String| Failure::unsent(FailureKind::Io, detail);
        match self.read.poll_fill(&mut self.socket, cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(0)) => Err(unsent("it had closed the connection".to_owned())),
            Poll::Ready(Ok(_)) => Err(unsent("it had sent what nobody asked for".to_owned())),
            Poll::Ready(Err(error)) => Err(unsent(describe(&error))),
        }
    }

    /// Sends what the peer takes now.
    fn send(&mut self, cx: &mut Context<'_>, request: &mut Outgoing<'_>) {
        if let Sending::UnderWay = request.state {
            request.state = match self.poll_send(cx, request) {
                Poll::Ready(Ok(())) => Sending::Sent,
                Poll::Ready(Err(error)) => Sending::Failed(error),
                Poll::Pending => Sending::UnderWay,
            };
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        request: &mut Outgoing<'_>,
    ) -> Poll<io::Result<()>> {
        while !request.is_taken() {
            let socket = Pin::new(&mut self.socket);
            // The system takes one slice in less time than two of which one is empty.
            let written = match request.slices() {
                (one, []) | ([], one) => socket.poll_write(cx, one),
                (text, rest) => socket.poll_write_vectored(cx, &[text, rest].map(IoSlice::new)),
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => request.advance(taken),
            }
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        request: &Outgoing<'_>,
    ) -> Poll<Result<Head, Failure>> {
        loop {
            if self.read.may_hold_head() {
                match head::read(self.read.bytes(), request.method) {
                    Ok(Some((head, length))) => {
                        self.read.consume(length);
                        if head.is_final() {
                            return Poll::Ready(Ok(head));
                        }
                        self.passed_over += length;
                        if self.passed_over > LIMIT {
                            // Who does nothing else would keep a core busy until time is up.
                            let detail = "it answers on the way without end".to_owned();
                            return Poll::Ready(
                                Err(request.failure(FailureKind::Protocol, detail)),
                            );
                        }
                        continue;
                    }
                    Ok(None) => self.read.note_seen(),
                    Err(error) => {
                        let detail = error.to_string();
                        return Poll::Ready(Err(request.failure(FailureKind::Protocol, detail)));
                    }
                }
            }
            if self.read.is_full() {
                let detail = "the answer's head is too long".to_owned();
                return Poll::Ready(Err(request.failure(FailureKind::Protocol, detail)));
            }
            match ready!(self.read.poll_fill(&mut self.socket, cx)) {
                Ok(1..) => {}
                end => {
                    let failure = request.broken(end.err(), self.read.bytes());
                    return Poll::Ready(Err(failure));
                }
            }
        }
    }

    /// Reads the answer's body; ends without a word where it breaks off, since the head has
    /// already said how the exchange ended.
    pub(super) async fn drain(&mut self, request: &Outgoing<'_>, head: Head, drain: &mut Drain) {
        let mut body = head.body;
        while !body.is_over() {
            match body.next(self.read.bytes()) {
                Ok((0, _)) => {
                    let filled = poll_fn(|cx| self.read.poll_fill(&mut self.socket, cx)).await;
                    match filled {
                        Ok(1..) => {}
                        // This end is the body's own.
                        Ok(0) if body == Body::UntilClose => return drain.end(),
                        Ok(0) | Err(_) => return,
                    }
                }
                Ok((used, data)) => {
                    // What isn't wanted any more stays unread, and with it the connection.
                    if drain.take(data).is_break() {
                        return;
                    }
                    self.read.consume(used);
                }
                // Chunks that are none.
                Err(_) => return,
            }
        }
        drain.end();
        let is_sent = matches!(request.state, Sending::Sent);
        self.is_idle = is_sent && head.is_persistent && self.read.bytes().is_empty();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;
    use tokio::time::Instant;

    use super::{Outgoing, Upload};
    use crate::{FailureKind, Sent};

    /// Whether what is taken in steps of so many bytes is the text and what follows it, each byte
    /// once and in order.
    #[track_caller]
    fn check(text: &[u8], rest: &[u8], step: usize) {
        let upload = Upload::new(Bytes::copy_from_slice(rest), Instant::now());
        let mut request = Outgoing::new(&Method::POST, text, upload);
        let sent = |request: &Outgoing<'_>| request.failure(FailureKind::Io, String::new()).sent;
        assert_eq!(sent(&request), Sent::Nothing);
        let mut taken: Vec<u8> = Vec::new();
        while !request.is_taken() {
            let (first, second) = request.slices();
            let before = taken.len();
            taken.extend(first.iter().chain(second).copied().take(step));
            request.advance(taken.len() - before);
            assert_eq!(sent(&request), Sent::Maybe);
        }
        assert_eq!(request.slices(), (&[][..], &[][..]));
        assert!(taken == [text, rest].concat(), "in steps of {step}");
    }

    #[test]
    fn what_is_taken_in_part_goes_on_where_it_was_left() {
        for step in [1, 3, 4, 5, 9, 10, 100] {
            check(b"head", b"", step);
            check(b"head", b"body", step);
        }
        let long: Vec<u8> = (0..=250).cycle().take(2 * Upload::PIECE + 1).collect();
        for step in [7, 1000, Upload::PIECE, Upload::PIECE + 4, usize::MAX] {
            check(b"head", &long, step);
        }
    }
}
