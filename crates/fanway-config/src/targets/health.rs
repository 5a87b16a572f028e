//! `health`: how a target's endpoints are checked.

use std::time::Duration;

use fanway_policy::endpoints::health;

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::value::{FromText, Refusal};

/// How a target's endpoints are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is appended to the endpoint's URL; begins with `/` and is all of it path.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// How long a check may take.
    pub timeout: Duration,
    /// What they have to show.
    pub params: health::Params,
}

const CHECKS: Kind = Kind::Count {
    least: 1,
    most: u32::MAX,
};

pub(crate) static SECTION: Section = Section {
    about: "How each endpoint is checked: by a `GET` with the target's credentials. A 2xx passes.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "path",
            kind: Kind::UrlPath,
            default: Default::Required,
            about: "The path, which is appended to the endpoint's URL.",
        },
        Key {
            name: "interval",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("10s"),
            about: "How often, a tenth more or less at random.",
        },
        Key {
            name: "timeout",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("2s"),
            about: "How long a check may take.",
        },
        Key {
            name: "healthy",
            kind: CHECKS,
            default: Default::Is("2"),
            about: "Checks in a row that pass before an endpoint that was left out is used again.",
        },
        Key {
            name: "unhealthy",
            kind: CHECKS,
            default: Default::Is("3"),
            about: "Checks in a row that fail before an endpoint is left out.",
        },
    ],
};

pub(super) fn read(fields: &Fields<'_>) -> Option<Health> {
    let path = fields.value("path").map(|UrlPath(path)| path);
    let interval = fields.value("interval");
    let timeout = fields.value("timeout");
    let healthy = fields.value("healthy");
    let unhealthy = fields.value("unhealthy");
    Some(Health {
        path: path?,
        interval: interval?,
        timeout: timeout?,
        params: health::Params {
            healthy: healthy?,
            unhealthy: unhealthy?,
        },
    })
}

/// A path that can be appended to a URL (RFC 3986 section 3.3).
struct UrlPath(String);

impl FromText for UrlPath {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let is_path =
            |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
        if text.starts_with('/') && text.bytes().all(is_path) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refusal::Unexpected)
        }
    }
}
