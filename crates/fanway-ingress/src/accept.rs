//! From a request's head to its 202: matched, read, checked where it has to be, and kept.
//!
//! Nothing is answered with 202 before the store has made the message durable, and nothing
//! of a request that is refused before that reaches the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use fanway_store::accept;
use fanway_types::{ByteCount, Message, MessageId, Request};

use crate::body::{self, Whole};
use crate::door::Core;
use crate::headers;
use crate::params::BodyKind;
use crate::problem::{Kind, Problem};
use crate::status;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const RESPOND_ASYNC: &str = "respond-async";

/// When a store that is closing may be there again.
const CLOSED_RETRY_AFTER: Duration = Duration::from_secs(5);

impl Core {
    /// Accepts a request, and answers it with 202 once it is durable.
    pub(crate) async fn accept(
        &self,
        head: &Parts,
        body: &mut Incoming,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        let started = Instant::now();
        let shared = &self.shared;
        let (route, params) = shared.router.find(&head.method, head.uri.path())?;
        let headers = headers::kept(&head.headers, shared.limits.max_headers)?;
        let head_size = ByteCount::new((headers.as_block().len() + target_size(head)) as u64);
        let Whole { bytes, reservation } =
            body::read(body, head_size, &shared.limits, &shared.budget).await?;
        if route.body == BodyKind::Json {
            self.check_json(&headers, &bytes).await?;
        }
        let message = Message {
            id: self.new_id(),
            route: route.name.clone(),
            plan: route.plan,
            request: Request {
                method: head.method.as_str().into(),
                path: head.uri.path().into(),
                query: head.uri.query().map(Into::into),
                params,
                headers,
                body: bytes,
            },
            reservation: Some(reservation),
        };
        let id = message.id;
        let kept = self.store.accept(vec![Arc::new(message)]).await;
        kept.map_err(|error| refusal(&error))?;
        route.metrics.accepted.inc();
        route
            .metrics
            .seconds
            .observe(started.elapsed().as_secs_f64());
        Ok(accepted(id, &shared.public_url, &head.headers))
    }
}

fn target_size(head: &Parts) -> usize {
    head.uri.path().len() + head.uri.query().map_or(0, str::len)
}

/// The 202 (RFC 9110, section 15.3.3). Its one buffer also holds the text of `Location`.
fn accepted(id: MessageId, public_url: &str, request: &HeaderMap) -> Response<Full<Bytes>> {
    let start = format!(r#"{{"id":"{id}","state":"pending","status":""#);
    let end = r#""}"#;
    let body = Bytes::from(format!("{start}{public_url}{}{id}{end}", status::MESSAGES));
    let link = body.slice(start.len()..body.len() - end.len());
    let location =
        HeaderValue::from_maybe_shared(link).expect("a checked URL and an id are printable");
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
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
