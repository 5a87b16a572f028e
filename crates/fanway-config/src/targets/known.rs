//! The targets that there are, for all that names one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use fanway_types::TargetName;

use crate::check::{Check, Finding};
use crate::keys::Kind;
use crate::nodes::{found, scalar};
use crate::problem::Code;
use crate::suggestion::did_you_mean;
use crate::yaml::{Entry, Node, Span, Value};

/// The targets that there are, and those that routes name.
pub(crate) struct KnownTargets<'n> {
    names: BTreeMap<&'n str, &'n Entry>,
    /// Whether there may be others, in what couldn't be read.
    partial: bool,
    used: RefCell<BTreeSet<String>>,
}

impl<'n> KnownTargets<'n> {
    /// All that there are.
    pub(crate) fn all(entries: &[&'n Entry]) -> Self {
        let names = entries.iter().map(|entry| (entry.key.as_str(), *entry));
        Self {
            names: names.collect(),
            partial: false,
            used: RefCell::default(),
        }
    }

    /// Those that could be read, so that a name that isn't among them may be one all the same.
    pub(crate) fn some(entries: &[&'n Entry]) -> Self {
        Self {
            partial: true,
            ..Self::all(entries)
        }
    }

    /// Whether a route names the target.
    pub(crate) fn is_used(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// Where a target of that name stands.
    pub(super) fn place(&self, name: &TargetName) -> Option<Span> {
        self.names.get(name.as_str()).map(|entry| entry.key_span)
    }

    /// Where the fallback of a target stands, where it has one.
    pub(crate) fn fallback(&self, name: &TargetName) -> Option<Span> {
        let entry = self.names.get(name.as_str())?;
        let Value::Mapping(settings) = &entry.node.value else {
            return None;
        };
        let fallback = settings.iter().find(|setting| setting.key == "fallback")?;
        Some(fallback.node.span)
    }

    /// Whether there is a target of that name.
    pub(crate) fn has(&self, name: &TargetName) -> bool {
        self.place(name).is_some()
    }

    /// Reads the name of a target, and reports it where there is none of that name.
    pub(crate) fn read(&self, check: &Check<'_>, node: &Node) -> Option<TargetName> {
        let target: TargetName = scalar(check, node, &Kind::Name)?;
        self.used.borrow_mut().insert(target.to_string());
        if !self.has(&target) && !self.partial {
            self.report_unknown(check, node, &target);
        }
        Some(target)
    }

    fn report_unknown(&self, check: &Check<'_>, node: &Node, target: &TargetName) {
        let names: Vec<&str> = self.names.keys().copied().collect();
        let near = did_you_mean(target.as_str(), names.iter().copied());
        let message = format!("no target is named {}{near}", found(check, node));
        let finding = Finding::new(Code::Fit, node.span, message);
        check.report(if near.is_empty() && !names.is_empty() {
            finding.hint(format!("there are: {}", names.join(", ")))
        } else {
            finding
        });
    }
}
