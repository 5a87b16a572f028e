//! Reading a mapping by its section's table.
//!
//! Whoever reads a section asks for each of its keys once, by name, before it gives up for any
//! of them: that is how all errors are found at once. What is wrong has been reported when a
//! reader gets `None`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::check::{Check, Finding};
use crate::interpolation::{first_reference, resolve};
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::Code;
use crate::suggestion::did_you_mean;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Node, Span, Value};

/// A mapping that is being read.
pub(crate) struct Fields<'a> {
    pub(crate) check: &'a Check<'a>,
    section: &'static Section,
    /// The whole mapping, or where it should have been.
    pub(crate) span: Span,
    entries: &'a [Entry],
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Fields<'a> {
    /// Reads a node as a section, and reports what it has beyond.
    pub(crate) fn read<T>(
        check: &'a Check<'a>,
        node: &'a Node,
        section: &'static Section,
        body: impl FnOnce(&Self) -> Option<T>,
    ) -> Option<T> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            Value::Scalar(_) if node.is_nothing() => &[],
            Value::Scalar(_) | Value::Sequence(_) => {
                report_other(check, node, "a mapping");
                return None;
            }
        };
        Self::read_entries(check, node.span, entries, section, body)
    }

    fn read_entries<T>(
        check: &'a Check<'a>,
        span: Span,
        entries: &'a [Entry],
        section: &'static Section,
        body: impl FnOnce(&Self) -> Option<T>,
    ) -> Option<T> {
        let fields = Self {
            check,
            section,
            span,
            entries,
            asked: RefCell::default(),
        };
        fields.report_unknown();
        let read = body(&fields);
        let unasked = section
            .keys
            .iter()
            .find(|key| !fields.asked.borrow().contains(key.name));
        debug_assert!(
            unasked.is_none(),
            "nobody reads the key `{}`",
            unasked.map_or("", |key| key.name)
        );
        read
    }

    fn report_unknown(&self) {
        for entry in self
            .entries
            .iter()
            .filter(|entry| self.section.key(&entry.key).is_none())
        {
            let known = self.section.keys.iter().map(|key| key.name);
            let elsewhere = self
                .section
                .elsewhere
                .iter()
                .find(|(name, _)| *name == entry.key);
            let meant = if elsewhere.is_some() {
                String::new()
            } else {
                did_you_mean(&entry.key, known.clone())
            };
            let finding = Finding::new(
                Code::Key,
                entry.key_span,
                format!("unknown key \"{}\"{meant}", entry.key),
            );
            self.check.report(match elsewhere {
                Some((_, hint)) => finding.hint(*hint),
                None if meant.is_empty() => finding.hint(format!(
                    "known here: {}",
                    known.collect::<Vec<_>>().join(", ")
                )),
                None => finding,
            });
        }
    }

    fn key(&self, name: &'static str) -> &'static Key {
        self.asked.borrow_mut().insert(name);
        self.section
            .key(name)
            .expect("a section's table has every key that its reader asks for")
    }

    /// The entry of a key, where it was written.
    pub(crate) fn entry(&self, name: &'static str) -> Option<&'a Entry> {
        self.key(name);
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// The entry of a key that has to be there.
    pub(crate) fn required(&self, name: &'static str) -> Option<&'a Entry> {
        let entry = self.entry(name);
        if entry.is_none() {
            let place = Span::one(self.span.line, self.span.column);
            let key = self.key(name);
            let finding = Finding::new(Code::Missing, place, format!("missing key \"{name}\""));
            self.check
                .report(finding.hint(format!("expected {}", key.kind.words())));
        }
        entry
    }

    /// The value of a key that has a default, or has to be there.
    pub(crate) fn value<T: FromText>(&self, name: &'static str) -> Option<T> {
        let key = self.key(name);
        match (self.entry(name), key.default) {
            (Some(entry), _) => scalar(self.check, &entry.node, &key.kind),
            (None, Default::Is(text)) => Some(
                T::from_text(text, &key.kind)
                    .ok()
                    .expect("a default in a table is a value that its key accepts"),
            ),
            (None, _) => self.required(name).and(None),
        }
    }

    /// The value of a key that can be left out.
    pub(crate) fn optional<T: FromText>(&self, name: &'static str) -> Option<Option<T>> {
        let key = self.key(name);
        self.entry(name).map_or(Some(None), |entry| {
            scalar(self.check, &entry.node, &key.kind).map(Some)
        })
    }

    /// The text of a key that can be left out and is an expression: as written, nothing replaced.
    pub(crate) fn expression(
        &self,
        name: &'static str,
        compile: impl FnOnce(&str) -> Result<(), (usize, String)>,
    ) -> Option<Option<String>> {
        let key = self.key(name);
        self.entry(name).map_or(Some(None), |entry| {
            expression(self.check, &entry.node, &key.kind, compile).map(Some)
        })
    }

    /// A mapping that can be left out: then it is read as if it were empty.
    pub(crate) fn section<T>(
        &self,
        name: &'static str,
        body: impl FnOnce(&Fields<'a>) -> Option<T>,
    ) -> Option<T> {
        let (section, _) = self
            .key(name)
            .kind
            .section()
            .expect("the table says that a mapping stands here");
        match self.entry(name) {
            Some(entry) => Fields::read(self.check, &entry.node, section, body),
            None => Self::read_entries(self.check, self.span, &[], section, body),
        }
    }
}

/// Reads a scalar, its references replaced.
pub(crate) fn scalar<T: FromText>(check: &Check<'_>, node: &Node, kind: &Kind) -> Option<T> {
    let written = scalar_text(check, node, kind)?;
    let resolved = resolved_text(check, node, written)?;
    let because = match T::from_text(&resolved, kind) {
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
        Kind::Choice(words) => did_you_mean(&resolved, words.iter().copied()),
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
fn resolved_text(check: &Check<'_>, node: &Node, written: &str) -> Option<String> {
    let unresolved = match resolve(written, check.environment) {
        Ok(text) => return Some(text),
        Err(unresolved) => unresolved,
    };
    for problem in unresolved {
        let length = written[problem.offset..].find('}').map_or(1, |end| end + 1);
        let place = check.place_between(node, problem.offset, problem.offset + length);
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
    let text = scalar_text(check, node, kind)?;
    if let Some((offset, reference)) = first_reference(text) {
        let message = format!("{reference} is not replaced inside expressions");
        let hint = "credentials stand under the target's `credentials`; anything else comes from the request";
        let place = check.place_between(node, offset, offset + reference.len());
        check.report(Finding::new(Code::Reference, place, message).hint(hint));
        return None;
    }
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

fn report_other(check: &Check<'_>, node: &Node, expected: &str) {
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
