//! A message: one accepted request.

use bytes::Bytes;

use crate::{
    Headers, IdempotencyKey, MessageId, OrderKey, PlanHash, Reservation, RouteName, StepIndex,
    Timestamp, TraceContext,
};

/// One accepted request: immutable, durable, with an id.
#[derive(Debug)]
pub struct Message {
    /// Its id, which also holds when it was accepted.
    pub id: MessageId,
    /// The route that accepted it.
    pub route: RouteName,
    /// The plan that was the route's when it was accepted.
    pub plan: PlanHash,
    /// What was sent.
    pub request: Request,
    /// What the sender, or the route for it, asked for besides.
    pub terms: Terms,
    /// The memory that it takes, given back when the last holder lets go of it.
    pub reservation: Option<Reservation>,
}

impl Message {
    /// When it was accepted, to the millisecond.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.id.timestamp()
    }

    /// When its deliveries are first due, where that isn't at once.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let received_at = self.received_at();
        self.terms.not_before.filter(|at| *at > received_at)
    }

    /// The key by which a step's delivery is kept in order, where it is.
    #[must_use]
    pub fn order_key(&self, step: StepIndex) -> Option<OrderKey> {
        let mut keys = self.terms.order.iter();
        keys.find(|(of, _)| *of == step).map(|(_, key)| *key)
    }

    /// The trace that it belongs to: the sender's, or one of its own.
    #[must_use]
    pub fn trace(&self) -> TraceContext<'_> {
        TraceContext::from_headers(&self.request.headers)
            .unwrap_or_else(|| TraceContext::from_message(self.id))
    }
}

/// What a sender can ask for besides delivery. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What makes a repeated request known as such.
    pub key: Option<IdempotencyKey>,
    /// No attempt is made before.
    pub not_before: Option<Timestamp>,
    /// A delivery that hasn't ended by then is dead. A redrive doesn't expire.
    pub expires: Option<Timestamp>,
    /// The URL that is told when the message has ended, where the sender named one.
    pub callback: Option<Box<str>>,
    /// The keys by which its deliveries are kept in order, each with the step that it is of.
    pub order: Box<[(StepIndex, OrderKey)]>,
}

/// A request as it was received, less its credentials and what concerned only the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, as sent.
    pub method: Box<str>,
    /// The path, as sent: percent-encoded, without the query.
    pub path: Box<str>,
    /// The query without its `?`, as sent.
    pub query: Option<Box<str>>,
    /// What the route's path template captured, decoded, in the template's order.
    pub params: Vec<(Box<str>, Box<str>)>,
    /// The headers, names in lower case.
    pub headers: Headers,
    /// The body, byte for byte as sent; compressed where `content-encoding` says so.
    pub body: Bytes,
}
