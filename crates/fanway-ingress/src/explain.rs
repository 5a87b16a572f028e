//! What would become of a request, without a server and without a store.
//!
//! It asks the same functions as a request that comes in. It can't know what only shows then: what
//! the store says, how much memory is left, and whether the head as a whole is too large.

use bytes::Bytes;
use http::Method;
use http::request::Parts;

use fanway_types::{Captures, Message, MessageId, RouteName, Segment, Timestamp};

use crate::accept::request;
use crate::door::Ingress;
use crate::headers::{self, Sorted};
use crate::params::{BodyKind, Limits, RouteParams};
use crate::problem::{Kind, Problem};
use crate::terms::{self, Asked, Times};
use crate::{body, key, order, status, validate};

/// What would become of a request.
#[derive(Debug)]
pub struct Explanation {
    /// Each route, in the order in which they were given, and whether it takes the request.
    pub routes: Vec<(RouteName, Match)>,
    /// What the route that takes the request makes of it, or why none does.
    pub outcome: Outcome,
}

/// Whether a route takes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// It does, and its path has captured this.
    Takes(Captures),
    /// It would, but another one goes before it.
    Behind(RouteName),
    /// Its path fits, but it takes this method only.
    Method(Method),
    /// Its path doesn't fit.
    Path(Difference),
}

/// Where a request's path first differs from a route's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which segment it is, from 0.
    pub segment: usize,
    /// What the route has there; `None` where it has no more.
    pub expected: Option<Segment>,
    /// What the request has there, as sent; `None` where it has no more.
    pub found: Option<Box<str>>,
}

/// What follows from the routes.
#[derive(Debug)]
pub enum Outcome {
    /// A route takes the request.
    Taken(Box<Taken>),
    /// None does.
    Refused(Refusal),
    /// Fanway answers it itself: its path is reserved.
    Reserved,
}

/// What a route makes of a request.
#[derive(Debug)]
pub struct Taken {
    /// The route.
    pub route: RouteName,
    /// The checks in their order. A request that comes in ends with the first refusal; here the
    /// others are made too, but for those that then tell nothing: the rest where the headers are
    /// refused, and the last one where the body is too large.
    pub checks: Vec<(Check, Verdict)>,
    /// What would be kept, where nothing is refused. Its id is made up: it has the time, and zeros.
    pub message: Option<Message>,
}

/// What is checked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// That there aren't too many headers, or too long ones.
    Headers,
    /// `Idempotency-Key`.
    Key,
    /// `Fanway-Not-Before` and `Fanway-Expires`, and what the route says in their place.
    Times,
    /// `Fanway-Callback`.
    Callback,
    /// That the body isn't too large.
    Size,
    /// That the body is JSON.
    Json,
    /// That each `order_by` gives a key, or null; only where there is one.
    Order,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Passed,
    /// There is nothing to check.
    NotNeeded,
    /// The request is refused.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of problem.
    pub kind: Kind,
    /// More about it.
    pub detail: Option<String>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            kind: problem.kind,
            detail: problem.detail().map(str::to_owned),
        }
    }
}

impl Ingress {
    /// Says what would become of a request that came now. Nothing is kept, and nothing is counted.
    #[must_use]
    pub fn explain(&self, head: &Parts, body: &Bytes) -> Explanation {
        let present = self.shared.present();
        let path = head.uri.path();
        let found = present.router.find(&head.method, path);
        let taker = found.as_ref().ok().map(|(route, _)| &route.params.name);
        let routes = present.router.routes();
        let routes = routes
            .map(|route| (route.name.clone(), matched(route, head, taker)))
            .collect();
        let outcome = match found {
            _ if path.starts_with(status::RESERVED) => Outcome::Reserved,
            Err(problem) => Outcome::Refused(problem.into()),
            Ok((route, captures)) => {
                let received = Received {
                    head,
                    body,
                    limits: &present.limits,
                    now: (self.shared.clock)(),
                };
                Outcome::Taken(Box::new(received.taken(&route.params, captures)))
            }
        };
        Explanation { routes, outcome }
    }
}

