//! `not_before` and `expires`: from when on, and until when, a message is sent on.

use std::time::Duration;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::Kind;
use crate::problem::Code;

const DAY: Duration = Duration::from_secs(86_400);
const SHORTEST: Duration = Duration::from_millis(1);

/// What `not_before` expects.
pub(super) const NOT_BEFORE: Kind = Kind::DurationWithin {
    least: SHORTEST,
    most: DAY.saturating_mul(30),
};

/// What `expires` expects.
pub(super) const EXPIRES: Kind = Kind::DurationWithin {
    least: SHORTEST,
    most: DAY.saturating_mul(365),
};

/// Both, counted from a message's acceptance.
pub(super) struct Terms {
    pub(super) not_before: Option<Duration>,
    pub(super) expires: Option<Duration>,
}

pub(super) fn read(fields: &Fields<'_>) -> Option<Terms> {
    let not_before = fields.optional("not_before");
    let expires = fields.optional("expires");
    let terms = Terms {
        not_before: not_before?,
        expires: expires?,
    };
    let ends_first = terms
        .expires
        .is_some_and(|end| Some(end) <= terms.not_before);
    if let (true, Some(entry)) = (ends_first, fields.entry("expires")) {
        let message = "a message would expire before it is first sent on".to_owned();
        let finding = Finding::new(Code::Fit, entry.node.span, message)
            .hint("`expires` is more than `not_before`: both count from the message's acceptance");
        fields.check.report(match fields.entry("not_before") {
            Some(first) => finding.also(first.node.span, "when it is first sent on"),
            None => finding,
        });
        return None;
    }
    Some(terms)
}
