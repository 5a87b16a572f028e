//! A message's events over a WebSocket (RFC 6455), which HTTP/1.1 is upgraded to.
//!
//! Each state is a text. What comes in is answered where the protocol asks for it, and is ignored
//! otherwise. One who doesn't take what it is sent, or doesn't answer pings, is let go.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Response, StatusCode, Version};
use http_body_util::Full;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::connection::{Closing, Link};
use crate::events::{BEAT, Event, States, TAKE_TIME};
use crate::places::Place;
use crate::problem::{Kind, Problem};

/// The version that is spoken.
const VERSION: &str = "13";

/// The largest text that comes in; all are ignored.
const LARGEST_INCOMING: usize = 4096;

/// What is read at once.
const READ_BUFFER: usize = 1024;

/// Pings without any answer before one who follows is let go: it has had [`TAKE_TIME`] then.
const PATIENCE: u32 = 2;

/// The longest that a peer is waited for when the socket is closed.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A request for a WebSocket that can be met.
pub(crate) struct Handshake {
    accept: HeaderValue,
}

impl Handshake {
    /// The handshake of a request; `None` where it asks for no WebSocket.
    ///
    /// # Errors
    /// [`Kind::WebsocketMalformed`].
    pub(crate) fn read(head: &Parts) -> Result<Option<Self>, Problem> {
        let headers = &head.headers;
        let asks = lists(headers, &UPGRADE, "websocket") && lists(headers, &CONNECTION, "upgrade");
        if !asks || head.version == Version::HTTP_2 {
            return Ok(None);
        }
        let malformed = || Problem::from(Kind::WebsocketMalformed).websocket_version(VERSION);
        let version = headers.get(SEC_WEBSOCKET_VERSION);
        if head.version != Version::HTTP_11 || version.is_none_or(|version| version != VERSION) {
            return Err(malformed());
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(malformed)?;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
        Ok(Some(Self {
            accept: accept.expect("base 64 is ASCII"),
        }))
    }

    /// Answers it, and leaves the session to the connection.
    pub(crate) fn accept(self, states: States, place: Place, link: &Link) -> Response<Full<Bytes>> {
        link.hand_over(Session {
            states,
            _place: place,
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        response
    }
}

/// Whether a header lists `token`, in capitals or not.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

/// What follows an upgrade.
pub(crate) struct Session {
    states: States,
    _place: Place,
}

/// Why a session ends: with a close frame of this code, or without where the peer is gone.
type End = Option<CloseCode>;

impl Session {
    /// Tells of a message over `io` until it has ended, or who follows is gone, or the door closes.
    pub(crate) async fn run<I>(mut self, io: I, closing: watch::Receiver<Closing>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(LARGEST_INCOMING))
            .max_frame_size(Some(LARGEST_INCOMING));
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let mut line = Line {
            socket,
            unanswered: 0,
        };
        if let Some(code) = line.tell(&mut self.states, closing).await {
            line.close(code).await;
        }
    }
}

/// A socket, and how many pings it owes answers to.
struct Line<I> {
    socket: WebSocketStream<I>,
    unanswered: u32,
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send> Line<I> {
    async fn tell(&mut self, states: &mut States, mut closing: watch::Receiver<Closing>) -> End {
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let on = tokio::select! {
                biased;
                () = Closing::Finishing.is_reached(&mut closing) => {
                    return Some(CloseCode::Away);
                }
                next = states.next() => match next {
                    Ok(Some(event)) => self.send(message(&event)).await,
                    Ok(None) => return Some(CloseCode::Normal),
                    Err(_) => return Some(CloseCode::Error),
                },
                _ = beat.tick() => self.ping().await,
                incoming = self.socket.next() => self.take(incoming).await,
            };
            if let ControlFlow::Break(end) = on {
                return end;
            }
        }
    }

    async fn ping(&mut self) -> ControlFlow<End> {
        if self.unanswered == PATIENCE {
            return ControlFlow::Break(Some(CloseCode::Policy));
        }
        self.unanswered += 1;
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn take(&mut self, incoming: Option<Result<Message, Error>>) -> ControlFlow<End> {
        match incoming {
            None => ControlFlow::Break(None),
            Some(Err(error)) => ControlFlow::Break(complaint(&error)),
            Some(Ok(_)) => {
                self.unanswered = 0;
                // What the protocol answers is sent before more is read: answers don't pile up.
                in_time(self.socket.flush()).await
            }
        }
    }

    async fn send(&mut self, message: Message) -> ControlFlow<End> {
        in_time(self.socket.send(message)).await
    }

    /// Says why, and waits a little for the peer to say so too.
    async fn close(mut self, code: CloseCode) {
        let reason = match code {
            CloseCode::Normal => "the message has ended",
            CloseCode::Away => "the gateway is stopping",
            CloseCode::Policy => "an event was not taken in time",
            _ => "",
        };
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        let goodbye = async {
            self.socket.close(Some(frame)).await?;
            while self.socket.next().await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        };
        // Whatever it comes to, it is over.
        let _end = timeout(CLOSE_TIME, goodbye).await;
    }
}

fn message(event: &Event) -> Message {
    let text = Utf8Bytes::try_from(event.document.clone());
    Message::Text(text.expect("JSON is UTF-8"))
}

/// Whatever is sent has to be taken in time.
async fn in_time(sent: impl Future<Output = Result<(), Error>>) -> ControlFlow<End> {
    match timeout(TAKE_TIME, sent).await {
        Ok(Ok(())) => ControlFlow::Continue(()),
        Ok(Err(_)) => ControlFlow::Break(None),
        Err(_) => ControlFlow::Break(Some(CloseCode::Policy)),
    }
}

/// The code for what a peer has done wrong; `None` where it is gone.
fn complaint(error: &Error) -> End {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        _ => None,
    }
}
