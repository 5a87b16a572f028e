//! What a request would cause: which route takes it, what its checks say, and each request to a
//! target as it would be sent.
//!
//! Each part is asked that would do it: ingress to take the request, transform to shape it,
//! dispatch and the target to make the attempt. Nothing is sent, no store is opened, and no server
//! is needed; so what only a running one knows (room in the store, what holds a target) isn't told.

mod document;
mod policy;
mod steps;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_config::{self as config, Config};
use fanway_ingress::explain::{Check, Difference, Explanation, Match, Outcome, Refusal, Verdict};
use fanway_ingress::{Ingress, metrics::Metrics};
use fanway_transform::plan::CompiledPlan;
use fanway_types::{MemoryBudget, Message, MessageId, RouteName, Segment, Timestamp};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri};
use prometheus_client::registry::Registry;

pub use document::{
    Body, Bounds, Breaker, Checked, Concurrency, Endpoints, Explained, Expression, Health, Key,
    Notices, Outgoing, Policy, Problem, Proxy, Rate, Retry, Said, Step, Success, Terms, Timeouts,
    Tls, Tried, Who,
};

use crate::lanes::Lanes;
use crate::parts;
use crate::start::StartError;
use policy::written;

/// Why a route doesn't take what Fanway answers itself.
const RESERVED: &str = "takes nothing under /fanway/";

/// A request to be explained.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it came, for expressions that ask for that.
    pub received_at: Timestamp,
}

