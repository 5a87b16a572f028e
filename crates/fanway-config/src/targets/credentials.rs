//! `credentials`: how Fanway shows a target who it is.

mod oauth2;
mod sigv4;

use fanway_types::Secret;
use http::HeaderName;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::Code;
use crate::value::{FromText, Refusal};
pub use oauth2::{ClientAuth, OAuth2};
pub use sigv4::SigV4;

/// How Fanway shows a target who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer …` (RFC 6750). The token can stand in a header.
    Bearer(Secret),
    /// `Authorization: Basic …` (RFC 7617). The user has no colon in it.
    Basic {
        /// The user.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// A header of the target's own choice.
    Header {
        /// Its name, in lower case; none that Fanway or HTTP sets.
        name: HeaderName,
        /// Its value, which can stand in a header.
        value: Secret,
    },
    /// A parameter of the query.
    Query {
        /// Its name, not encoded.
        name: String,
        /// Its value, not encoded.
        value: Secret,
    },
    /// `Authorization: Bearer …` with a token that a token server gives (RFC 6749, section 4.4).
    OAuth2(Box<OAuth2>),
    /// AWS Signature Version 4.
    SigV4(Box<SigV4>),
}

pub(crate) static SECTION: Section = Section {
    about: "How Fanway shows a target who it is: one of these.",
    elsewhere: &[
        ("token", "a token is written `bearer: \"${TOKEN}\"`"),
        ("user", "that belongs under `basic`"),
        ("password", "that belongs under `basic`"),
        ("client_id", "that belongs under `oauth2`"),
        ("client_secret", "that belongs under `oauth2`"),
        ("access_key", "that belongs under `sigv4`"),
        ("secret_key", "that belongs under `sigv4`"),
    ],
    keys: &[
        Key {
            name: "bearer",
            kind: Kind::Secret,
            default: Default::Unset,
            about: "A token for `Authorization: Bearer`.",
        },
        Key {
            name: "basic",
            kind: Kind::Section(&BASIC),
            default: Default::Unset,
            about: "User and password for `Authorization: Basic`.",
        },
        Key {
            name: "header",
            kind: Kind::Section(&HEADER),
            default: Default::Unset,
            about: "A header of the target's own choice.",
        },
        Key {
            name: "query",
            kind: Kind::Section(&QUERY),
            default: Default::Unset,
            about: "A parameter at the end of the query, such as an API key. It is never shown.",
        },
        Key {
            name: "oauth2",
            kind: Kind::Section(&oauth2::SECTION),
            default: Default::Unset,
            about: "Tokens for `Authorization: Bearer` by the client credentials grant of OAuth 2.0: got from a token server, held, and renewed ahead of their end and when the target answers 401.",
        },
        Key {
            name: "sigv4",
            kind: Kind::Section(&sigv4::SECTION),
            default: Default::Unset,
            about: "AWS Signature Version 4 over each request, in its headers.",
        },
    ],
};

static BASIC: Section = Section {
    about: "User and password for `Authorization: Basic`.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "user",
            kind: Kind::Secret,
            default: Default::Required,
            about: "The user, without a colon.",
        },
        Key {
            name: "password",
            kind: Kind::Secret,
            default: Default::Required,
            about: "The password.",
        },
    ],
};

static HEADER: Section = Section {
    about: "A header of the target's own choice.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "name",
            kind: Kind::Header,
            default: Default::Required,
            about: "Its name, such as `x-api-key`.",
        },
        Key {
            name: "value",
            kind: Kind::Secret,
            default: Default::Required,
            about: "Its value.",
        },
    ],
};

static QUERY: Section = Section {
    about: "A parameter at the end of the query.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text,
            default: Default::Required,
            about: "Its name, such as `api_key`.",
        },
        Key {
            name: "value",
            kind: Kind::Secret,
            default: Default::Required,
            about: "Its value. It is percent-encoded.",
        },
    ],
};

/// Headers that HTTP or Fanway itself sets on an attempt.
const TAKEN: [&str; 17] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

impl FromText for HeaderName {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let name = Self::from_bytes(text.as_bytes()).map_err(|_| Refusal::Unexpected)?;
        if TAKEN.contains(&name.as_str()) || name.as_str().starts_with("fanway-") {
            return Err(Refusal::Because(
                "Fanway or HTTP itself sets that one".to_owned(),
            ));
        }
        Ok(name)
    }
}

pub(crate) fn read(fields: &Fields<'_>) -> Option<Credentials> {
    let given = [
        read_bearer(fields),
        section(fields, "basic", read_basic),
        section(fields, "header", read_header),
        section(fields, "query", read_query),
        section(fields, "oauth2", |fields| {
            let oauth2 = oauth2::read(fields)?;
            Some(Credentials::OAuth2(Box::new(oauth2)))
        }),
        section(fields, "sigv4", |fields| {
            let sigv4 = sigv4::read(fields)?;
            Some(Credentials::SigV4(Box::new(sigv4)))
        }),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => one,
        (first, _) => {
            let message = format!(
                "expected one of bearer, basic, header, query, oauth2 and sigv4, found {}",
                first.map_or("none", |_| "more")
            );
            fields
                .check
                .report(Finding::new(Code::Fit, fields.span, message));
            None
        }
    }
}

/// One of the kinds, where it was written; nothing in it where that was wrong.
type Given = Option<Option<Credentials>>;

fn section<'a>(
    fields: &Fields<'a>,
    name: &'static str,
    body: impl FnOnce(&Fields<'a>) -> Option<Credentials>,
) -> Given {
    fields
        .optional_section(name, body)
        .map_or(Some(None), |read| read.map(Some))
}

fn read_bearer(fields: &Fields<'_>) -> Given {
    let bearer: Option<Option<Secret>> = fields.optional("bearer");
    fields.entry("bearer").map(|entry| {
        let token = bearer.flatten()?;
        fits_header(&token)
            .then_some(())
            .or_else(|| report_unfit(fields, entry.node.span))?;
        Some(Credentials::Bearer(token))
    })
}

fn read_query(fields: &Fields<'_>) -> Option<Credentials> {
    let name = fields.value("name");
    let value = fields.value("value");
    Some(Credentials::Query {
        name: name?,
        value: value?,
    })
}

fn read_basic(fields: &Fields<'_>) -> Option<Credentials> {
    let user: Option<Secret> = fields.value("user");
    let password = fields.value("password");
    let user = user?;
    if let Some(entry) = fields.entry("user").filter(|_| user.expose().contains(':')) {
        let message = "a user has no colon in it (RFC 7617)".to_owned();
        fields
            .check
            .report(Finding::new(Code::Value, entry.node.span, message));
        return None;
    }
    Some(Credentials::Basic {
        user,
        password: password?,
    })
}

fn read_header(fields: &Fields<'_>) -> Option<Credentials> {
    let name = fields.value("name");
    let value: Option<Secret> = fields.value("value");
    let value = value?;
    if let Some(entry) = fields.entry("value").filter(|_| !fits_header(&value)) {
        report_unfit::<()>(fields, entry.node.span);
        return None;
    }
    Some(Credentials::Header { name: name?, value })
}

/// Printable ASCII (RFC 9110, 5.5).
fn fits_header(secret: &Secret) -> bool {
    secret
        .expose()
        .bytes()
        .all(|byte| (b' '..=b'~').contains(&byte))
}

fn report_unfit<T>(fields: &Fields<'_>, span: crate::yaml::Span) -> Option<T> {
    let message = "this has a character that can't stand in a header".to_owned();
    fields
        .check
        .report(Finding::new(Code::Value, span, message));
    None
}
