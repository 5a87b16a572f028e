//! `sign`: how a target can tell that attempts are Fanway's.

mod hmac;
mod key;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::one_or_more;
use crate::problem::Code;
pub use hmac::{Hmac, HmacAlgorithm, HmacEncoding};
pub use key::{SigningKey, SigningScheme};

/// How attempts are signed: at least one of these says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// By Standard Webhooks 1.0 with each of these keys, where there are any.
    pub standard_webhooks: Vec<SigningKey>,
    /// By an HMAC.
    pub hmac: Option<Hmac>,
}

pub(crate) static SECTION: Section = Section {
    about: "How attempts are signed: one of these, or both.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "standard_webhooks",
            kind: Kind::OneOrMore(&Kind::SigningKey),
            default: Default::Unset,
            about: "By [Standard Webhooks](https://www.standardwebhooks.com) 1.0. `whsec_` and the base64 of 24 to 64 bytes sign `v1` (HMAC-SHA256), `whsk_` and that of an Ed25519 key signs `v1a`: a seed of 32 bytes, or 64 with its public key. While keys are rotated a list of several, of both kinds if need be, and each attempt is signed with all of them.",
        },
        Key {
            name: "hmac",
            kind: Kind::Section(&hmac::SECTION),
            default: Default::Unset,
            about: "By an HMAC in the target's own style.",
        },
    ],
};

static KEYS: Kind = Kind::OneOrMore(&Kind::SigningKey);

pub(crate) fn read(fields: &Fields<'_>) -> Option<Sign> {
    let standard_webhooks = match fields.entry("standard_webhooks") {
        None => Some(Vec::new()),
        Some(entry) => one_or_more(fields.check, &entry.node, &KEYS),
    };
    let hmac = fields.optional_section("hmac", hmac::read);
    let sign = Sign {
        standard_webhooks: standard_webhooks?,
        hmac: hmac?,
    };
    if sign.standard_webhooks.is_empty() && sign.hmac.is_none() {
        let message = "expected standard_webhooks, hmac, or both, found neither".to_owned();
        fields
            .check
            .report(Finding::new(Code::Fit, fields.span, message));
        return None;
    }
    Some(sign)
}
