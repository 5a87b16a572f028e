//! The body of a request that didn't come together with its head.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use fanway_http1::Body as Framing;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::wire::Wire;
use crate::content::Error;

/// The most that is handed on at a time of a body whose length is known, in bytes: few enough to be there at once.
const PIECE: u64 = 64 << 10;

/// What a sender who asked for it is told before it sends its body (RFC 9110 section 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A body on its way in. It is read as far as somebody asks for it.
pub(super) struct Arriving<'w, I> {
    wire: &'w mut Wire<I>,
    framing: Framing,
    /// What its sender has still to be told before it sends.
    to_tell: &'static [u8],
    /// What has come of the present piece, and how long that is to be.
    piece: BytesMut,
}

impl<'w, I> Arriving<'w, I> {
    /// A body whose sender waits to be asked for it where `is_awaited`, and nothing of it has come yet.
    pub(super) fn new(wire: &'w mut Wire<I>, framing: Framing, is_awaited: bool) -> Self {
        let is_awaited = is_awaited && wire.read.bytes().is_empty();
        Self {
            wire,
            framing,
            to_tell: if is_awaited { CONTINUE } else { &[] },
            piece: BytesMut::new(),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Arriving<'_, I> {
    fn poll_tell(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.to_tell.is_empty() {
            let told = ready!(Pin::new(&mut self.wire.io).poll_write(cx, self.to_tell))?;
            self.to_tell = self.to_tell.get(told..).unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }

    /// The next piece of `left` bytes.
    fn poll_piece(&mut self, cx: &mut Context<'_>, left: u64) -> Poll<Result<Bytes, Error>> {
        let size = usize::try_from(left.min(PIECE)).unwrap_or(usize::MAX);
        if self.piece.capacity() == 0 {
            self.piece.reserve(size);
            let there = self.wire.read.bytes();
            let there = &there[..size.min(there.len())];
            self.piece.put_slice(there);
            let there = there.len();
            self.wire.read.consume(there);
        }
        while self.piece.len() < size {
            let missing = size - self.piece.len();
            let mut room = (&mut self.piece).limit(missing);
            let read = pin!(self.wire.io.read_buf(&mut room));
            if ready!(read.poll(cx))? == 0 {
                return Poll::Ready(Err(Error::Ended));
            }
        }
        self.framing = Framing::Length(left - size as u64);
        Poll::Ready(Ok(std::mem::take(&mut self.piece).freeze()))
    }

    /// The next data of chunks; `None` where they are over.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        while !self.framing.is_over() {
            let (used, data) = self.framing.next(self.wire.read.bytes())?;
            if used == 0 {
                if self.wire.read.is_full() {
                    return Poll::Ready(Err(Error::Malformed(fanway_http1::Malformed)));
                }
                if ready!(self.wire.poll_fill(cx))? == 0 {
                    return Poll::Ready(Err(Error::Ended));
                }
                continue;
            }
            let data = Bytes::copy_from_slice(data);
            self.wire.read.consume(used);
            if !data.is_empty() {
                return Poll::Ready(Ok(Some(data)));
            }
        }
        Poll::Ready(Ok(None))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Body for Arriving<'_, I> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.framing.is_over() {
            return Poll::Ready(None);
        }
        if let Err(error) = ready!(self.poll_tell(cx)) {
            return Poll::Ready(Some(Err(error)));
        }
        let data = match self.framing {
            Framing::Length(left) => ready!(self.poll_piece(cx, left)).map(Some),
            _ => ready!(self.poll_chunk(cx)),
        };
        Poll::Ready(data.transpose().map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.framing.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}
