//! From what a step shapes to what is sent: each attempt's own headers (design section 8.2).

use fanway_target::{AttemptRequest, Capture};
use fanway_transform::Shaped;
use fanway_types::{DeliveryId, HeadersBuilder, Message};
use itoa::Buffer;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MESSAGE: &str = "fanway-message";
const ATTEMPT: &str = "fanway-attempt";
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const USER_AGENT: &str = "user-agent";
/// What each attempt has of its own, and a step can't set.
const OWN: [&str; 6] = [
    IDEMPOTENCY_KEY,
    MESSAGE,
    ATTEMPT,
    TRACEPARENT,
    TRACESTATE,
    USER_AGENT,
];
/// What we call ourselves.
pub(crate) const OWN_USER_AGENT: &str = concat!("fanway/", env!("CARGO_PKG_VERSION"));

/// Bytes that our own headers take, unless there is a `tracestate`.
const OWN_BYTES: usize = 288;

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

/// Makes the request of an attempt from what a step has shaped of `message`: adds what each attempt
/// carries, which a step can't override. The target adds its credentials and signature, and checks
/// that it is a request by HTTP's rules.
#[must_use]
pub fn outgoing(shaped: Shaped, message: &Message, stamp: Stamp) -> AttemptRequest {
    let given = shaped.headers.as_block().len();
    let mut headers = HeadersBuilder::with_capacity(given + OWN_BYTES);
    headers.push_all(&shaped.headers, |name| !is_own(name));
    add_own(&mut headers, message, stamp);
    AttemptRequest {
        method: shaped.method,
        path_and_query: shaped.path_and_query,
        headers: headers.build(),
        body: shaped.body,
        capture: Capture::OnFailure,
    }
}

/// Whether each attempt has a header of this name of its own.
fn is_own(name: &[u8]) -> bool {
    OWN.iter().any(|own| own.as_bytes() == name)
}

fn add_own(headers: &mut HeadersBuilder, message: &Message, stamp: Stamp) {
    let trace = message.trace();
    // A string of structured fields (RFC 8941), as the header's draft has it.
    let key = stamp.key.text();
    let mut fits = headers.push_joined(IDEMPOTENCY_KEY, [b"\"", key.as_bytes(), b"\""]);
    fits &= headers.push(MESSAGE, message.id.text().as_bytes());
    fits &= headers.push(ATTEMPT, Buffer::new().format(stamp.number).as_bytes());
    fits &= headers.push(TRACEPARENT, trace.traceparent(stamp.span).as_bytes());
    if let Some(state) = trace.tracestate() {
        fits &= headers.push(TRACESTATE, state.as_bytes());
    }
    fits &= headers.push(USER_AGENT, OWN_USER_AGENT.as_bytes());
    debug_assert!(fits, "all are short, or were in such a list before");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fanway_target::AttemptRequest;
    use fanway_testkit::build::{message, plan, step};
    use fanway_transform::Shaped;
    use fanway_types::{DeliveryId, Headers, Message, Terms};

    use super::{Stamp, outgoing};

    fn built(received: Headers, set: &[(&str, &str)]) -> AttemptRequest {
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
        let set = set.iter().map(|(name, value)| (*name, value.as_bytes()));
        let shaped = Shaped {
            method: "POST".into(),
            path_and_query: "/stock?a=b".into(),
            headers: set.collect(),
            body: Bytes::new(),
        };
        outgoing(shaped, &message, stamp)
    }

    #[track_caller]
    fn check(request: &AttemptRequest, name: &str, expected: &str) {
        let values = request.headers.iter().filter(|(other, _)| *other == name);
        let values: Vec<_> = values.map(|(_, value)| value).collect();
        assert_eq!(values, [expected.as_bytes()], "{name}");
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
        let request = built(Headers::default(), &set);
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
    fn our_headers_come_behind_the_steps() {
        let set = [("x-a", "1"), ("user-agent", "theirs"), ("x-b", "2")];
        let request = built(Headers::default(), &set);
        let names: Vec<_> = request.headers.iter().map(|(name, _)| name).collect();
        let expected = [
            "x-a",
            "x-b",
            "idempotency-key",
            "fanway-message",
            "fanway-attempt",
            "traceparent",
            "user-agent",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_senders_trace_goes_on() {
        let parent = &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"[..];
        let received = [("traceparent", parent), ("tracestate", b"a=b")];
        let request = built(received.into_iter().collect(), &[]);
        check(
            &request,
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ff-01",
        );
        check(&request, "tracestate", "a=b");
    }
}
