//! One HTTP/1.1 connection (RFC 9112): requests are read, answered and followed by others, one at a time.
//!
//! Written here instead of taken from a library since it is a large part of what a request costs, and so that each
//! refusal is a problem document ([why](../../../docs/decisions/0010-own-http1-server.md)). Heads and the sizes of
//! chunks are parsed by httparse. A request that comes in one piece is read with one call and answered with one, and
//! nothing but the connection's own task has to do with it.

mod answer;
mod arriving;
mod head;
mod wire;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::EXPECT;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Either, Full};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::{Closing, Link};
use crate::content::Content;
use crate::door::Body;
use crate::params::Limits;
use crate::problem::{Kind, Problem};
use crate::sse::Stream;
use crate::websocket::Session;
use answer::{Framing, Then};
use arriving::Arriving;
use fanway_http1::Body as Incoming;
use head::Head;

pub(crate) use wire::{Rewound, Wire};

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest body that is written together with its head, in bytes.
const TOGETHER: usize = 16 << 10;

/// What follows on the connection.
pub(crate) enum Next {
    /// Nothing.
    Nothing,
    /// HTTP/2, from its preface on.
    Http2,
    /// What it was upgraded to.
    Session(Session),
}

/// What of a request matters to the form of its answer.
#[derive(Clone, Copy)]
struct Asked {
    is_head: bool,
    version: Version,
    is_persistent: bool,
}

/// Answers requests until there are no more.
///
/// # Errors
/// Where the connection fails, or ends within a request's head.
pub(crate) async fn serve<I>(
    wire: &mut Wire<I>,
    link: &Arc<Link>,
    limits: &Limits,
) -> io::Result<Next>
where
    I: AsyncRead + AsyncWrite + Unpin + Send,
{
    if begins_with_preface(wire).await? {
        return Ok(Next::Http2);
    }
    loop {
        let Some(head) = read_head(wire, limits).await? else {
            return Ok(Next::Nothing);
        };
        let head = match head {
            Ok(head) => head,
            Err(problem) => {
                refuse(wire, link, problem).await?;
                return Ok(Next::Nothing);
            }
        };
        let asked = Asked {
            is_head: head.parts.method == Method::HEAD,
            version: head.parts.version,
            is_persistent: head.is_persistent,
        };
        let Some((response, is_read)) = answer(wire, link, head).await else {
            return Ok(Next::Nothing);
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return upgrade(wire, link, asked, response, is_read).await;
        }
        let asked = Asked {
            is_persistent: asked.is_persistent && is_read && !is_finishing(link),
            ..asked
        };
        // The door may have closed meanwhile, and nobody says so again.
        if !write(wire, link, asked, response).await? || is_finishing(link) {
            wire.end(is_read).await?;
            return Ok(Next::Nothing);
        }
    }
}

/// Whether nothing is begun any more.
fn is_finishing(link: &Link) -> bool {
    *link.closing.borrow() >= Closing::Finishing
}

/// Whether HTTP/2 is spoken. Nothing is used up of what was read.
async fn begins_with_preface<I>(wire: &mut Wire<I>) -> io::Result<bool>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let bytes = wire.read.bytes();
        if bytes.starts_with(PREFACE) {
            return Ok(true);
        }
        if !PREFACE.starts_with(bytes) || wire.fill().await? == 0 {
            return Ok(false);
        }
    }
}

/// The next request's head; `None` where there are no more.
async fn read_head<I>(
    wire: &mut Wire<I>,
    limits: &Limits,
) -> io::Result<Option<Result<Head, Problem>>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        if wire.read.may_hold_head() {
            match head::read(wire.read.bytes(), limits.max_headers) {
                Ok(Some((head, length))) => {
                    wire.read.consume(length);
                    return Ok(Some(Ok(head)));
                }
                Ok(None) => wire.read.note_seen(),
                Err(problem) => return Ok(Some(Err(problem))),
            }
        }
        if wire.read.is_full() {
            let detail = format!("the head is more than {} bytes", wire.read.bytes().len());
            return Ok(Some(Err(Problem::new(Kind::HeadersTooLarge, detail))));
        }
        if wire.fill().await? == 0 {
            return match wire.read.bytes() {
                [] => Ok(None),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
    }
}

/// Refuses what is no request. What follows it can't be understood.
async fn refuse<I>(wire: &mut Wire<I>, link: &Link, problem: Problem) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    link.core.shared.metrics.refuse(problem.kind);
    let asked = Asked {
        is_head: false,
        version: Version::HTTP_11,
        is_persistent: false,
    };
    let response = problem.into_response().map(Either::Left);
    write(wire, link, asked, response).await?;
    wire.end(false).await
}

