//! Plans, steps and messages with as little said as possible.

use std::sync::Arc;

use bytes::Bytes;
use fanway_types::{Message, MessageId, Plan, Request, Step, Terms, Timestamp};

/// A step of its target's name that sends the body as it is.
///
/// # Panics
/// Where `target` is no name.
#[must_use]
pub fn step(target: &str) -> Step {
    Step::new(
        target.parse().expect("a name"),
        target.parse().expect("a name"),
    )
}

/// A plan of the route `orders` with these steps.
#[must_use]
pub fn plan(steps: impl IntoIterator<Item = Step>) -> Arc<Plan> {
    Arc::new(Plan {
        route: "orders".parse().expect("a name"),
        steps: steps.into_iter().collect(),
        callback: None,
        on_dead: None,
    })
}

/// The `number`-th message of a plan, accepted so many milliseconds after 2023-11-14T22:13:20Z:
/// a `POST /orders` with the number as its JSON body.
#[must_use]
pub fn message(plan: &Plan, number: u64) -> Arc<Message> {
    message_with_body(plan, number, number.to_string())
}

/// As [`message`], with another body.
#[must_use]
pub fn message_with_body(plan: &Plan, number: u64, body: impl Into<Bytes>) -> Arc<Message> {
    Arc::new(made(plan, number, body.into(), Terms::default()))
}

/// As [`message`], with terms.
#[must_use]
pub fn message_with_terms(plan: &Plan, number: u64, terms: Terms) -> Arc<Message> {
    Arc::new(made(plan, number, number.to_string().into(), terms))
}

fn made(plan: &Plan, number: u64, body: Bytes, terms: Terms) -> Message {
    let at = Timestamp::from_millis(1_700_000_000_000 + number);
    let request = Request {
        method: "POST".into(),
        path: "/orders".into(),
        headers: [("content-type", &b"application/json"[..])]
            .into_iter()
            .collect(),
        body,
        ..Request::default()
    };
    Message {
        id: MessageId::first_at(at),
        route: plan.route.clone(),
        plan: plan.hash(),
        request,
        terms,
        reservation: None,
    }
}
