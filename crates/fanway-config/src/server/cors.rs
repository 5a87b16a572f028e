//! `server.cors`: which web pages may send from a browser.

use std::time::Duration;

use fanway_types::AllowedOrigin;

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::one_or_more;
use crate::value::{FromText, Refusal};

/// The longest that a browser is told to keep the answer to a preflight; none keeps it longer.
const LONGEST: Duration = Duration::from_hours(24);

/// Which web pages may send from a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Where they come from.
    pub origins: PageOrigins,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Duration,
}

/// Where pages may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageOrigins {
    /// From anywhere.
    Any,
    /// From one of these; at least one.
    Listed(Vec<AllowedOrigin>),
}

/// One of the origins, as it is written.
enum PageOrigin {
    Any,
    Allowed(AllowedOrigin),
}

pub(super) static SECTION: Section = Section {
    about: "Which web pages may send from a browser, and read the answers. Only browsers keep to it: it lets nobody in who has no browser, and keeps nobody out.",
    elsewhere: &[
        (
            "methods",
            "whatever a route takes, a page of an allowed origin may send",
        ),
        (
            "headers",
            "whatever header it likes, a page of an allowed origin may send",
        ),
        (
            "credentials",
            "pages can't send a browser's cookies: Fanway makes nothing of them",
        ),
    ],
    keys: &[
        Key {
            name: "origins",
            kind: Kind::OneOrMore(&Kind::PageOrigin),
            default: Default::Required,
            about: "Where their pages come from: scheme, host and, where it isn't the scheme's own, port. `*.` before a host stands for all below it, and `*` alone for pages from anywhere.",
        },
        Key {
            name: "max_age",
            kind: Kind::DurationWithin {
                least: Duration::ZERO,
                most: LONGEST,
            },
            default: Default::Is("2h"),
            about: "How long a browser may go without asking again whether a page may send. Browsers have limits of their own, some of 2 hours.",
        },
    ],
};

impl FromText for PageOrigin {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        match text {
            "*" => Ok(Self::Any),
            _ => AllowedOrigin::from_text(text, kind).map(Self::Allowed),
        }
    }
}

impl FromIterator<PageOrigin> for PageOrigins {
    fn from_iter<I: IntoIterator<Item = PageOrigin>>(origins: I) -> Self {
        let mut listed = Vec::new();
        for origin in origins {
            match origin {
                PageOrigin::Any => return Self::Any,
                PageOrigin::Allowed(origin) => listed.push(origin),
            }
        }
        Self::Listed(listed)
    }
}

pub(super) fn read(fields: &Fields<'_>) -> Option<Cors> {
    let origins = fields.required("origins").and_then(|entry| {
        let kind = Kind::OneOrMore(&Kind::PageOrigin);
        one_or_more::<PageOrigin>(fields.check, &entry.node, &kind)
    });
    let max_age = fields.value("max_age");
    Some(Cors {
        origins: origins?.into_iter().collect(),
        max_age: max_age?,
    })
}
