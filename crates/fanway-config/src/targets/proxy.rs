//! `proxy`: what stands between Fanway and a target.

use std::fmt;

use fanway_types::Secret;
use http::Uri;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::scalar;
use crate::problem::Code;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Value};

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is, and what it speaks.
    pub url: ProxyUrl,
    /// What it is shown.
    pub login: Option<ProxyLogin>,
}

/// What a proxy is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLogin {
    /// The user: 1 to 255 bytes without a colon.
    pub user: Secret,
    /// The password: 1 to 255 bytes.
    pub password: Secret,
}

/// Where a proxy is, and what it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Its host, an IPv6 address without its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What a proxy speaks, and who resolves names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP; the proxy resolves.
    Http,
    /// SOCKS 5; names are resolved here.
    Socks5,
    /// SOCKS 5; the proxy resolves.
    Socks5h,
}

impl ProxyKind {
    const ALL: [Self; 3] = [Self::Http, Self::Socks5, Self::Socks5h];

    /// The scheme of its URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, host, port } = self;
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{port}", kind.as_str()),
            false => write!(f, "{}://{host}:{port}", kind.as_str()),
        }
    }
}

impl FromText for ProxyUrl {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        if text.contains('@') {
            let why =
                "it has a user or password in it, which belong beside it: { url, user, password }";
            return Err(Refusal::Secret(why.to_owned()));
        }
        let because = |why: &str| Refusal::Because(why.to_owned());
        let uri: Uri = text.parse().map_err(|_| Refusal::Unexpected)?;
        let scheme = uri.scheme_str().ok_or(Refusal::Unexpected)?;
        let kind = ProxyKind::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(scheme))
            .ok_or_else(|| because("its scheme is neither http, socks5 nor socks5h"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(because("it has a path or a query, and a proxy has none"));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(Refusal::Unexpected)?;
        let port = uri.port_u16().filter(|port| *port != 0);
        Ok(Self {
            kind,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.ok_or_else(|| because("its port is missing or wrong"))?,
        })
    }
}

pub(crate) static SECTION: Section = Section {
    about: "A proxy that wants a user and a password.",
    elsewhere: &[("credentials", "a proxy is shown `user` and `password`")],
    keys: &[
        Key {
            name: "url",
            kind: Kind::ProxyUrl,
            default: Default::Required,
            about: "Where it is: `http://`, `socks5://` or `socks5h://`, a host and a port.",
        },
        Key {
            name: "user",
            kind: Kind::Secret,
            default: Default::Unset,
            about: "The user, without a colon.",
        },
        Key {
            name: "password",
            kind: Kind::Secret,
            default: Default::Unset,
            about: "The password.",
        },
    ],
};

/// Reads the proxy of a target.
pub(super) fn read(fields: &Fields<'_>, name: &'static str) -> Option<Option<Proxy>> {
    let Some(Entry { node, .. }) = fields.entry(name) else {
        return Some(None);
    };
    match &node.value {
        Value::Mapping(_) => Fields::read(fields.check, node, &SECTION, read_parts).map(Some),
        Value::Scalar(_) | Value::Sequence(_) => {
            let url = scalar(fields.check, node, &Kind::Either(&Kind::ProxyUrl, &SECTION));
            url.map(|url| Some(Proxy { url, login: None }))
        }
    }
}

fn read_parts(fields: &Fields<'_>) -> Option<Proxy> {
    let url = fields.value("url");
    let user: Option<Option<Secret>> = fields.optional("user");
    let password: Option<Option<Secret>> = fields.optional("password");
    let login = match (user?, password?) {
        (None, None) => None,
        (Some(user), Some(password)) => Some(ProxyLogin { user, password }),
        _ => {
            let message = "a user and a password go together".to_owned();
            let finding = Finding::new(Code::Fit, fields.span, message);
            fields.check.report(finding);
            return None;
        }
    };
    let fits = login.as_ref().is_none_or(|login| {
        is_short(fields, "user", &login.user) & is_short(fields, "password", &login.password)
    });
    let url = url?;
    fits.then_some(Proxy { url, login })
}

/// Whether both kinds of proxies can be shown a part of a login (RFC 1929, RFC 7617).
fn is_short(fields: &Fields<'_>, name: &'static str, part: &Secret) -> bool {
    let why = match part.expose() {
        text if text.len() > 255 => "it has more than 255 bytes, for which proxies have no room",
        text if name == "user" && text.contains(':') => "a user has no colon in it (RFC 7617)",
        _ => return true,
    };
    if let Some(entry) = fields.entry(name) {
        let finding = Finding::new(Code::Value, entry.node.span, why.to_owned());
        fields.check.report(finding);
    }
    false
}
