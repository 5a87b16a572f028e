//! `credentials.sigv4`: AWS Signature Version 4.

use fanway_types::Secret;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::Code;
use crate::value::{FromText, Refusal};

/// What requests are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigV4 {
    /// The id of the key.
    pub access_key: Secret,
    /// The key.
    pub secret_key: Secret,
    /// The token that comes with temporary credentials.
    pub session_token: Option<Secret>,
    /// The region.
    pub region: String,
    /// The service, as it is called in signatures.
    pub service: String,
}

pub(crate) static SECTION: Section = Section {
    about: "AWS Signature Version 4 over each request.",
    elsewhere: &[
        ("access_key_id", "that is called `access_key`"),
        ("secret_access_key", "that is called `secret_key`"),
    ],
    keys: &[
        Key {
            name: "access_key",
            kind: Kind::Secret,
            default: Default::Required,
            about: "The id of the key, such as `AKIA…`.",
        },
        Key {
            name: "secret_key",
            kind: Kind::Secret,
            default: Default::Required,
            about: "The key.",
        },
        Key {
            name: "session_token",
            kind: Kind::Secret,
            default: Default::Unset,
            about: "The token that comes with temporary credentials.",
        },
        Key {
            name: "region",
            kind: Kind::Text,
            default: Default::Required,
            about: "The region, such as `eu-west-1`.",
        },
        Key {
            name: "service",
            kind: Kind::Text,
            default: Default::Required,
            about: "The service as signatures call it, such as `execute-api`, `lambda`, `sqs` or `s3`.",
        },
    ],
};

/// A part of a scope: letters, digits, `-`, `_` and `.`.
struct Part(String);

impl FromText for Part {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !text.is_empty() && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            let why = "it has only letters, digits, `-`, `_` and `.`";
            Err(Refusal::Because(why.to_owned()))
        }
    }
}

pub(super) fn read(fields: &Fields<'_>) -> Option<SigV4> {
    let access_key = in_header(fields, "access_key", fields.value("access_key"));
    let secret_key = fields.value("secret_key");
    let session_token = fields.optional("session_token");
    let session_token = session_token.and_then(|token| match token {
        Some(token) => in_header(fields, "session_token", Some(token)).map(Some),
        None => Some(None),
    });
    let region: Option<Part> = fields.value("region");
    let service: Option<Part> = fields.value("service");
    Some(SigV4 {
        access_key: access_key?,
        secret_key: secret_key?,
        session_token: session_token?,
        region: region?.0,
        service: service?.0,
    })
}

/// A secret that stands in a header between others: without spaces, commas and the like.
fn in_header(fields: &Fields<'_>, name: &'static str, secret: Option<Secret>) -> Option<Secret> {
    let secret = secret?;
    let mut bytes = secret.expose().bytes();
    if bytes.all(|byte| byte.is_ascii_graphic() && byte != b',') {
        return Some(secret);
    }
    let span = fields
        .entry(name)
        .map_or(fields.span, |entry| entry.node.span);
    let message = "this has a character that can't stand in a signature's header".to_owned();
    fields
        .check
        .report(Finding::new(Code::Value, span, message));
    None
}
