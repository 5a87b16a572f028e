//! A message's events: its present state, then each change, until it has ended.
//!
//! Events are made when they are asked for: who follows is asked for the next one only when it has
//! taken the last. Between two of them a message may have changed often, and only where it stands
//! then is told. So one who is slow costs one event, and never a queue.
//!
//! `sse` and `websocket` carry them, and let go of those who don't take an event in time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use sha2::{Digest, Sha256};

use fanway_store::BoxFuture;
use fanway_types::MessageId;

use crate::connection::Link;
use crate::door::{Body, Core};
use crate::generation::Generation;
use crate::places::Place;
use crate::problem::{Kind, Problem};
use crate::{sse, websocket};

/// The longest that one who follows may take for an event.
pub(crate) const TAKE_TIME: Duration = Duration::from_secs(30);

/// How often something is sent, so that those in between see that the connection is used.
pub(crate) const BEAT: Duration = Duration::from_secs(15);

/// When one who finds no place may try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The same in a query, for those who can't set a header.
const LAST_EVENT_ID_PAIR: &str = "last_event_id=";

impl Core {
    /// Begins to tell of a message.
    pub(crate) async fn follow(
        &self,
        id: MessageId,
        head: &Parts,
        present: &Generation,
        link: &Link,
    ) -> Result<Response<Body>, Problem> {
        let handshake = websocket::Handshake::read(head)?;
        let states = States::look_up(Arc::clone(&link.core), id, last_event_id(head)).await?;
        if handshake.is_none() && states.is_over() {
            return Ok(nothing_more());
        }
        let place = Place::take(&self.shared.metrics.followers, present.limits.followers)
            .ok_or_else(|| Problem::from(Kind::TooManyFollowers).retry_after(RETRY_AFTER))?;
        Ok(match handshake {
            Some(handshake) => handshake.accept(states, place, link).map(Either::Left),
            None => sse::start(states, place, link).map(Either::Right),
        })
    }
}

/// Tells a browser not to come again (WHATWG HTML, 9.2.3).
fn nothing_more() -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The event that was taken last, as far as it is known.
fn last_event_id(head: &Parts) -> Option<EventId> {
    let header = head.headers.get(LAST_EVENT_ID);
    let mut pairs = head.uri.query().unwrap_or_default().split('&');
    header
        .and_then(|value| value.to_str().ok())
        .or_else(|| pairs.find_map(|pair| pair.strip_prefix(LAST_EVENT_ID_PAIR)))
        .and_then(EventId::parse)
}

/// Stands for a state of a message: the first 64 bits of the SHA-256 of its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventId(u64);

impl EventId {
    fn of(document: &[u8]) -> Self {
        let digest = Sha256::digest(document);
        let (first, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
        Self(u64::from_be_bytes(*first))
    }

    fn parse(text: &str) -> Option<Self> {
        let id = Self(u64::from_str_radix(text, 16).ok()?);
        // One id has one spelling.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A message as it stands.
pub(crate) struct Event {
    pub(crate) id: EventId,
    /// In JSON, on one line.
    pub(crate) document: Bytes,
}

/// A message's states, one after another.
pub(crate) struct States {
    core: Arc<Core>,
    id: MessageId,
    /// The state that was told last.
    told: Option<EventId>,
    /// The next state, where it is known already.
    next: Option<Event>,
    has_ended: bool,
    /// Resolves when the message may have changed since it was looked up last.
    changed: Option<BoxFuture<'static, ()>>,
}

impl States {
    /// Begins with the present state, unless that was `told`.
    async fn look_up(
        core: Arc<Core>,
        id: MessageId,
        told: Option<EventId>,
    ) -> Result<Self, Problem> {
        let mut states = Self {
            core,
            id,
            told,
            next: None,
            has_ended: false,
            changed: None,
        };
        states.next = states.look().await?;
        Ok(states)
    }

    /// Whether there is nothing to tell any more.
    fn is_over(&self) -> bool {
        self.has_ended && self.next.is_none()
    }

    /// The next state; `None` when the message has ended. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Problem> {
        if let Some(event) = self.next.take() {
            return Ok(Some(event));
        }
        while !self.has_ended {
            if let Some(changed) = &mut self.changed {
                changed.await;
                self.changed = None;
            }
            if let Some(event) = self.look().await? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The state as it is now, where it is another than was told.
    async fn look(&mut self) -> Result<Option<Event>, Problem> {
        let changed = self.core.store.changed(self.id);
        let message = self.core.message(self.id).await?;
        self.changed = Some(changed);
        self.has_ended = message.state.has_ended();
        let document = self.core.document(&message, &self.core.shared.present());
        let id = EventId::of(&document);
        if self.told.replace(id) == Some(id) {
            return Ok(None);
        }
        let document = Bytes::from(document);
        Ok(Some(Event { id, document }))
    }
}

#[cfg(test)]
mod tests {
    use super::EventId;

    #[test]
    fn an_event_id_is_read_back_in_its_one_spelling() {
        let id = EventId(0xab);
        assert_eq!(id.to_string(), "00000000000000ab");
        assert_eq!(EventId::parse("00000000000000ab"), Some(id));
        for wrong in [
            "",
            "ab",
            "00000000000000AB",
            "+0000000000000ab",
            "00000000000000abc",
        ] {
            assert_eq!(EventId::parse(wrong), None, "{wrong}");
        }
    }
}