/// Why a request can't be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Ingress can't be as it is configured.
    #[error("requests can't be taken in")]
    Ingress(#[from] fanway_ingress::Error),
    /// A route's plan doesn't compile.
    #[error(transparent)]
    Plan(#[from] StartError),
    /// The system gave no threads to evaluate expressions on.
    #[error("no expressions can be evaluated")]
    Evaluator(#[source] io::Error),
}

/// Says what `request` would cause under `config`. Blocks while expressions run; not to be called
/// within an asynchronous runtime.
///
/// The message's id is made up: it has the time, and zeros where chance would be. So are those that
/// follow from it.
///
/// # Errors
/// See [`ExplainError`]. A request that would be refused is no error.
pub fn explain(config: &Config, request: &ExplainRequest) -> Result<Explained, ExplainError> {
    let plans: Vec<_> = config
        .routes
        .iter()
        .map(parts::plan)
        .collect::<Result<_, _>>()?;
    let ingress = Ingress::try_new(fanway_ingress::Params {
        table: parts::table(config, &plans, &Lanes::default()),
        budget: MemoryBudget::new(config.server.memory),
        clock: parts::now,
        metrics: Metrics::register(&mut Registry::default()),
        evaluator: None,
    })?;
    let head = request.head();
    let Explanation { routes, outcome } = ingress.explain(&head, &request.body);
    let mut explained = Explained {
        request: format!("{} {}", request.method, request.uri),
        routes: tried(config, &routes),
        ..Explained::default()
    };
    match outcome {
        Outcome::Reserved => {
            explained.is_reserved = true;
            for tried in &mut explained.routes {
                tried.takes = false;
                RESERVED.clone_into(&mut tried.why);
            }
        }
        Outcome::Refused(refusal) => explained.refused = Some(problem(&refusal)),
        Outcome::Taken(taken) => {
            explained.checks = taken.checks.iter().map(checked).collect();
            let refused = taken.checks.iter().find_map(|(_, verdict)| match verdict {
                Verdict::Refused(refusal) => Some(refusal),
                Verdict::Passed | Verdict::NotNeeded => None,
            });
            explained.refused = refused.map(problem);
            if let Some(message) = taken.message {
                let route = route(config, &plans, &taken.route);
                follow(&mut explained, config, route, message, request)?;
            }
            explained.route = Some(taken.route);
        }
    }
    Ok(explained)
}

impl ExplainRequest {
    fn head(&self) -> Parts {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.into_parts().0
    }
}

/// The route of this name, and its plan.
fn route<'c>(
    config: &'c Config,
    plans: &'c [Arc<CompiledPlan>],
    name: &RouteName,
) -> (&'c config::Route, &'c Arc<CompiledPlan>) {
    let mut routes = config.routes.iter().zip(plans);
    routes
        .find(|(route, _)| route.name == *name)
        .expect("ingress has the config's routes")
}

/// Adds what follows once the request is accepted.
fn follow(
    explained: &mut Explained,
    config: &Config,
    (route, plan): (&config::Route, &Arc<CompiledPlan>),
    message: Message,
    request: &ExplainRequest,
) -> Result<(), ExplainError> {
    // Ingress has its own clock; two explanations of one request are to be comparable.
    let message = Message {
        id: MessageId::first_at(request.received_at),
        ..message
    };
    explained.message = Some(message.id);
    explained.plan = Some(message.plan.to_string());
    explained.terms = Some(terms(route, &message, &request.headers));
    explained.notices = Some(Notices {
        callback: route.plan.callback.clone(),
        callback_url: message.terms.callback.as_deref().map(str::to_owned),
        on_dead: route.plan.on_dead.clone(),
    });
    explained.steps = steps::explain(config, plan, message).map_err(ExplainError::Evaluator)?;
    Ok(())
}

fn terms(route: &config::Route, message: &Message, headers: &HeaderMap) -> Terms {
    let said = |header: &str, ours: Option<Duration>| {
        let theirs = headers.get(header).and_then(|value| value.to_str().ok());
        match (theirs, ours) {
            (Some(theirs), _) => Some((theirs.to_owned(), Who::Sender)),
            (None, ours) => ours.map(|ours| (written(ours), Who::Route)),
        }
        .map(|(said, by)| Said { said, by })
    };
    let key = message.terms.key.as_ref();
    Terms {
        idempotency_key: key.map(|key| Key {
            key: key.text.as_ref().to_owned(),
            keep: written(route.idempotency.keep),
        }),
        not_before: said("fanway-not-before", route.not_before),
        expires: said("fanway-expires", route.expires),
    }
}

/// Each route, and why it takes the request or doesn't.
fn tried(config: &Config, routes: &[(RouteName, Match)]) -> Vec<Tried> {
    let routes = config.routes.iter().zip(routes);
    routes
        .map(|(route, (name, matched))| {
            let method = route.method.as_ref().map_or("*", Method::as_str);
            Tried {
                route: name.clone(),
                matches: format!("{method} {}", route.path),
                takes: matches!(matched, Match::Takes(_)),
                why: why(matched),
            }
        })
        .collect()
}

fn why(matched: &Match) -> String {
    match matched {
        Match::Takes(captures) => {
            let captures = captures.iter();
            let captured: Vec<String> = captures
                .map(|(name, value)| format!("{name} is `{value}`"))
                .collect();
            let captured = captured.join(", ");
            let mark = if captured.is_empty() { "" } else { ": " };
            format!("takes it{mark}{captured}")
        }
        Match::Behind(other) => format!("fits, but `{other}` fits better"),
        Match::Method(method) => format!("fits, but takes {method} only"),
        Match::Path(difference) => differs(difference),
    }
}

fn differs(difference: &Difference) -> String {
    let expected = difference.expected.as_ref().map(|segment| match segment {
        Segment::Literal(text) => text.to_string(),
        Segment::Param(name) => format!("{{{name}}}"),
        Segment::Rest(name) => format!("{{{name}...}}"),
    });
    match (expected, &difference.found) {
        (Some(expected), Some(found)) => format!("has `{expected}` where the path has `{found}`"),
        (Some(expected), None) => format!("goes on with `{expected}` where the path ends"),
        (None, Some(found)) => format!("ends where the path goes on with `{found}`"),
        (None, None) => "doesn't fit".to_owned(),
    }
}

fn checked((check, verdict): &(Check, Verdict)) -> Checked {
    let (verdict, refused) = match verdict {
        Verdict::Passed => ("passed", None),
        Verdict::NotNeeded => ("not_needed", None),
        Verdict::Refused(refusal) => ("refused", Some(problem(refusal))),
    };
    Checked {
        check: match check {
            Check::Headers => "headers",
            Check::Key => "idempotency_key",
            Check::Times => "times",
            Check::Callback => "callback",
            Check::Size => "size",
            Check::Json => "json",
            Check::Order => "order_by",
        },
        verdict,
        refused,
    }
}

fn problem(refusal: &Refusal) -> Problem {
    Problem {
        r#type: format!("/fanway/problems/{}", refusal.kind.code()),
        title: refusal.kind.title(),
        status: refusal.kind.status().as_u16(),
        detail: refusal.detail.clone(),
    }
}

#[cfg(test)]
mod tests;
