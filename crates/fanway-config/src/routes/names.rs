//! What stands under `query`, `headers` and `forward` of a step: names, some with templates.
//!
//! Which names a step may set or pass on is a rule of `fanway-transform`; here is only where the
//! names stand, and that no credentials are set by a step.

use fanway_transform::plan::CompiledPlan;
use fanway_transform::{Landing, Template};
use fanway_types::{Plan, Step};

use super::steps::{placed, plain};
use crate::check::{Check, Finding};
use crate::fields::Fields;
use crate::keys::Kind;
use crate::nodes::{expression, found, has_reference, list, mapping, scalar};
use crate::problem::Code;
use crate::yaml::{Node, Span};

/// Names with their templates, in the order of the file.
pub(super) type Templates = Vec<(String, String)>;

/// The word under `forward` that isn't a header.
const QUERY: &str = "query";

/// What is passed on of a request.
#[derive(Default)]
pub(super) struct Forward {
    pub(super) headers: Vec<String>,
    pub(super) query: bool,
}

/// Headers that show who somebody is. A step's are kept with each message's plan, where
/// nobody's credentials should be.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

pub(super) fn query(fields: &Fields<'_>, name: &'static str) -> Option<Templates> {
    templates(fields, name, Landing::Query, |name| {
        allowed(|step| step.query.push((name.to_owned(), String::new())))?;
        Ok(name.to_owned())
    })
}

pub(super) fn headers(fields: &Fields<'_>, name: &'static str) -> Option<Templates> {
    templates(fields, name, Landing::Header, |name| {
        let name = name.to_ascii_lowercase();
        if CREDENTIALS.contains(&name.as_str()) {
            return Err(format!(
                "`{name}` is not for a step to set: credentials stand under the target's `credentials`"
            ));
        }
        allowed(|step| step.headers.push((name.clone(), String::new())))?;
        Ok(name)
    })
}

fn templates(
    fields: &Fields<'_>,
    name: &'static str,
    landing: Landing,
    read_name: fn(&str) -> Result<String, String>,
) -> Option<Templates> {
    let Some(entry) = fields.entry(name) else {
        return Some(Vec::new());
    };
    let check = fields.check;
    let mut templates = Some(Templates::new());
    for entry in mapping(check, &entry.node, &Kind::Templates)? {
        let report = |message| check.report(Finding::new(Code::Value, entry.key_span, message));
        let name = read_name(&entry.key).map_err(report).ok();
        let text = expression(check, &entry.node, &Kind::Template, |text| {
            Template::compile(text, landing).map(drop).map_err(placed)
        });
        let pair = name.zip(text).filter(|(name, _)| {
            let earlier = templates.iter().flatten().any(|(other, _)| other == name);
            !earlier || report_twice(check, &format!("\"{}\"", entry.key), entry.key_span)
        });
        templates = templates.zip(pair).map(|(mut templates, pair)| {
            templates.push(pair);
            templates
        });
    }
    templates
}

/// Reads `forward: [x-request-id, query]`.
pub(super) fn forward(fields: &Fields<'_>, name: &'static str) -> Option<Forward> {
    let Some(entry) = fields.entry(name) else {
        return Some(Forward::default());
    };
    let check = fields.check;
    let mut forward = Some(Forward::default());
    for item in list(check, &entry.node, &Kind::List(&Kind::Header))? {
        let name = forwarded(check, item);
        forward = forward
            .zip(name)
            .and_then(|(forward, name)| add(check, forward, name, item));
    }
    forward
}

/// A name under `forward`, in lower case.
fn forwarded(check: &Check<'_>, item: &Node) -> Option<String> {
    let name: String = scalar(check, item, &Kind::Header)?;
    let name = name.to_ascii_lowercase();
    if name != QUERY
        && let Err(message) = allowed(|step| step.forward.push(name.clone()))
    {
        // The message quotes the name, and what a reference stands for is never shown.
        let message = if has_reference(item) {
            format!("{} is no header that can be passed on", found(check, item))
        } else {
            message
        };
        check.report(Finding::new(Code::Value, item.span, message));
        return None;
    }
    Some(name)
}

fn add(check: &Check<'_>, mut forward: Forward, name: String, item: &Node) -> Option<Forward> {
    let is_query = name == QUERY;
    if (is_query && forward.query) || forward.headers.contains(&name) {
        report_twice(check, &found(check, item), item.span);
        return None;
    }
    if is_query {
        forward.query = true;
    } else {
        forward.headers.push(name);
    }
    Some(forward)
}

fn report_twice(check: &Check<'_>, name: &str, span: Span) -> bool {
    let message = format!("{name} stands twice");
    check.report(Finding::new(Code::Key, span, message));
    false
}

/// Checks a name by compiling a step that has it and nothing else.
fn allowed(put: impl FnOnce(&mut Step)) -> Result<(), String> {
    let name = "probe".parse().expect("`probe` is a name");
    let mut step = plain(&"probe".parse().expect("`probe` is a name"), name);
    put(&mut step);
    let route = "probe".parse().expect("`probe` is a name");
    let problem = CompiledPlan::compile(&Plan {
        route,
        steps: vec![step],
        callback: None,
        on_dead: None,
    })
    .err();
    match problem.and_then(|problems| problems.into_iter().next()) {
        Some(problem) => Err(problem.error.message),
        None => Ok(()),
    }
}
