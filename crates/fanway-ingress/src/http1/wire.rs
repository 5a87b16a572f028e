//! The bytes of one HTTP/1.1 connection, in and out.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fanway_http1::Buffer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::activity::Activity;
use crate::params::Limits;

/// Bytes of written answers whose room is kept for the next one.
const KEPT: usize = 4 << 10;

/// How long a connection is still read after its last answer, and how much, so that what its peer goes on sending
/// doesn't make the system break it off before the peer has seen the answer (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// A connection, what was read of it, and what is being written to it.
pub(crate) struct Wire<I> {
    pub(super) io: I,
    pub(super) read: Buffer,
    /// What is to be written.
    pub(super) out: Vec<u8>,
    /// How much of that is.
    written: usize,
    activity: Arc<Activity>,
}

impl<I> Wire<I> {
    /// A connection of which nothing was read.
    pub(crate) fn new(io: I, limits: &Limits, activity: Arc<Activity>) -> Self {
        let head = limits.max_header_bytes.max(Limits::SMALLEST_HEAD);
        Self {
            io,
            read: Buffer::new(head.as_usize()),
            out: Vec::new(),
            written: 0,
            activity,
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Wire<I> {
    /// Reads more; 0 where there is nothing more to come.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = ready!(self.read.poll_fill(&mut self.io, cx));
        self.activity.has_read();
        Poll::Ready(read)
    }

    /// Reads more; 0 where there is nothing more to come.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Writes what is to be written, with one call where the system takes it.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let io = Pin::new(&mut self.io);
            match ready!(io.poll_write(cx, &self.out[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.written = 0;
        self.out.clear();
        self.out.shrink_to(KEPT);
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Writes what is to be written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Whether the peer has closed its side. As soon as it sends more instead, that can't be seen any more.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.read.bytes().is_empty() {
            return Poll::Pending;
        }
        match ready!(self.poll_fill(cx)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => Poll::Pending,
        }
    }

    /// What comes of `work`; `None` where the peer has closed its side before.
    pub(super) async fn unless_gone<F: Future>(&mut self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll_gone(cx).map(|()| None),
        })
        .await
    }

    /// Ends the connection behind its last answer. Where not all `is_read`, the peer may go on sending before it sees
    /// that answer.
    pub(super) async fn end(&mut self, is_read: bool) -> io::Result<()> {
        self.io.shutdown().await?;
        if is_read && self.read.bytes().is_empty() {
            return Ok(());
        }
        let mut left = LINGER_BYTES;
        let read_on = async {
            while left > 0 {
                let there = self.read.bytes().len();
                self.read.consume(there);
                match poll_fn(|cx| self.read.poll_fill(&mut self.io, cx)).await {
                    Ok(read @ 1..) => left = left.saturating_sub(read),
                    Ok(0) | Err(_) => return,
                }
            }
        };
        // However it ends, it is over.
        let _end = timeout(LINGER, read_on).await;
        Ok(())
    }
}

/// A connection as a stream, from what was read of it and isn't used on. What is read goes on being noted.
pub(crate) struct Rewound<I>(Wire<I>);

impl<I> From<Wire<I>> for Rewound<I> {
    fn from(wire: Wire<I>) -> Self {
        Self(wire)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Rewound<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Wire {
            io, read, activity, ..
        } = &mut self.0;
        let there = read.bytes();
        let result = if there.is_empty() {
            ready!(Pin::new(io).poll_read(cx, room))
        } else {
            let taken = there.len().min(room.remaining());
            room.put_slice(&there[..taken]);
            read.consume(taken);
            Ok(())
        };
        activity.has_read();
        Poll::Ready(result)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Rewound<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.io.is_write_vectored()
    }
}
