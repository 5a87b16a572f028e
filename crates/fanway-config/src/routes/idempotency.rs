//! `idempotency`: what an `Idempotency-Key` does.

use std::time::Duration;

use super::Beside;
use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::Code;
use crate::units;

/// What an `Idempotency-Key` does on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whether a request has to have one.
    pub required: bool,
    /// How long after the acceptance of its message a key is known; `store.keep.messages` at most,
    /// so zero where that is.
    pub keep: Duration,
}

/// How long a key is known where that isn't written, and messages are kept so long.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) static SECTION: Section = Section {
    about: "What an `Idempotency-Key` does: of requests with the same one a single message is made.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "required",
            kind: Kind::Flag,
            default: Default::Is("false"),
            about: "Whether a request has to have one. Without it the sender gets 400.",
        },
        Key {
            name: "keep",
            kind: Kind::DurationWithin {
                least: Duration::from_secs(1),
                most: units::LONGEST,
            },
            default: Default::Depends("`24h`, or `store.keep.messages` where that is less"),
            about: "How long after the acceptance of its message a key is known. No longer than `store.keep.messages`, since a repeated request gets that message's answer.",
        },
    ],
};

pub(super) fn read(fields: &Fields<'_>, beside: &Beside<'_>) -> Option<Idempotency> {
    let required = fields.value("required");
    let keep = fields.optional("keep");
    let messages = beside.messages.unwrap_or(units::LONGEST);
    let keep = keep?.unwrap_or(KEEP.min(messages));
    if keep > messages {
        report_too_long(fields, beside, messages);
        return None;
    }
    Some(Idempotency {
        required: required?,
        keep,
    })
}

fn report_too_long(fields: &Fields<'_>, beside: &Beside<'_>, messages: Duration) {
    let Some(entry) = fields.entry("keep") else {
        return;
    };
    let messages = units::text(messages);
    let message = format!("a key is kept longer than its message, which is kept for {messages}");
    let finding = Finding::new(Code::Fit, entry.node.span, message).hint(format!(
        "shorten it to {messages}, or lengthen `store.keep.messages`"
    ));
    fields.check.report(match beside.messages_span {
        Some(span) => finding.also(span, "how long messages are kept"),
        None => finding,
    });
}
