//! What a sender can ask for under `/fanway/`: how a message stands, its events, calling it off,
//! what a problem means, and the document that describes all of that.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Response};
use http_body_util::{Either, Full};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use fanway_store::document::MessageDocument;
use fanway_store::lookup::{Found, MessageView};
use fanway_types::{MessageId, Timestamp};

use crate::connection::{Closing, Link};
use crate::door::{Body, Core};
use crate::generation::Generation;
use crate::problem::{Kind, PAGES, Problem};
use crate::wait;

/// What all paths of our own begin with.
pub(crate) const RESERVED: &str = "/fanway/";

/// Where a message is found: this, then its id.
pub(crate) const MESSAGES: &str = "/fanway/messages/";

/// What follows a message's id where its events are found.
const EVENTS: &str = "/events";

/// Where the document is found that describes what senders can ask.
const DESCRIPTION: &str = "/fanway/openapi.json";

/// The OpenAPI 3.1 document that describes what senders can ask, and what they are answered: as it
/// is served at `/fanway/openapi.json`, and as the clients' types are made of.
pub const OPENAPI: &str = include_str!("openapi.json");

/// The longest hint at when to ask again.
const LONGEST_HINT: Duration = Duration::from_secs(60);

/// What a path of our own names.
enum Resource<'p> {
    /// A message, by the text of its id.
    Message(&'p str),
    /// A message's events.
    Events(&'p str),
    /// The page of a problem.
    Page(Kind),
    /// What describes all of this.
    Description,
}

impl<'p> Resource<'p> {
    fn at(path: &'p str) -> Option<Self> {
        if let Some(page) = path.strip_prefix(PAGES) {
            return Kind::from_code(page).map(Self::Page);
        }
        if path == DESCRIPTION {
            return Some(Self::Description);
        }
        let id = path.strip_prefix(MESSAGES)?;
        Some(match id.strip_suffix(EVENTS) {
            Some(id) => Self::Events(id),
            None => Self::Message(id),
        })
    }

    /// The methods that it takes.
    fn methods(&self) -> &'static [Method] {
        match self {
            Self::Message(_) => &[Method::DELETE, Method::GET, Method::HEAD],
            Self::Events(_) => &[Method::GET],
            Self::Page(_) | Self::Description => &[Method::GET, Method::HEAD],
        }
    }
}

impl Core {
    /// Answers a request for a path under [`RESERVED`].
    pub(crate) async fn tell(
        &self,
        head: &Parts,
        present: &Generation,
        link: &Link,
    ) -> Result<Response<Body>, Problem> {
        let resource = Resource::at(head.uri.path()).ok_or(Kind::RouteUnknown)?;
        let methods = resource.methods();
        if !methods.contains(&head.method) {
            return Err(not_allowed(methods));
        }
        let answer = match resource {
            Resource::Page(kind) => whole(kind.page().into(), "text/plain; charset=utf-8"),
            Resource::Description => whole(OPENAPI.into(), "application/json"),
            Resource::Events(id) => {
                return self.follow(message_id(id)?, head, present, link).await;
            }
            Resource::Message(id) if head.method == Method::DELETE => {
                self.cancel(message_id(id)?, present, &link.closing).await?
            }
            Resource::Message(id) => {
                let id = message_id(id)?;
                let wait = wait::from_query(head.uri.query())
                    .map_err(|error| Problem::new(Kind::WaitMalformed, error.to_string()))?;
                let message = self.look_up(id, wait, link.closing.clone()).await?;
                self.message_response(&message, present)
            }
        };
        Ok(answer.map(Either::Left))
    }

    /// The message as it stands when it has ended, or when `wait` is over, or when the door closes.
    pub(crate) async fn look_up(
        &self,
        id: MessageId,
        wait: Duration,
        mut closing: watch::Receiver<Closing>,
    ) -> Result<MessageView, Problem> {
        if wait.is_zero() {
            return self.message(id).await;
        }
        let until = Instant::now() + wait;
        loop {
            let changed = self.store.changed(id);
            let message = self.message(id).await?;
            if message.state.has_ended() {
                return Ok(message);
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => return Ok(message),
                () = Closing::Finishing.is_reached(&mut closing) => return Ok(message),
            }
        }
    }

    /// A message that is known.
    pub(crate) async fn message(&self, id: MessageId) -> Result<MessageView, Problem> {
        match self.find(id).await? {
            Found::Message(message) => Ok(message),
            Found::Unknown => Err(Kind::MessageUnknown.into()),
            Found::Expired => Err(Kind::MessageExpired.into()),
        }
    }

    /// What is known of a message.
    pub(crate) async fn find(&self, id: MessageId) -> Result<Found, Problem> {
        self.store
            .message(id)
            .await
            .map_err(|error| unavailable(&error, id))
    }

    /// A message as its sender sees it, in JSON.
    pub(crate) fn document(&self, message: &MessageView, present: &Generation) -> Vec<u8> {
        let now = (self.shared.clock)();
        let document = MessageDocument::new(message, now, &*present.held);
        serde_json::to_vec(&document).expect("a message has only text keys")
    }

    pub(crate) fn message_response(
        &self,
        message: &MessageView,
        present: &Generation,
    ) -> Response<Full<Bytes>> {
        let json = self.document(message, present);
        let mut response = Response::new(Full::from(json));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !message.state.has_ended() {
            headers.insert(RETRY_AFTER, hint(message, (self.shared.clock)()));
        }
        response
    }
}

/// Notes that the store failed, and makes a refusal of it.
pub(crate) fn unavailable(error: &fanway_store::Error, id: MessageId) -> Problem {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, message = %id, "the store failed to tell of a message, or to call it off");
    Kind::StoreUnavailable.into()
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| Kind::MessageUnknown.into())
}

fn not_allowed(methods: &[Method]) -> Problem {
    let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
    let methods = HeaderValue::from_str(&methods.join(", ")).expect("a method is a token");
    Problem::from(Kind::MethodNotAllowed).allow(methods)
}

/// In how many seconds it is worth asking again: when the next attempt is due, at least 1.
pub(crate) fn hint(message: &MessageView, now: Timestamp) -> HeaderValue {
    let next = message
        .deliveries
        .iter()
        .filter(|delivery| !delivery.state.has_ended())
        .map(|delivery| delivery.due.map_or(Duration::ZERO, |due| due.since(now)))
        .min()
        .unwrap_or_default();
    HeaderValue::from(next.min(LONGEST_HINT).as_secs().max(1))
}

fn whole(body: Bytes, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
