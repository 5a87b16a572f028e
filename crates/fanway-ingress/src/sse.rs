//! A message's events as server-sent events (WHATWG HTML, 9.2).
//!
//! A task makes the stream and the connection takes it, piece by piece: the next piece is handed
//! over when the connection has let go of the last one, which it does when that has been written to
//! the socket. That is how one who doesn't read is known. Pieces are small, so that hyper, which
//! speaks HTTP/2, always has room for another and sees at once that the stream was broken off.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::connection::{Closing, Link};
use crate::events::{BEAT, Event, States, TAKE_TIME};
use crate::places::Place;

/// The largest piece, in bytes.
const PIECE: usize = 4096;

const BEAT_COMMENT: Bytes = Bytes::from_static(b": still here\n\n");
const CLOSING_COMMENT: Bytes = Bytes::from_static(b": the gateway is stopping\n\n");

/// Keeps nginx from holding events back.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Begins to tell of a message.
pub(crate) fn start(states: States, place: Place, link: &Link) -> Response<Stream> {
    // One piece lies here until the connection takes it.
    let (sender, receiver) = mpsc::channel(1);
    let pipe = Pipe {
        sender,
        room: Arc::new(Semaphore::new(1)),
    };
    let closing = link.closing.clone();
    let in_progress = link.activity.prolong();
    tokio::spawn(async move {
        // How it ended is known to who has to know it.
        let _end = tell(states, &pipe, closing).await;
        drop((in_progress, place));
    });
    let mut response = Response::new(Stream { pieces: receiver });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    response
}

/// Tells of a message until it has ended, or who follows is gone, or the door closes.
async fn tell(
    mut states: States,
    pipe: &Pipe,
    mut closing: watch::Receiver<Closing>,
) -> Result<(), LetGo> {
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = pipe.sender.closed() => return Ok(()),
            () = Closing::Finishing.is_reached(&mut closing) => {
                return pipe.hand_over(CLOSING_COMMENT).await;
            }
            next = states.next() => match next {
                Ok(Some(event)) => pipe.hand_over(text(&event)).await?,
                // Who follows comes again, and is told why there is nothing to tell.
                Ok(None) | Err(_) => return Ok(()),
            },
            _ = beat.tick() => pipe.hand_over(BEAT_COMMENT).await?,
        }
    }
}

fn text(event: &Event) -> Bytes {
    let start = format!("event: message\nid: {}\ndata: ", event.id);
    [start.as_bytes(), &event.document, b"\n\n"].concat().into()
}

/// One who follows was too slow, or went away.
#[derive(Debug, thiserror::Error)]
#[error("an event was not taken in time")]
pub(crate) struct LetGo;

/// The end of a stream at which it is made.
struct Pipe {
    sender: mpsc::Sender<Result<Bytes, LetGo>>,
    /// For the one piece that is on its way.
    room: Arc<Semaphore>,
}

impl Pipe {
    /// Hands `text` over and waits until all of it was taken. Breaks the stream off where that
    /// takes too long.
    async fn hand_over(&self, text: Bytes) -> Result<(), LetGo> {
        match timeout(TAKE_TIME, self.send(text)).await {
            Ok(sent) => sent,
            Err(_) => {
                tracing::debug!("one who follows a message is too slow, and is let go");
                // Where the channel is full the stream isn't being read, and ends when it is.
                let _full = self.sender.try_send(Err(LetGo));
                Err(LetGo)
            }
        }
    }

    async fn send(&self, mut text: Bytes) -> Result<(), LetGo> {
        while !text.is_empty() {
            let bytes = text.split_to(text.len().min(PIECE));
            let permit = Arc::clone(&self.room).acquire_owned().await;
            let piece = Piece {
                bytes,
                _room: permit.expect("it is never closed"),
            };
            let sent = self.sender.send(Ok(Bytes::from_owner(piece))).await;
            sent.map_err(|_| LetGo)?;
        }
        let _taken = self.room.acquire().await;
        Ok(())
    }
}

/// Takes up the room until the connection lets go of it.
struct Piece {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The end of a stream at which the connection takes it.
pub(crate) struct Stream {
    pieces: mpsc::Receiver<Result<Bytes, LetGo>>,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = LetGo;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, LetGo>>> {
        let piece = self.pieces.poll_recv(cx);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
