//! What a sender can ask for under `/fanway/`: how a message stands, and what a problem means.
//!
//! Senders see states, times and status codes. What a target said, and why an attempt failed, is
//! for operators.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Response};
use http_body_util::Full;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use fanway_store::lookup::{DeliveryView, Found, MessageView};
use fanway_types::{DeliveryState, HeldBy, MessageId, MessageState, Timestamp};

use crate::connection::Closing;
use crate::door::Core;
use crate::problem::{Kind, PAGES, Problem};
use crate::wait;

/// What all paths of our own begin with.
pub(crate) const RESERVED: &str = "/fanway/";

/// Where a message is found: this, then its id.
pub(crate) const MESSAGES: &str = "/fanway/messages/";

/// The longest hint at when to ask again.
const LONGEST_HINT: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct MessageDocument<'a> {
    id: String,
    route: &'a str,
    state: MessageState,
    received_at: Timestamp,
    ended_at: Option<Timestamp>,
    deliveries: Vec<DeliveryDocument<'a>>,
}

#[derive(Serialize)]
struct DeliveryDocument<'a> {
    id: String,
    step: &'a str,
    target: &'a str,
    state: DeliveryState,
    held_by: Option<HeldBy>,
    attempts: u32,
    last_status: Option<u16>,
    last_at: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
}

impl Core {
    /// Answers a request for a path under [`RESERVED`].
    pub(crate) async fn tell(
        &self,
        head: &Parts,
        closing: &watch::Receiver<Closing>,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        let path = head.uri.path();
        let id = path.strip_prefix(MESSAGES);
        let page = path.strip_prefix(PAGES).and_then(Kind::from_code);
        if id.is_none() && page.is_none() {
            return Err(Kind::RouteUnknown.into());
        }
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let methods = HeaderValue::from_static("GET, HEAD");
            return Err(Problem::from(Kind::MethodNotAllowed).allow(methods));
        }
        if let Some(page) = page {
            return Ok(page_response(page));
        }
        let id = id
            .and_then(|id| id.parse().ok())
            .ok_or(Kind::MessageUnknown)?;
        let wait = wait::from_query(head.uri.query())
            .map_err(|error| Problem::new(Kind::WaitMalformed, error.to_string()))?;
        let message = self.look_up(id, wait, closing.clone()).await?;
        Ok(self.message_response(&message))
    }

    /// The message as it stands when it has ended, or when `wait` is over, or when the door closes.
    async fn look_up(
        &self,
        id: MessageId,
        wait: Duration,
        mut closing: watch::Receiver<Closing>,
    ) -> Result<MessageView, Problem> {
        if wait.is_zero() {
            return self.found(id).await;
        }
        let until = Instant::now() + wait;
        loop {
            let changed = self.store.changed(id);
            let message = self.found(id).await?;
            if message.state.has_ended() {
                return Ok(message);
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => return Ok(message),
                _ = closing.wait_for(|closing| *closing != Closing::Open) => return Ok(message),
            }
        }
    }

    async fn found(&self, id: MessageId) -> Result<MessageView, Problem> {
        match self.store.message(id).await {
            Ok(Found::Message(message)) => Ok(message),
            Ok(Found::Unknown) => Err(Kind::MessageUnknown.into()),
            Ok(Found::Expired) => Err(Kind::MessageExpired.into()),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, message = %id, "look-up failed");
                Err(Kind::StoreUnavailable.into())
            }
        }
    }

    fn message_response(&self, message: &MessageView) -> Response<Full<Bytes>> {
        let now = (self.shared.clock)();
        let document = MessageDocument {
            id: message.id.to_string(),
            route: message.route.as_str(),
            state: message.state,
            received_at: message.id.timestamp(),
            ended_at: message.ended_at,
            deliveries: message
                .deliveries
                .iter()
                .map(|delivery| self.delivery_document(delivery, now))
                .collect(),
        };
        let json = serde_json::to_vec(&document).expect("a message has only text keys");
        let mut response = Response::new(Full::from(json));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !message.state.has_ended() {
            headers.insert(RETRY_AFTER, hint(message, now));
        }
        response
    }

    fn delivery_document<'a>(
        &self,
        delivery: &'a DeliveryView,
        now: Timestamp,
    ) -> DeliveryDocument<'a> {
        let held_by = match delivery.due {
            _ if delivery.state.has_ended() => None,
            Some(due) if due > now => Some(HeldBy::Schedule),
            _ => (self.shared.held)(&delivery.target),
        };
        DeliveryDocument {
            id: delivery.id.to_string(),
            step: delivery.step.as_str(),
            target: delivery.target.as_str(),
            state: delivery.state,
            held_by,
            attempts: delivery.attempts,
            last_status: delivery.status,
            last_at: delivery.at,
            next_attempt_at: delivery.due,
        }
    }
}

/// In how many seconds it is worth asking again: when the next attempt is due, at least 1.
fn hint(message: &MessageView, now: Timestamp) -> HeaderValue {
    let next = message
        .deliveries
        .iter()
        .filter(|delivery| !delivery.state.has_ended())
        .map(|delivery| delivery.due.map_or(Duration::ZERO, |due| due.since(now)))
        .min()
        .unwrap_or_default();
    HeaderValue::from(next.min(LONGEST_HINT).as_secs().max(1))
}

fn page_response(kind: Kind) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(kind.page()));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
