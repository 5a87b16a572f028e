//! `routes`: inbound endpoints, and what follows from a request to them.

mod matching;
mod names;
mod steps;

use std::sync::Arc;

use fanway_types::{PathTemplate, Plan, RouteName};
use http::Method;

use crate::check::{Check, Finding};
use crate::fields::{Fields, name};
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::Code;
use crate::yaml::Entry;
use matching::Match;
pub(crate) use steps::KnownTargets;

/// A route: what it matches, and the plan that follows.
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
    /// Its steps, their expressions checked.
    pub plan: Arc<Plan>,
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
        ("idempotency", "not in this release"),
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
    entries: &[Entry],
    targets: &KnownTargets<'_>,
) -> Option<Vec<Route>> {
    let read: Vec<Read<'_>> = entries
        .iter()
        .map(|entry| read(check, entry, targets))
        .collect();
    report_indistinct(check, &read);
    read.into_iter().map(|read| read.route).collect()
}

fn read<'n>(check: &Check<'_>, entry: &'n Entry, targets: &KnownTargets<'_>) -> Read<'n> {
    let name: Option<RouteName> = name(check, entry);
    let parts = Fields::read(check, &entry.node, &SECTION, |fields| {
        let matched = matching::read(fields, "match");
        Some((matched, steps::read(fields, "send", targets)))
    });
    let (matched, steps) = parts.unwrap_or_default();
    let route = name
        .zip(matched.clone())
        .zip(steps)
        .map(|((name, matched), steps)| Route {
            name: name.clone(),
            method: matched.method,
            path: matched.path,
            plan: Arc::new(Plan { route: name, steps }),
        });
    Read {
        name: &entry.key,
        matched,
        route,
    }
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
            let line = earlier.span.line;
            let message =
                format!("the routes `{other}` (line {line}) and `{name}` match the same requests");
            check.report(
                Finding::new(Code::Fit, later.span, message).also(earlier.span, "the other"),
            );
        }
    }
}