/// The answer to a request, and whether its body was read to the end. `None` where nobody is there any more to take
/// it: who only asks is let go then, but what may be kept is seen to its end, since its sender may have closed only its
/// own side.
async fn answer<I>(
    wire: &mut Wire<I>,
    link: &Arc<Link>,
    head: Head,
) -> Option<(Response<Body>, bool)>
where
    I: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Head { parts, body, .. } = head;
    let _in_progress = link.activity.begin(parts.version);
    let Some(whole) = take_whole(wire, body) else {
        let is_awaited = awaits_go(&parts);
        let mut arriving = Arriving::new(wire, body, is_awaited);
        let request = Request::from_parts(parts, Content::Arriving(&mut arriving));
        let response = link.core.answer(request, link).await;
        return Some((response, arriving.is_end_stream()));
    };
    let is_safe = parts.method.is_safe();
    let request = Request::from_parts(parts, Content::Whole(whole));
    let answer = link.core.answer(request, link);
    let response = if is_safe {
        wire.unless_gone(answer).await?
    } else {
        answer.await
    };
    Some((response, true))
}

/// A body that has come already.
fn take_whole<I>(wire: &mut Wire<I>, body: Incoming) -> Option<Bytes> {
    let Incoming::Length(length) = body else {
        return None;
    };
    let length = usize::try_from(length).ok()?;
    let bytes = Bytes::copy_from_slice(wire.read.bytes().get(..length)?);
    wire.read.consume(length);
    Some(bytes)
}

/// Whether the sender holds its body back until it is asked for it (RFC 9110 section 10.1.1).
fn awaits_go(head: &Parts) -> bool {
    let expectation = head.headers.get(EXPECT);
    head.version == Version::HTTP_11
        && expectation.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Writes that the connection is upgraded, and says to what.
async fn upgrade<I>(
    wire: &mut Wire<I>,
    link: &Link,
    asked: Asked,
    response: Response<Body>,
    is_read: bool,
) -> io::Result<Next>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let session = link.take_session();
    let Some(session) = session.filter(|_| is_read) else {
        return Ok(Next::Nothing);
    };
    let (head, _) = response.into_parts();
    let date = link.core.date();
    answer::write_head(
        &mut wire.out,
        &head,
        (Framing::Unsaid, Then::GoesOn, asked.version),
        &date,
    );
    wire.flush().await?;
    Ok(Next::Session(session))
}

/// Writes an answer, and says whether another request may follow.
async fn write<I>(
    wire: &mut Wire<I>,
    link: &Link,
    asked: Asked,
    response: Response<Body>,
) -> io::Result<bool>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let (head, body) = response.into_parts();
    let (length, body) = match body {
        Either::Left(full) => {
            let bytes = bytes_of(full);
            (Some(bytes.len()), Either::Left(bytes))
        }
        Either::Right(stream) => (None, Either::Right(stream)),
    };
    let framing = answer::framing(head.status, asked.version, length);
    let ends_unsaid = length.is_none() && framing == Framing::Unsaid;
    let goes_on = asked.is_persistent && !ends_unsaid;
    let then = if goes_on { Then::GoesOn } else { Then::Closes };
    let date = link.core.date();
    answer::write_head(&mut wire.out, &head, (framing, then, asked.version), &date);
    match body {
        _ if asked.is_head => wire.flush().await?,
        Either::Left(bytes) => write_whole(wire, framing, &bytes).await?,
        Either::Right(stream) => write_all(wire, framing, stream).await?,
    }
    Ok(goes_on)
}

/// What a body that is known whole consists of.
fn bytes_of(full: Full<Bytes>) -> Bytes {
    let mut full = full;
    let frame = full.frame().now_or_never().flatten();
    let data = frame.and_then(|frame| frame.ok()?.into_data().ok());
    data.unwrap_or_default()
}

async fn write_whole<I>(wire: &mut Wire<I>, framing: Framing, bytes: &[u8]) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    if bytes.len() > TOGETHER {
        wire.flush().await?;
    }
    answer::write_piece(&mut wire.out, framing, bytes);
    wire.flush().await
}

/// Writes a stream's pieces as they come.
///
/// # Errors
/// Where it is broken off, or nobody is there any more to take it.
async fn write_all<I>(wire: &mut Wire<I>, framing: Framing, mut stream: Stream) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
    // What is being written; it is let go once it is.
    let mut piece = Bytes::new();
    loop {
        let mut next = None;
        // That it is broken off is seen also while a piece isn't taken.
        let next = poll_fn(|cx| {
            let is_written = wire.poll_flush(cx)?.is_ready();
            if is_written {
                piece = Bytes::new();
            }
            if next.is_none()
                && let Poll::Ready(frame) = Pin::new(&mut stream).poll_frame(cx)
            {
                next = Some(frame.transpose().map_err(|_| broken())?);
            }
            match next.take_if(|_| is_written) {
                Some(next) => Poll::Ready(Ok(next)),
                None if is_written => wire.poll_gone(cx).map(|()| Err(broken())),
                None => Poll::Pending,
            }
        })
        .await?;
        let Some(frame) = next else {
            answer::write_end(&mut wire.out, framing);
            return wire.flush().await;
        };
        piece = frame.into_data().unwrap_or_default();
        answer::write_piece(&mut wire.out, framing, &piece);
    }
}
