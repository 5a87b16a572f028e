//! `fallback`: the target that has deliveries in another's place. One step only: a fallback has
//! none of its own, so that there is no way round in a circle.

use std::cell::RefCell;
use std::collections::BTreeMap;

use fanway_types::TargetName;

use super::KnownTargets;
use crate::check::{Check, Finding};
use crate::fields::Fields;
use crate::problem::Code;
use crate::yaml::Span;

/// The fallbacks of targets read so far.
pub(super) struct Fallbacks<'n> {
    known: &'n KnownTargets<'n>,
    places: RefCell<BTreeMap<TargetName, (TargetName, Span)>>,
}

impl<'n> Fallbacks<'n> {
    /// None so far.
    pub(super) fn new(known: &'n KnownTargets<'n>) -> Self {
        Self {
            known,
            places: RefCell::default(),
        }
    }

    /// Reads the fallback of a target, whose name is `of`.
    pub(super) fn read(
        &self,
        fields: &Fields<'_>,
        name: &'static str,
        of: Option<&TargetName>,
    ) -> Option<Option<TargetName>> {
        let Some(entry) = fields.entry(name) else {
            return Some(None);
        };
        let target = self.known.read(fields.check, &entry.node)?;
        if let Some(of) = of {
            let place = (target.clone(), entry.node.span);
            self.places.borrow_mut().insert(of.clone(), place);
        }
        Some(Some(target))
    }

    /// Reports fallbacks that have one of their own.
    pub(super) fn check(&self, check: &Check<'_>) {
        let places = self.places.borrow();
        for (of, (target, span)) in &*places {
            if of == target {
                let message = "a target can't be its own fallback".to_owned();
                check.report(Finding::new(Code::Fit, *span, message));
            } else if let Some((_, other)) = places.get(target) {
                let message = format!("`{target}` has a fallback itself, and can't be one");
                let finding = Finding::new(Code::Fit, *span, message).also(*other, "its fallback");
                check.report(finding.hint("what falls back does so once"));
            }
        }
    }
}
