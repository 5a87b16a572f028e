//! `was`: the names that targets had, each adopted by one target at most.

use std::cell::RefCell;
use std::collections::BTreeMap;

use fanway_types::TargetName;

use super::KnownTargets;
use crate::check::{Check, Finding};
use crate::fields::Fields;
use crate::keys::Kind;
use crate::nodes::{found, list, scalar};
use crate::problem::Code;
use crate::yaml::{Node, Span};

/// The names that targets read so far had, and those that targets have.
pub(super) struct Adopted<'n> {
    known: &'n KnownTargets<'n>,
    places: RefCell<BTreeMap<TargetName, Span>>,
}

impl<'n> Adopted<'n> {
    /// None so far.
    pub(super) fn new(known: &'n KnownTargets<'n>) -> Self {
        Self {
            known,
            places: RefCell::default(),
        }
    }

    /// Reads a target's former names.
    pub(super) fn read(&self, fields: &Fields<'_>, name: &'static str) -> Option<Vec<TargetName>> {
        let Some(entry) = fields.entry(name) else {
            return Some(Vec::new());
        };
        let items = list(fields.check, &entry.node, &Kind::List(&Kind::Name))?;
        let read = |item: &Node| self.read_one(fields.check, item);
        let names: Vec<Option<TargetName>> = items.iter().map(read).collect();
        names.into_iter().collect()
    }

    fn read_one(&self, check: &Check<'_>, item: &Node) -> Option<TargetName> {
        let name: TargetName = scalar(check, item, &Kind::Name)?;
        let shown = found(check, item);
        let earlier = self.places.borrow_mut().insert(name.clone(), item.span);
        let finding = if let Some(target) = self.known.place(&name) {
            let message = format!("{shown} is still a target, which keeps what waits for it");
            Finding::new(Code::Fit, item.span, message)
                .also(target, "the target")
                .hint("`was` is for the name of a target that is gone")
        } else if let Some(earlier) = earlier {
            let message = format!("{shown} is adopted twice");
            Finding::new(Code::Fit, item.span, message)
                .also(earlier, "the first")
                .hint("what waits for a target can go to one other only")
        } else {
            return Some(name);
        };
        check.report(finding);
        None
    }
}
