//! From a request's head to its 202: matched, read, checked where it has to be, and kept.
//!
//! Nothing is answered with 202 before the store has made the message durable, and nothing
//! of a request that is refused before that reaches the store. A request whose key says that it was
//! accepted before is answered as the message stands now, and nothing is kept of it.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;

use fanway_store::accept;
use fanway_store::lookup::Found;
use fanway_types::{ByteCount, Captures, Headers, Message, MessageId, MessageState, Request};

use crate::body::{self, Whole};
use crate::content::Content;
use crate::door::Core;
use crate::generation::Generation;
use crate::headers::{self, Sorted};
use crate::order;
use crate::params::BodyKind;
use crate::problem::{Kind, Problem};
use crate::router::Route;
use crate::status::{self, MESSAGES};
use crate::terms::Asked;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const RESPOND_ASYNC: &str = "respond-async";
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What is said to be the state of a message that is no longer kept.
const EXPIRED: &str = "expired";

/// The length of the 202's body, less the state and the public URL.
const BODY_LENGTH: usize = r#"{"id":"","state":"","status":""}"#.len() + MESSAGES.len() + 2 * 30;

/// When a store that is closing may be there again.
const CLOSED_RETRY_AFTER: Duration = Duration::from_secs(5);

/// When a key whose request is being accepted is worth another try.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// Accepts a request, and answers it with 202 once it is durable.
    pub(crate) async fn accept(
        &self,
        head: &Parts,
        body: &mut Content<'_>,
        present: &Generation,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        let started = Instant::now();
        let (route, params) = present.router.find(&head.method, head.uri.path())?;
        let Sorted { kept, own } = headers::sort(&head.headers, present.limits.max_headers)?;
        let asked = Asked::read(&own, &route.params)?;
        let head_size = kept.as_block().len() + target_size(head) + asked.size();
        let head_size = ByteCount::new(head_size as u64);
        let Whole { bytes, reservation } =
            body::read(body, head_size, &present.limits, &self.shared.budget).await?;
        // To look order keys up in a body checks it.
        let order = route.params.order.as_ref();
        let is_checked = order.is_some_and(|plan| order::is_here(plan, &kept, &bytes));
        if route.params.body == BodyKind::Json && !is_checked {
            self.check_json(&kept, &bytes, present.limits.max_body)
                .await?;
        }
        let fingerprint = match asked.key {
            Some(_) => Some(self.fingerprint(head, &bytes).await?),
            None => None,
        };
        let id = self.new_id();
        let mut message = Message {
            id,
            route: route.params.name.clone(),
            plan: route.params.plan,
            terms: asked.terms(&route.params, fingerprint, id.timestamp())?,
            request: request(head, params, kept, bytes),
            reservation: Some(reservation),
        };
        if let Some(plan) = order {
            let max_body = present.limits.max_body;
            message.terms.order = self.order_keys(plan, &message, max_body).await?;
        }
        match self.store.accept(vec![Arc::new(message)]).await {
            Ok(()) => {}
            Err(accept::Error::Repeated { accepted }) => {
                return self.replay(accepted, route, head, present).await;
            }
            Err(error) => return Err(refusal(&error)),
        }
        route.metrics.accepted.inc();
        route
            .metrics
            .seconds
            .observe(started.elapsed().as_secs_f64());
        let pending = MessageState::Pending.as_str();
        let mut response = accepted(id, pending, &present.public_url, &head.headers);
        let hint = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, hint);
        Ok(response)
    }

    /// The answer to a request that was accepted before, as its message stands now.
    async fn replay(
        &self,
        id: MessageId,
        route: &Route,
        head: &Parts,
        present: &Generation,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        let found = self.find(id).await?;
        route.metrics.replayed.inc();
        let state = match &found {
            Found::Message(message) => message.state.as_str(),
            // Only what has ended is ever let go.
            Found::Expired | Found::Unknown => EXPIRED,
        };
        let mut response = accepted(id, state, &present.public_url, &head.headers);
        let headers = response.headers_mut();
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        if let Found::Message(message) = &found
            && !message.state.has_ended()
        {
            let hint = status::hint(message, (self.shared.clock)());
            headers.insert(RETRY_AFTER, hint);
        }
        Ok(response)
    }
}

