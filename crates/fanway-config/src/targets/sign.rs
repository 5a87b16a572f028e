//! `sign`: how a target can tell that attempts are Fanway's.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::one_or_more;
use crate::value::{FromText, Refusal};

/// How attempts are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// By Standard Webhooks 1.0, scheme `v1`: with each of these keys, at least one.
    pub standard_webhooks: Vec<SigningKey>,
}

/// A key for HMAC-SHA256, 24 to 64 bytes. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Box<[u8]>);

impl SigningKey {
    /// The bytes themselves, for what signs.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a secret of Standard Webhooks begins with.
const PREFIX: &str = "whsec_";

/// With or without `=` at its end: both are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl FromText for SigningKey {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let refusal = |why: &str| Refusal::Secret(why.to_owned());
        let encoded = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| refusal("it doesn't begin with `whsec_`"))?;
        let bytes = BASE64
            .decode(encoded)
            .map_err(|_| refusal("what follows `whsec_` is no base64"))?;
        match bytes.len() {
            24..=64 => Ok(Self(bytes.into())),
            length => Err(refusal(&format!("it has {length} bytes"))),
        }
    }
}

pub(crate) static SECTION: Section = Section {
    about: "How attempts are signed.",
    elsewhere: &[],
    keys: &[Key {
        name: "standard_webhooks",
        kind: Kind::OneOrMore(&Kind::SigningKey),
        default: Default::Required,
        about: "By [Standard Webhooks](https://www.standardwebhooks.com) 1.0, `v1` (HMAC-SHA256): a secret, which is `whsec_` and the base64 of 24 to 64 bytes. While it is rotated a list of several, and each attempt is signed with all of them.",
    }],
};

pub(crate) fn read(fields: &Fields<'_>) -> Option<Sign> {
    let entry = fields.required("standard_webhooks")?;
    let kind = Kind::OneOrMore(&Kind::SigningKey);
    let standard_webhooks = one_or_more(fields.check, &entry.node, &kind)?;
    Some(Sign { standard_webhooks })
}
