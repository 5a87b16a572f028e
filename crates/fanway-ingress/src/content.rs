//! The body of a request, over whatever it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fanway_http1::Malformed;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// The body of a request.
pub(crate) enum Content<'c> {
    /// It came together with the head. In memory of its own.
    Whole(Bytes),
    /// It comes over an HTTP/1.1 connection.
    Arriving(&'c mut (dyn Body<Data = Bytes, Error = Error> + Send + Unpin)),
    /// It comes over an HTTP/2 connection.
    Http2(Incoming),
}

/// Why a body can't be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The connection ended.
    #[error("the connection ended before the body did")]
    Ended,
    /// Its framing.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The stream failed.
    #[error("{0}")]
    Http2(#[from] hyper::Error),
}

impl Body for Content<'_> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Arriving(arriving) => Pin::new(&mut **arriving).poll_frame(cx),
            Self::Http2(incoming) => {
                let frame = Pin::new(incoming).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(Error::from)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Arriving(arriving) => arriving.is_end_stream(),
            Self::Http2(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Arriving(arriving) => arriving.size_hint(),
            Self::Http2(incoming) => incoming.size_hint(),
        }
    }
}
