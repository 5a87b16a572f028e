//! `credentials.oauth2`: tokens by the client credentials grant (RFC 6749, section 4.4).

use std::time::Duration;

use fanway_types::Secret;

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::nodes::one_or_more;
use crate::url::HttpUrl;
use crate::value::{FromText, Refusal};

/// How tokens are got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// Where they are asked for.
    pub token_url: HttpUrl,
    /// The client's id.
    pub client_id: Secret,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scopes, separated by spaces.
    pub scope: Option<String>,
    /// Whom the tokens are for.
    pub audience: Option<String>,
    /// How the client shows itself.
    pub auth: ClientAuth,
    /// How long before a token's end the next one is asked for.
    pub ahead: Duration,
}

/// How a client shows its id and secret (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// In a header.
    Basic,
    /// In the body.
    Body,
}

impl FromText for ClientAuth {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "basic" => Ok(Self::Basic),
            "body" => Ok(Self::Body),
            _ => Err(Refusal::Unexpected),
        }
    }
}

/// One scope, or several separated by single spaces (RFC 6749, section 3.3).
struct Scope(String);

impl FromText for Scope {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let is_scope = |scope: &str| !scope.is_empty() && scope.bytes().all(fits);
        if text.split(' ').all(is_scope) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refusal::Because("that is no scope".to_owned()))
        }
    }
}

static SCOPE: Kind = Kind::OneOrMore(&Kind::Text);

pub(crate) static SECTION: Section = Section {
    about: "Tokens by the client credentials grant of OAuth 2.0.",
    elsewhere: &[
        ("url", "that is called `token_url`"),
        ("scopes", "that is called `scope`, and may be a list"),
    ],
    keys: &[
        Key {
            name: "token_url",
            kind: Kind::Url,
            default: Default::Required,
            about: "Where tokens are asked for: the token endpoint, without a query.",
        },
        Key {
            name: "client_id",
            kind: Kind::Secret,
            default: Default::Required,
            about: "The client's id.",
        },
        Key {
            name: "client_secret",
            kind: Kind::Secret,
            default: Default::Required,
            about: "The client's secret.",
        },
        Key {
            name: "scope",
            kind: Kind::OneOrMore(&Kind::Text),
            default: Default::Unset,
            about: "The scopes that are asked for: one text with spaces between them, or a list.",
        },
        Key {
            name: "audience",
            kind: Kind::Text,
            default: Default::Unset,
            about: "Whom the token is for, where the token server wants to be told.",
        },
        Key {
            name: "auth",
            kind: Kind::Choice(&["basic", "body"]),
            default: Default::Is("basic"),
            about: "How the client shows its id and secret: in `Authorization: Basic`, or as `client_id` and `client_secret` in the body.",
        },
        Key {
            name: "ahead",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("60s"),
            about: "How long before a token's end the next one is asked for, while the old one is shown on. At most half of a token's life.",
        },
    ],
};

pub(super) fn read(fields: &Fields<'_>) -> Option<OAuth2> {
    let token_url = fields.value("token_url");
    let client_id = fields.value("client_id");
    let client_secret = fields.value("client_secret");
    let scope = match fields.entry("scope") {
        None => Some(None),
        Some(entry) => one_or_more(fields.check, &entry.node, &SCOPE).map(Some),
    };
    let audience = fields.optional("audience");
    let auth = fields.value("auth");
    let ahead = fields.value("ahead");
    Some(OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope: scope?.map(joined),
        audience: audience?,
        auth: auth?,
        ahead: ahead?,
    })
}

fn joined(scopes: Vec<Scope>) -> String {
    let scopes: Vec<String> = scopes.into_iter().map(|Scope(scope)| scope).collect();
    scopes.join(" ")
}