/// Whether a route takes a request that `taker` takes, if any does.
fn matched(route: &RouteParams, head: &Parts, taker: Option<&RouteName>) -> Match {
    let path = head.uri.path();
    let captures = match route.path.try_captures(path) {
        Ok(captures) => captures,
        Err(segment) => {
            let segments = path.strip_prefix('/').unwrap_or(path).split('/');
            return Match::Path(Difference {
                segment,
                expected: route.path.segments().get(segment).cloned(),
                found: segments.into_iter().nth(segment).map(Into::into),
            });
        }
    };
    match (&route.method, taker) {
        (Some(method), _) if *method != head.method => Match::Method(method.clone()),
        (_, Some(taker)) if *taker != route.name => Match::Behind(taker.clone()),
        _ => Match::Takes(captures),
    }
}

/// A request, and when it was received.
struct Received<'r> {
    head: &'r Parts,
    body: &'r Bytes,
    limits: &'r Limits,
    now: Timestamp,
}

impl Received<'_> {
    /// What a route makes of it.
    fn taken(&self, route: &RouteParams, captures: Captures) -> Taken {
        let mut checks = Checks(Vec::new());
        let message = checks.all(route, captures, self);
        Taken {
            route: route.name.clone(),
            checks: checks.0,
            message,
        }
    }
}

/// The checks that have been made.
struct Checks(Vec<(Check, Verdict)>);

impl Checks {
    /// Makes all checks that can be made; gives the message where all are passed.
    fn all(
        &mut self,
        route: &RouteParams,
        captures: Captures,
        received: &Received<'_>,
    ) -> Option<Message> {
        let &Received {
            head,
            body,
            limits,
            now,
        } = received;
        let sorted = headers::sort(&head.headers, limits.max_headers);
        let Sorted { kept, own } = self.note(Check::Headers, sorted, |_| true)?;
        let key = key::read(own.key, route.idempotency);
        let key = self.note(Check::Key, key, Option::is_some);
        let times = Times::read(&own, route).and_then(|times| times.resolve(now).map(|_| times));
        let times = self.note(Check::Times, times, |times| !times.are_none());
        let callback = terms::callback(own.callback, &route.callbacks);
        let callback = self.note(Check::Callback, callback, Option::is_some);
        let size = body::check_size(body.len(), limits.max_body);
        let size = self.note(Check::Size, size, |()| !body.is_empty());
        size?;
        let needs_json = route.body == BodyKind::Json;
        let json = if needs_json {
            validate::check(body, validate::encoding(&kept), limits.max_body)
        } else {
            Ok(())
        };
        self.note(Check::Json, json, |()| needs_json)?;
        let asked = Asked {
            key: key?,
            times: times?,
            callback: callback?,
        };
        let fingerprint = asked
            .key
            .is_some()
            .then(|| validate::fingerprint(head, body));
        let mut message = Message {
            id: MessageId::first_at(now),
            route: route.name.clone(),
            plan: route.plan,
            terms: asked.terms(route, fingerprint, now).ok()?,
            request: request(head, captures, kept, body.clone()),
            reservation: None,
        };
        if let Some(plan) = &route.order {
            let keys = order::here(plan, &message, limits.max_body);
            message.terms.order = self.note(Check::Order, keys, |keys| !keys.is_empty())?;
        }
        Some(message)
    }

    /// Notes what a check has found. `was_needed` says whether there was anything to check.
    fn note<T>(
        &mut self,
        check: Check,
        found: Result<T, Problem>,
        was_needed: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let (verdict, value) = match found {
            Err(problem) => (Verdict::Refused(problem.into()), None),
            Ok(value) if was_needed(&value) => (Verdict::Passed, Some(value)),
            Ok(value) => (Verdict::NotNeeded, Some(value)),
        };
        self.0.push((check, verdict));
        value
    }
}
