//! From what a step shapes to what is sent: each attempt's own headers (design section 8.2).

use std::fmt::{self, Write};

use fanway_target::{AttemptRequest, Capture};
use fanway_transform::Shaped;
use fanway_types::{DeliveryId, HeadersBuilder, Message};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MESSAGE: &str = "fanway-message";
const ATTEMPT: &str = "fanway-attempt";
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const USER_AGENT: &str = "user-agent";
const OWN_USER_AGENT: &str = concat!("fanway/", env!("CARGO_PKG_VERSION"));

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
    let mut add = |name: &str, value: &[u8]| {
        let fits = headers.push(name, value);
        debug_assert!(fits, "it was in such a list before, or is short");
    };
    let theirs = shaped.headers.iter().filter(|(name, _)| !is_own(name));
    theirs.for_each(|(name, value)| add(name, value));
    add_own(add, message, stamp);
    AttemptRequest {
        method: shaped.method,
        path_and_query: shaped.path_and_query,
        headers: headers.build(),
        body: shaped.body,
        capture: Capture::OnFailure,
    }
}

/// Whether each attempt has a header of this name of its own.
fn is_own(name: &str) -> bool {
    matches!(
        name,
        IDEMPOTENCY_KEY | MESSAGE | ATTEMPT | TRACEPARENT | TRACESTATE | USER_AGENT
    )
}

fn add_own(mut add: impl FnMut(&str, &[u8]), message: &Message, stamp: Stamp) {
    let trace = message.trace();
    let mut text = String::with_capacity(64);
    let mut add_text = |name: &str, value: fmt::Arguments<'_>| {
        text.clear();
        text.write_fmt(value).expect("a String takes all text");
        add(name, text.as_bytes());
    };
    // A string of structured fields (RFC 8941), as the header's draft has it.
    add_text(IDEMPOTENCY_KEY, format_args!("\"{}\"", stamp.key));
    add_text(MESSAGE, format_args!("{}", message.id));
    add_text(ATTEMPT, format_args!("{}", stamp.number));
    add(TRACEPARENT, trace.traceparent(stamp.span).as_bytes());
    if let Some(state) = trace.tracestate() {
        add(TRACESTATE, state.as_bytes());
    }
    add(USER_AGENT, OWN_USER_AGENT.as_bytes());
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
