//! From what a step shapes to what is sent: each attempt's own headers (design section 8.2).

use std::fmt::Display;

use fanway_target::{AttemptRequest, Capture};
use fanway_transform::Shaped;
use fanway_types::{DeliveryId, Message};
use http::header::USER_AGENT;
use http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};
use http::method::{InvalidMethod, Method};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MESSAGE: HeaderName = HeaderName::from_static("fanway-message");
const ATTEMPT: HeaderName = HeaderName::from_static("fanway-attempt");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const OWN_USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("fanway/", env!("CARGO_PKG_VERSION")));

/// Which attempt of which delivery a request is, as its own headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The delivery whose id is the `Idempotency-Key`: its own, or one that it was redriven from.
    pub key: DeliveryId,
    /// The attempt's number, from 1.
    pub number: u32,
    /// The attempt's own span in the message's trace.
    pub span: u64,
}

/// Why what a step shaped is no request.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The method.
    #[error("the step's method is no HTTP method")]
    Method(#[source] InvalidMethod),
    /// The name of a header.
    #[error("the step sets a header whose name is no header name")]
    HeaderName(#[source] InvalidHeaderName),
    /// The value of a header.
    #[error("the value of header `{name}` has characters that a header can't have")]
    HeaderValue {
        /// The header.
        name: HeaderName,
        /// What is wrong with it.
        #[source]
        source: InvalidHeaderValue,
    },
}

/// Makes the request of an attempt from what a step has shaped of `message`: adds what each attempt
/// carries, which a step can't override. The target adds its credentials and signature.
///
/// # Errors
/// Where it is no request by HTTP's rules.
pub fn outgoing(
    shaped: Shaped,
    message: &Message,
    stamp: Stamp,
) -> Result<AttemptRequest, OutgoingError> {
    let method = Method::from_bytes(shaped.method.as_bytes()).map_err(OutgoingError::Method)?;
    let mut headers = HeaderMap::with_capacity(shaped.headers.len() + 6);
    for (name, value) in shaped.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(OutgoingError::HeaderName)?;
        match HeaderValue::from_maybe_shared(value) {
            Ok(value) => headers.append(name, value),
            Err(source) => return Err(OutgoingError::HeaderValue { name, source }),
        };
    }
    add_own(&mut headers, message, stamp);
    Ok(AttemptRequest {
        method,
        path_and_query: shaped.path_and_query.as_ref().to_owned(),
        headers,
        body: shaped.body,
        capture: Capture::OnFailure,
    })
}

fn add_own(headers: &mut HeaderMap, message: &Message, stamp: Stamp) {
    let trace = message.trace();
    // A string of structured fields (RFC 8941), as the header's draft has it.
    headers.insert(IDEMPOTENCY_KEY, value(format_args!("\"{}\"", stamp.key)));
    headers.insert(MESSAGE, value(message.id));
    headers.insert(ATTEMPT, stamp.number.into());
    headers.insert(TRACEPARENT, value(trace.traceparent(stamp.span)));
    headers.remove(TRACESTATE);
    let state = trace.tracestate().map(HeaderValue::from_str);
    if let Some(Ok(state)) = state {
        headers.insert(TRACESTATE, state);
    }
    headers.insert(USER_AGENT, OWN_USER_AGENT);
}

fn value(text: impl Display) -> HeaderValue {
    HeaderValue::try_from(text.to_string()).expect("ids and traces are visible ASCII")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use fanway_target::AttemptRequest;
    use fanway_testkit::build::{message, plan, step};
    use fanway_transform::Shaped;
    use fanway_types::{DeliveryId, Headers, Message, Terms};

    use super::{OutgoingError, Stamp, outgoing};

    fn built(
        received: Headers,
        set: &[(&str, &'static str)],
    ) -> Result<AttemptRequest, OutgoingError> {
        let plan = plan([step("inventory")]);
        let bare = message(&plan, 1);
        let mut request = bare.request.clone();
        request.headers = received;
        let message = Message {
            id: bare.id,
            route: bare.route.clone(),
            plan: bare.plan,
            request,
            terms: Terms::default(),
            reservation: None,
        };
        let stamp = Stamp {
            key: DeliveryId::first(message.id, 0),
            number: 1,
            span: 255,
        };
        let header = |(name, value): &(&str, &'static str)| {
            (Arc::from(*name), Bytes::from_static(value.as_bytes()))
        };
        let shaped = Shaped {
            method: "POST".into(),
            path_and_query: "/stock?a=b".into(),
            headers: set.iter().map(header).collect(),
            body: Bytes::new(),
        };
        outgoing(shaped, &message, stamp)
    }

    #[track_caller]
    fn check(request: &AttemptRequest, name: &str, expected: &str) {
        let values: Vec<_> = request.headers.get_all(name).iter().collect();
        assert_eq!(values, [expected], "{name}");
    }

    #[test]
    fn a_step_overrides_nothing_of_ours() {
        let set = [
            ("idempotency-key", "theirs"),
            ("fanway-message", "theirs"),
            ("fanway-attempt", "99"),
            ("traceparent", "theirs"),
            ("tracestate", "theirs=1"),
            ("user-agent", "theirs"),
            ("x-theirs", "theirs"),
        ];
        let request = built(Headers::default(), &set).expect("it can be sent");
        check(
            &request,
            "idempotency-key",
            "\"dlv_01hf7yat010000000000000000_0\"",
        );
        check(&request, "fanway-message", "msg_01hf7yat010000000000000000");
        check(&request, "fanway-attempt", "1");
        assert_eq!(request.headers.get("tracestate"), None);
        check(
            &request,
            "user-agent",
            &format!("fanway/{}", env!("CARGO_PKG_VERSION")),
        );
        check(&request, "x-theirs", "theirs");
    }

    #[test]
    fn the_senders_trace_goes_on() {
        let parent = &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"[..];
        let received = [("traceparent", parent), ("tracestate", b"a=b")];
        let request = built(received.into_iter().collect(), &[]).expect("it can be sent");
        check(
            &request,
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ff-01",
        );
        check(&request, "tracestate", "a=b");
    }

    #[test]
    fn what_no_header_can_be_is_an_error() {
        let value = built(Headers::default(), &[("x-note", "a\r\nb")]);
        assert!(matches!(value, Err(OutgoingError::HeaderValue { .. })));
        let name = built(Headers::default(), &[("x note", "a")]);
        assert!(matches!(name, Err(OutgoingError::HeaderName(_))));
    }
}
