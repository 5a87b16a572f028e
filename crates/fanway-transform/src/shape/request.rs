//! What expressions see of the request, and what of it is passed on.

use std::sync::Arc;

use fanway_types::{Headers, Message, Request};
use jaq_json::{Map, Val};
use percent_encoding::percent_decode_str;

use crate::json::Limits;
use crate::plan::CompiledStep;
use crate::program::Scope;
use crate::value::Value;

/// `$request`, `$message` and `$steps` of a message.
pub(crate) fn scope_of(message: &Message) -> Scope {
    let about = [
        ("id", text(message.id.to_string())),
        ("received_at", text(message.received_at().to_string())),
    ];
    Scope {
        request: value(request(&message.request)),
        message: value(object(about)),
        steps: value(object([])),
    }
}

/// The scope of expressions that don't look at it.
pub(crate) fn no_scope() -> Scope {
    let nothing = value(Val::Null);
    Scope {
        request: nothing.clone(),
        message: nothing.clone(),
        steps: nothing,
    }
}

fn request(request: &Request) -> Val {
    let params = request
        .params
        .iter()
        .map(|(name, value)| (&**name, text(&**value)));
    object([
        ("method", text(&*request.method)),
        ("path", text(&*request.path)),
        ("params", object(params)),
        ("query", query(request.query.as_deref().unwrap_or_default())),
        ("headers", headers(&request.headers)),
    ])
}

/// A query's parameters by name, decoded as forms are; one that is repeated is an array.
fn query(query: &str) -> Val {
    let mut parameters = Map::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let together = match parameters.swap_remove(&name) {
            None => value,
            Some(Val::Arr(mut values)) => {
                Arc::make_mut(&mut values).push(value);
                Val::Arr(values)
            }
            Some(first) => Val::Arr(vec![first, value].into()),
        };
        parameters.insert(name, together);
    }
    Val::obj(parameters)
}

fn decoded(part: &str) -> Val {
    let spaced = part.replace('+', " ");
    text(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// Headers by their lower-case names; repeated ones are joined with `, ` (RFC 9110, section 5.3).
fn headers(headers: &Headers) -> Val {
    let mut joined: Map<String, String> = Map::default();
    for (name, value) in headers.iter() {
        let value = String::from_utf8_lossy(value);
        match joined.get_mut(name) {
            None => {
                joined.insert(name.to_owned(), value.into_owned());
            }
            Some(before) => {
                before.push_str(", ");
                before.push_str(&value);
            }
        }
    }
    object(
        joined
            .iter()
            .map(|(name, value)| (name.as_str(), text(value.as_str()))),
    )
}

fn object<'n>(members: impl IntoIterator<Item = (&'n str, Val)>) -> Val {
    Val::obj(
        members
            .into_iter()
            .map(|(name, value)| (text(name), value))
            .collect(),
    )
}

fn text(text: impl Into<String>) -> Val {
    Val::from(text.into())
}

fn value(json: Val) -> Value {
    Value::parsed(json, Limits::default().depth)
}

/// The request's path and query, as they came.
pub(super) fn address(request: &Request) -> Arc<str> {
    match &request.query {
        Some(query) => format!("{}?{query}", request.path).into(),
        None => (&*request.path).into(),
    }
}

/// The request's headers that a step passes on: those that describe the body, where it passes
/// unchanged, and those that `forward` names.
pub(super) fn passed_on<'m>(
    headers: &'m Headers,
    step: &CompiledStep,
) -> impl Iterator<Item = (&'m str, &'m [u8])> {
    let describes_body = |name: &str| name == "content-type" || name == "content-encoding";
    let passes_body = step.body.is_none() && !step.bodiless;
    headers.iter().filter(move |(name, _)| {
        if describes_body(name) {
            return passes_body;
        }
        step.forward.iter().any(|forwarded| **forwarded == **name)
    })
}
