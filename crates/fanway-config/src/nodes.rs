//! Reading a node on its own: a scalar with what its references stand for, a list, a mapping.
//!
//! What is wrong has been reported when a reader gets `None`.

use fanway_types::Secret;

use crate::check::{Check, Finding};
use crate::interpolation::first_reference;
use crate::keys::Kind;
use crate::problem::Code;
use crate::suggestion::did_you_mean;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Node, Value};

/// Reads a scalar, its references replaced.
pub(crate) fn scalar<T: FromText>(check: &Check<'_>, node: &Node, kind: &Kind) -> Option<T> {
    let written = scalar_text(check, node, kind)?;
    let resolved = resolved_text(check, node, written)?;
    let because = match T::from_text(resolved.expose(), kind) {
        Ok(value) => return Some(value),
        Err(Refusal::Unexpected) => None,
        Err(Refusal::Because(why)) => Some(why),
        Err(Refusal::Secret(why)) => {
            check.hide(node.span);
            Some(why)
        }
    };
    let because = because.map(|why| format!(": {why}")).unwrap_or_default();
    let found = found(check, node);
    let message = format!("expected {}, found {found}{because}", kind.words());
    let finding = Finding::new(Code::Value, node.span, message);
    let near = match kind {
        Kind::Choice(words) => did_you_mean(resolved.expose(), words.iter().copied()),
        _ => String::new(),
    };
    check.report(match (first_reference(written), near.strip_prefix(", ")) {
        (Some(_), _) => finding.hint("what a ${…} stands for is never shown"),
        (None, Some(near)) => finding.hint(near),
        (None, None) => finding,
    });
    None
}

/// The text of a scalar as it is written, where there is one.
fn scalar_text<'n>(check: &Check<'_>, node: &'n Node, kind: &Kind) -> Option<&'n str> {
    match &node.value {
        Value::Scalar(scalar) if !node.is_nothing() => Some(&scalar.text),
        Value::Scalar(_) | Value::Sequence(_) | Value::Mapping(_) => {
            report_other(check, node, &kind.words());
            None
        }
    }
}

/// The text with its references replaced. What can't be is reported.
fn resolved_text(check: &Check<'_>, node: &Node, written: &str) -> Option<Secret> {
    let unresolved = match check.resolve(written) {
        Ok(text) => return Some(text),
        Err(unresolved) => unresolved,
    };
    for problem in unresolved {
        let place = check.place_between(node, problem.at.start, problem.at.end);
        check.report(Finding::new(Code::Reference, place, problem.message).hint(problem.hint));
    }
    None
}

/// Reads an expression, nothing in it replaced, and compiles it to see whether it can be.
pub(crate) fn expression(
    check: &Check<'_>,
    node: &Node,
    kind: &Kind,
    compile: impl FnOnce(&str) -> Result<(), (usize, String)>,
) -> Option<String> {
    let hint =
        "credentials stand under the target's `credentials`; anything else comes from the request";
    let text = verbatim(check, node, kind, ("expressions", hint))?;
    if let Err((offset, message)) = compile(text) {
        check.report(Finding::new(
            Code::Expression,
            check.place_within(node, offset),
            message,
        ));
        return None;
    }
    Some(text.to_owned())
}

/// The text of a scalar in which no reference may stand; `within` is what that is called, and
/// what might help.
pub(crate) fn verbatim<'n>(
    check: &Check<'_>,
    node: &'n Node,
    kind: &Kind,
    within: (&str, &str),
) -> Option<&'n str> {
    let text = scalar_text(check, node, kind)?;
    let Some((offset, reference)) = first_reference(text) else {
        return Some(text);
    };
    let message = format!("{reference} is not replaced inside {}", within.0);
    let place = check.place_between(node, offset, offset + reference.len());
    check.report(Finding::new(Code::Reference, place, message).hint(within.1));
    None
}

/// One value, or a list of at least one.
pub(crate) fn one_or_more<T: FromText>(
    check: &Check<'_>,
    node: &Node,
    kind: &Kind,
) -> Option<Vec<T>> {
    match (&node.value, kind) {
        (Value::Sequence(items), _) if items.is_empty() => {
            let message = format!("expected {}, found an empty list", kind.words());
            check.report(Finding::new(Code::Value, node.span, message));
            None
        }
        (Value::Sequence(items), Kind::OneOrMore(each)) => scalars(check, items, each),
        _ => scalar(check, node, kind).map(|one| vec![one]),
    }
}

/// The value of each of some scalars.
pub(crate) fn scalars<T: FromText>(
    check: &Check<'_>,
    items: &[Node],
    kind: &Kind,
) -> Option<Vec<T>> {
    // Each is read before any is given up, so that all that is wrong is found.
    let read: Vec<Option<T>> = items.iter().map(|item| scalar(check, item, kind)).collect();
    read.into_iter().collect()
}

/// The items of a list.
pub(crate) fn list<'n>(check: &Check<'_>, node: &'n Node, kind: &Kind) -> Option<&'n [Node]> {
    match &node.value {
        Value::Sequence(items) => Some(items),
        Value::Scalar(_) | Value::Mapping(_) => {
            report_other(check, node, &kind.words());
            None
        }
    }
}

/// The entries of a mapping whose keys people choose.
pub(crate) fn mapping<'n>(check: &Check<'_>, node: &'n Node, kind: &Kind) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Mapping(entries) => Some(entries),
        Value::Scalar(_) | Value::Sequence(_) => {
            report_other(check, node, &kind.words());
            None
        }
    }
}

/// The key of an entry as the name of something.
pub(crate) fn name<T: FromText>(check: &Check<'_>, entry: &Entry) -> Option<T> {
    let name = T::from_text(&entry.key, &Kind::Name).ok();
    if name.is_none() {
        let message = format!("expected {}, found \"{}\"", Kind::Name.words(), entry.key);
        check.report(Finding::new(Code::Value, entry.key_span, message));
    }
    name
}

pub(crate) fn report_other(check: &Check<'_>, node: &Node, expected: &str) {
    let message = format!("expected {expected}, found {}", found(check, node));
    check.report(Finding::new(Code::Value, node.span, message));
}

/// Whether something is put in where a node is read.
pub(crate) fn has_reference(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => first_reference(&scalar.text).is_some(),
        Value::Sequence(_) | Value::Mapping(_) => false,
    }
}

/// A node as a message names it: as it is written, and not all of it.
pub(crate) fn found(check: &Check<'_>, node: &Node) -> String {
    const LONGEST: usize = 60;
    match &node.value {
        Value::Scalar(_) if check.is_hidden(node.span) => "a text that is not shown".to_owned(),
        Value::Scalar(_) if node.is_nothing() => "nothing".to_owned(),
        Value::Scalar(scalar) if scalar.text.chars().count() > LONGEST => {
            let start: String = scalar.text.chars().take(LONGEST).collect();
            format!("\"{start}…\"")
        }
        Value::Scalar(scalar) => format!("\"{}\"", scalar.text),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
    }
}
