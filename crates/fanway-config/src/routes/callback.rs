//! `callback`: who is told of each message that has ended.

use fanway_types::{AllowedOrigin, TargetName};

use super::Beside;
use crate::check::Finding;
use crate::egress::check_host;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::one_or_more;
use crate::problem::Code;
use crate::yaml::{Entry, Value};

/// Who is told of each message that has ended.
#[derive(Default)]
pub(super) struct Callback {
    pub(super) to: Option<TargetName>,
    /// What senders may name.
    pub(super) allow: Vec<AllowedOrigin>,
}

pub(crate) static SECTION: Section = Section {
    about: "Who is told of each message that has ended: at least one of these.",
    elsewhere: &[
        (
            "sign",
            "senders' callbacks are signed under the top's `callbacks`, a target's under the target",
        ),
        (
            "url",
            "a target's name stands under `to`, origins that senders may name under `allow`",
        ),
    ],
    keys: &[
        Key {
            name: "to",
            kind: Kind::Name,
            default: Default::Unset,
            about: "A target that is told.",
        },
        Key {
            name: "allow",
            kind: Kind::OneOrMore(&Kind::Origin),
            default: Default::Unset,
            about: "Origins that senders may name in `Fanway-Callback`: scheme, host and, where it isn't the scheme's own, port. `*.` before a host stands for all below it. Where a sender names one, that is told as well as `to`. Needs `callbacks.sign`.",
        },
    ],
};

pub(super) fn read(
    fields: &Fields<'_>,
    name: &'static str,
    beside: &Beside<'_>,
) -> Option<Callback> {
    let Some(Entry { node, .. }) = fields.entry(name) else {
        return Some(Callback::default());
    };
    match &node.value {
        Value::Mapping(_) => Fields::read(fields.check, node, &SECTION, |inner| {
            read_parts(inner, beside)
        }),
        Value::Scalar(_) | Value::Sequence(_) => Some(Callback {
            to: Some(beside.targets.read(fields.check, node)?),
            allow: Vec::new(),
        }),
    }
}

fn read_parts(fields: &Fields<'_>, beside: &Beside<'_>) -> Option<Callback> {
    let check = fields.check;
    let (to, allow) = (fields.entry("to"), fields.entry("allow"));
    if to.is_none() && allow.is_none() {
        let message = "expected at least one of to and allow, found none".to_owned();
        check.report(Finding::new(Code::Fit, fields.span, message));
        return None;
    }
    if let Some(entry) = allow.filter(|_| !beside.signs_callbacks) {
        let message =
            "senders may name URLs here, and callbacks to those are not signed".to_owned();
        let hint = "callbacks:\n  sign: { standard_webhooks: \"${SECRET}\" }";
        check.report(Finding::new(Code::Fit, entry.node.span, message).hint(hint));
    }
    let to = to.map_or(Some(None), |entry| {
        beside.targets.read(check, &entry.node).map(Some)
    });
    let allow = allow.map_or(Some(Vec::new()), |entry| {
        read_origins(fields, entry, beside)
    });
    Some(Callback {
        to: to?,
        allow: allow?,
    })
}

/// Reads what senders may name. An address that callbacks can't go to is no use there.
fn read_origins(
    fields: &Fields<'_>,
    entry: &Entry,
    beside: &Beside<'_>,
) -> Option<Vec<AllowedOrigin>> {
    let (check, node) = (fields.check, &entry.node);
    let origins: Vec<AllowedOrigin> = one_or_more(check, node, &Kind::OneOrMore(&Kind::Origin))?;
    let nodes = match &node.value {
        Value::Sequence(items) => items.as_slice(),
        Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(node),
    };
    for (origin, node) in origins.iter().zip(nodes) {
        if let Some(host) = origin.host() {
            check_host(check, beside.egress, host, node.span);
        }
    }
    Some(origins)
}
