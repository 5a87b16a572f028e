//! Each attempt's own headers: the same that the gateway's attempts carry.

use fanway_types::{DeliveryId, Headers, HeadersBuilder, TraceContext};
use itoa::Buffer;

use crate::Request;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MESSAGE: &str = "fanway-message";
const ATTEMPT: &str = "fanway-attempt";
const TRACEPARENT: &str = "traceparent";
const USER_AGENT: &str = "user-agent";
/// What a request can't set.
const OWN: [&str; 5] = [IDEMPOTENCY_KEY, MESSAGE, ATTEMPT, TRACEPARENT, USER_AGENT];
const OWN_USER_AGENT: &str = concat!("fanway/", env!("CARGO_PKG_VERSION"));

/// The headers of an attempt; `None` where one of the request's is longer than a header may be.
pub(crate) fn of_attempt(
    request: &Request,
    delivery: DeliveryId,
    number: u32,
    span: u64,
) -> Option<Headers> {
    let mut headers = HeadersBuilder::default();
    let mut fits = true;
    for (name, value) in &request.headers {
        if !OWN.contains(&name.as_str()) {
            fits &= headers.push(name, value);
        }
    }
    // A string of structured fields (RFC 8941), as the header's draft has it.
    let key = delivery.text();
    let trace = TraceContext::from_message(delivery.message);
    fits &= headers.push_joined(IDEMPOTENCY_KEY, [b"\"", key.as_bytes(), b"\""]);
    fits &= headers.push(MESSAGE, delivery.message.text().as_bytes());
    fits &= headers.push(ATTEMPT, Buffer::new().format(number).as_bytes());
    fits &= headers.push(TRACEPARENT, trace.traceparent(span).as_bytes());
    fits &= headers.push(USER_AGENT, OWN_USER_AGENT.as_bytes());
    fits.then(|| headers.build())
}
