//! `sign.hmac`: an HMAC in a target's own style.

use fanway_types::{Secret, SigningTemplate, SigningTemplateError};
use http::HeaderName;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::one_or_more;
use crate::problem::Code;
use crate::value::{FromText, Refusal};

/// How attempts are signed by HMAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    /// The secrets: at least one.
    pub secrets: Vec<Secret>,
    /// The hash.
    pub algorithm: HmacAlgorithm,
    /// How signatures are written.
    pub encoding: HmacEncoding,
    /// The header that has them.
    pub header: HeaderName,
    /// The header's value.
    pub value: SigningTemplate,
    /// What is signed.
    pub content: SigningTemplate,
    /// The header with the time, where there is one; another than `header`.
    pub timestamp_header: Option<HeaderName>,
}

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// SHA-1.
    Sha1,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacEncoding {
    /// Hexadecimal digits in lower case.
    Hex,
    /// Base64.
    Base64,
}

impl FromText for HmacAlgorithm {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            "sha1" => Ok(Self::Sha1),
            _ => Err(Refusal::Unexpected),
        }
    }
}

impl FromText for HmacEncoding {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            _ => Err(Refusal::Unexpected),
        }
    }
}

impl FromText for SigningTemplate {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        let read = match kind {
            Kind::SignedContent => Self::content(text),
            _ => Self::value(text),
        };
        read.map_err(|error: SigningTemplateError| Refusal::Because(error.to_string()))
    }
}

static SECRETS: Kind = Kind::OneOrMore(&Kind::Secret);

pub(crate) static SECTION: Section = Section {
    about: "An HMAC in a header, in the target's own style.",
    elsewhere: &[
        ("key", "that is called `secret`"),
        ("secrets", "that is called `secret`, and may be a list"),
        (
            "template",
            "`value` is the header's, `content` what is signed",
        ),
    ],
    keys: &[
        Key {
            name: "secret",
            kind: Kind::OneOrMore(&Kind::Secret),
            default: Default::Required,
            about: "The secret, as its text is. While it is rotated a list of several, and each attempt is signed with all of them.",
        },
        Key {
            name: "algorithm",
            kind: Kind::Choice(&["sha256", "sha512", "sha1"]),
            default: Default::Is("sha256"),
            about: "The hash.",
        },
        Key {
            name: "encoding",
            kind: Kind::Choice(&["hex", "base64"]),
            default: Default::Is("hex"),
            about: "How the signature is written.",
        },
        Key {
            name: "header",
            kind: Kind::Header,
            default: Default::Is("x-signature"),
            about: "The header that has it.",
        },
        Key {
            name: "value",
            kind: Kind::SignatureValue,
            default: Default::Is("{signature}"),
            about: "The header's value, with `{signature}`, `{timestamp}` and `{id}`. With several secrets, what stands in `[` and `]` is there once for each; without those, the header is.",
        },
        Key {
            name: "content",
            kind: Kind::SignedContent,
            default: Default::Is("{body}"),
            about: "What is signed, with `{body}`, `{timestamp}` (seconds since 1970), `{id}` (the `Idempotency-Key` without quotes), `{method}`, `{path}` and `{query}`.",
        },
        Key {
            name: "timestamp_header",
            kind: Kind::Header,
            default: Default::Unset,
            about: "A header that has the timestamp, where `value` doesn't.",
        },
    ],
};

pub(super) fn read(fields: &Fields<'_>) -> Option<Hmac> {
    let secrets = fields
        .required("secret")
        .and_then(|entry| one_or_more(fields.check, &entry.node, &SECRETS));
    let algorithm = fields.value("algorithm");
    let encoding = fields.value("encoding");
    let header: Option<HeaderName> = fields.value("header");
    let value = fields.value("value");
    let content = fields.value("content");
    let timestamp_header: Option<Option<HeaderName>> = fields.optional("timestamp_header");
    let (header, timestamp_header) = (header?, timestamp_header?);
    if let Some(entry) = fields.entry("timestamp_header")
        && timestamp_header.as_ref() == Some(&header)
    {
        let message = "that is the signature's header".to_owned();
        let finding = Finding::new(Code::Fit, entry.node.span, message);
        fields.check.report(finding);
        return None;
    }
    Some(Hmac {
        secrets: secrets?,
        algorithm: algorithm?,
        encoding: encoding?,
        header,
        value: value?,
        content: content?,
        timestamp_header,
    })
}
