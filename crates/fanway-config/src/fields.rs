//! Reading a mapping by its section's table.
//!
//! Whoever reads a section asks for each of its keys once, by name, before it gives up for any
//! of them: that is how all errors are found at once. What is wrong has been reported when a
//! reader gets `None`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::check::{Check, Finding};
use crate::keys::{Default, Key, Section};
use crate::nodes::{expression, report_other, scalar};
use crate::problem::Code;
use crate::suggestion::did_you_mean;
use crate::value::FromText;
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
            let place = Span::one(self.span.file, self.span.line, self.span.column);
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

    /// A mapping that can be left out: then there is none.
    pub(crate) fn optional_section<T>(
        &self,
        name: &'static str,
        body: impl FnOnce(&Fields<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        let section = self.section_of(name);
        self.entry(name).map_or(Some(None), |entry| {
            Fields::read(self.check, &entry.node, section, body).map(Some)
        })
    }

    /// A mapping that can be left out: then it is read as if it were empty.
    pub(crate) fn section<T>(
        &self,
        name: &'static str,
        body: impl FnOnce(&Fields<'a>) -> Option<T>,
    ) -> Option<T> {
        let section = self.section_of(name);
        match self.entry(name) {
            Some(entry) => Fields::read(self.check, &entry.node, section, body),
            None => Self::read_entries(self.check, self.span, &[], section, body),
        }
    }

    fn section_of(&self, name: &'static str) -> &'static Section {
        let section = self.key(name).kind.section();
        section
            .expect("the table says that a mapping stands here")
            .0
    }
}