/// The request as it is kept.
pub(crate) fn request(head: &Parts, params: Captures, headers: Headers, body: Bytes) -> Request {
    Request {
        method: head.method.as_str().into(),
        path: head.uri.path().into(),
        query: head.uri.query().map(Into::into),
        params,
        headers,
        body,
    }
}

fn target_size(head: &Parts) -> usize {
    head.uri.path().len() + head.uri.query().map_or(0, str::len)
}

/// The 202 (RFC 9110, section 15.3.3). Its one buffer also holds the text of `Location`.
fn accepted(
    id: MessageId,
    state: &str,
    public_url: &str,
    request: &HeaderMap,
) -> Response<Full<Bytes>> {
    let length = BODY_LENGTH + state.len() + public_url.len();
    let mut text = String::with_capacity(length);
    text.push_str(r#"{"id":""#);
    let digits = text.len();
    write!(text, "{id}").expect("a text takes all");
    let digits = digits..text.len();
    text.push_str(r#"","state":""#);
    text.push_str(state);
    text.push_str(r#"","status":""#);
    let start = text.len();
    text.push_str(public_url);
    text.push_str(MESSAGES);
    text.extend_from_within(digits);
    let end = text.len();
    text.push_str(r#""}"#);
    debug_assert_eq!(text.len(), length, "it is written without being moved");
    let body = Bytes::from(text);
    let link = body.slice(start..end);
    let location =
        HeaderValue::from_maybe_shared(link).expect("a checked URL and an id are printable");
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if prefers_async(request) {
        let applied = HeaderValue::from_static(RESPOND_ASYNC);
        headers.insert(PREFERENCE_APPLIED, applied);
    }
    response
}

/// Whether the sender asked for what it gets anyway (RFC 7240, section 4.1).
fn prefers_async(request: &HeaderMap) -> bool {
    request
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|preference| preference.split(';').next().unwrap_or_default().trim())
        .any(|preference| preference.eq_ignore_ascii_case(RESPOND_ASYNC))
}

fn refusal(error: &accept::Error) -> Problem {
    match error {
        accept::Error::Full {
            reason,
            retry_after,
        } => Problem::new(Kind::StoreFull, *reason).retry_after(*retry_after),
        accept::Error::Behind { retry_after } => {
            Problem::from(Kind::StoreBehind).retry_after(*retry_after)
        }
        accept::Error::TooLarge { limit, .. } => Problem::new(
            Kind::BodyTooLarge,
            format!("with its head it is more than the {limit} that the store takes"),
        ),
        accept::Error::KeyTaken => Kind::IdempotencyKeyReused.into(),
        // What is repeated is answered for before.
        accept::Error::KeyBusy | accept::Error::Repeated { .. } => {
            Problem::from(Kind::IdempotencyKeyBusy).retry_after(BUSY_RETRY_AFTER)
        }
        accept::Error::Unknown(_) => Problem::new(
            Kind::OutcomeUnknown,
            "the message may be delivered or not; to send it again may deliver it twice",
        ),
        accept::Error::Closed(_) => {
            Problem::from(Kind::StoreUnavailable).retry_after(CLOSED_RETRY_AFTER)
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::prefers_async;

    #[track_caller]
    fn check(values: &[&'static str], expected: bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", value.parse().expect("a value"));
        }
        assert_eq!(prefers_async(&headers), expected, "{values:?}");
    }

    #[test]
    fn only_respond_async_is_a_preference_that_is_met() {
        check(&[], false);
        check(&["respond-async"], true);
        check(&["wait=10"], false);
        check(&["wait=10, Respond-Async"], true);
        check(&["return=minimal", "respond-async; x=1"], true);
        check(&["respond-asynchronously"], false);
    }
}
