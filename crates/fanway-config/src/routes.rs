//! `routes`: inbound endpoints, and what follows from a request to them.

mod body;
mod callback;
mod idempotency;
mod matching;
mod names;
mod steps;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use fanway_types::{AllowedOrigin, Egress, PathTemplate, Plan, RouteName, Step, TargetName};
use http::Method;

use crate::check::{Check, Finding};
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::name;
use crate::problem::Code;
use crate::targets::KnownTargets;
use crate::yaml::{Entry, Span};
use callback::Callback;
pub use idempotency::Idempotency;
use matching::Match;
use terms::Terms;

/// A route: what it matches, what holds for its messages, and the plan that follows.
///
/// No two routes of a config are [indistinct](PathTemplate::indistinct) for the same method.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// The method that it matches; `None` for any.
    pub method: Option<Method>,
    /// The paths that it matches; none of them begins with `/fanway/`.
    pub path: PathTemplate,
    /// What an `Idempotency-Key` does.
    pub idempotency: Idempotency,
    /// How long after its acceptance a message is first sent on; 30 days at most.
    pub not_before: Option<Duration>,
    /// How long after its acceptance what hasn't ended of a message is dead; more than
    /// `not_before`, 365 days at most.
    pub expires: Option<Duration>,
    /// The origins that senders may name in `Fanway-Callback`. Where there are any,
    /// `callbacks.sign` is there.
    pub callback_origins: Vec<AllowedOrigin>,
    /// Its steps, their expressions checked, and whom it tells.
    pub plan: Arc<Plan>,
}

/// What routes have to fit.
pub(crate) struct Beside<'n> {
    pub(crate) targets: &'n KnownTargets<'n>,
    /// `store.keep.messages`, where it is a duration.
    pub(crate) messages: Option<Duration>,
    /// Where that is written, if it is.
    pub(crate) messages_span: Option<Span>,
    /// Whether `callbacks.sign` is written.
    pub(crate) signs_callbacks: bool,
    /// Which addresses they may name.
    pub(crate) egress: &'n Egress,
}

pub(crate) static SECTION: Section = Section {
    about: "An inbound endpoint, and what follows from a request to it.",
    elsewhere: &[
        (
            "allow",
            "not in this release: who may send is for what stands before Fanway",
        ),
        (
            "validate",
            "checks against a schema are not in this release",
        ),
        (
            "respond",
            "not in this release: a sender always gets its 202 once the message is durable",
        ),
        ("path", "that is part of `match`: POST /orders"),
        ("method", "that is part of `match`: POST /orders"),
    ],
    keys: &[
        Key {
            name: "match",
            kind: Kind::Either(&Kind::Match, &matching::SECTION),
            default: Default::Required,
            about: "The requests that it takes: a method (or `*`) and a path, such as `POST /orders/{id}`. `{name}` stands for one segment, `{name...}` at the end for all that is left. Of routes that match the most specific one wins. `/fanway/` is reserved.",
        },
        Key {
            name: "send",
            kind: Kind::List(&Kind::Either(&Kind::Name, &steps::SECTION)),
            default: Default::Required,
            about: "Its steps, at least one: each the name of a target, or a mapping.",
        },
        Key {
            name: "idempotency",
            kind: Kind::Section(&idempotency::SECTION),
            default: Default::Unset,
            about: "What an `Idempotency-Key` does: of requests with the same one a single message is made.",
        },
        Key {
            name: "not_before",
            kind: terms::NOT_BEFORE,
            default: Default::Unset,
            about: "How long after its acceptance a message is first sent on. A request's `Fanway-Not-Before` goes before it.",
        },
        Key {
            name: "expires",
            kind: terms::EXPIRES,
            default: Default::Unset,
            about: "How long after its acceptance a message has to end: what hasn't by then is dead, for the reason `expired`. More than `not_before`. A request's `Fanway-Expires` goes before it.",
        },
        Key {
            name: "callback",
            kind: Kind::Either(&Kind::Name, &callback::SECTION),
            default: Default::Unset,
            about: "A target that is told of each message that has ended; or a mapping that also says which URLs senders may name.",
        },
        Key {
            name: "on_dead",
            kind: Kind::Name,
            default: Default::Unset,
            about: "A target that is told of each dead letter.",
        },
    ],
};

/// What could be read of a route.
struct Read<'n> {
    name: &'n str,
    matched: Option<Match>,
    route: Option<Route>,
}

/// Reads all routes. What is wrong with one doesn't keep the others from being read.
pub(crate) fn read_all(
    check: &Check<'_>,
    entries: &[&Entry],
    beside: &Beside<'_>,
) -> Option<Vec<Route>> {
    let read: Vec<Read<'_>> = entries
        .iter()
        .map(|entry| read(check, entry, beside))
        .collect();
    report_indistinct(check, &read);
    read.into_iter().map(|read| read.route).collect()
}

/// What stands under a route's name, as far as it could be read.
#[derive(Default)]
struct Parts {
    matched: Option<Match>,
    steps: Option<Vec<Step>>,
    idempotency: Option<Idempotency>,
    terms: Option<Terms>,
    callback: Option<Callback>,
    on_dead: Option<Option<TargetName>>,
}

fn read<'n>(check: &Check<'_>, entry: &'n Entry, beside: &Beside<'_>) -> Read<'n> {
    let name: Option<RouteName> = name(check, entry);
    let parts = Fields::read(check, &entry.node, &SECTION, |fields| {
        Some(read_parts(fields, beside))
    });
    let parts = parts.unwrap_or_default();
    Read {
        name: &entry.key,
        matched: parts.matched.clone(),
        route: name.and_then(|name| route(name, parts)),
    }
}

fn read_parts(fields: &Fields<'_>, beside: &Beside<'_>) -> Parts {
    let on_dead = fields.entry("on_dead").map_or(Some(None), |entry| {
        beside.targets.read(fields.check, &entry.node).map(Some)
    });
    Parts {
        matched: matching::read(fields, "match"),
        steps: steps::read(fields, "send", beside.targets),
        idempotency: fields.section("idempotency", |inner| idempotency::read(inner, beside)),
        terms: terms::read(fields),
        callback: callback::read(fields, "callback", beside),
        on_dead,
    }
}

/// The route, where all of it could be read.
fn route(name: RouteName, parts: Parts) -> Option<Route> {
    let (matched, terms, callback) = (parts.matched?, parts.terms?, parts.callback?);
    let plan = Plan {
        route: name.clone(),
        steps: parts.steps?,
        callback: callback.to,
        on_dead: parts.on_dead?,
    };
    Some(Route {
        name,
        method: matched.method,
        path: matched.path,
        idempotency: parts.idempotency?,
        not_before: terms.not_before,
        expires: terms.expires,
        callback_origins: callback.allow,
        plan: Arc::new(plan),
    })
}

/// Reports each route that can't be told apart from an earlier one.
fn report_indistinct(check: &Check<'_>, routes: &[Read<'_>]) {
    let matched: Vec<(&str, &Match)> = routes
        .iter()
        .filter_map(|read| Some((read.name, read.matched.as_ref()?)))
        .collect();
    for (index, (name, later)) in matched.iter().enumerate() {
        let same = |(_, earlier): &&(&str, &Match)| {
            earlier.method == later.method && earlier.path.indistinct(&later.path)
        };
        if let Some((other, earlier)) = matched[..index].iter().find(same) {
            let line = check.line_from(later.span.file, earlier.span);
            let message =
                format!("the routes `{other}` ({line}) and `{name}` match the same requests");
            check.report(
                Finding::new(Code::Fit, later.span, message).also(earlier.span, "the other"),
            );
        }
    }
}
