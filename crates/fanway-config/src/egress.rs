//! `egress`: where Fanway may connect to.

use fanway_types::{self as types, Network};

use crate::check::{Check, Finding};
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::one_or_more;
use crate::problem::Code;
use crate::value::{FromText, Refusal};
use crate::yaml::Span;

/// What stands under `egress`: which addresses may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// Those that come from data: callbacks'.
    pub data: types::Egress,
    /// Those of targets.
    pub targets: types::Egress,
}

/// What configured targets may reach.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Targets {
    Any,
    Public,
}

impl FromText for Targets {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "any" => Ok(Self::Any),
            "public" => Ok(Self::Public),
            _ => Err(Refusal::Unexpected),
        }
    }
}

impl FromText for Network {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        text.parse()
            .map_err(|error: types::NetworkError| Refusal::Because(error.to_string()))
    }
}

pub(crate) static SECTION: Section = Section {
    about: "Where Fanway may connect to. Addresses that come from data (callbacks' that senders name) reach the public internet and nothing else, unless `allow` has them; targets reach any address, unless it is said otherwise. What counts is the address, whatever name it has.",
    elsewhere: &[(
        "callbacks",
        "callbacks never reach more than the public internet and `allow`",
    )],
    keys: &[
        Key {
            name: "allow",
            kind: Kind::OneOrMore(&Kind::Network),
            default: Default::Unset,
            about: "Ranges that aren't public (loopback, private, link-local, …) and that addresses from data may be in all the same.",
        },
        Key {
            name: "deny",
            kind: Kind::OneOrMore(&Kind::Network),
            default: Default::Unset,
            about: "Ranges that nothing may connect to: neither callbacks nor targets nor their proxies, whatever `allow` says.",
        },
        Key {
            name: "targets",
            kind: Kind::Choice(&["any", "public"]),
            default: Default::Is("any"),
            about: "Where targets may be: `any` address, or as callbacks at `public` ones and those of `allow`.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>) -> Option<Egress> {
    let allow = networks(fields, "allow");
    let deny = networks(fields, "deny");
    let targets = fields.value("targets");
    let (allow, deny) = (allow?, deny?);
    let data = types::Egress::public(&allow, &deny);
    Some(Egress {
        targets: match targets? {
            Targets::Any => data.of_config(),
            Targets::Public => data.clone(),
        },
        data,
    })
}

fn networks(fields: &Fields<'_>, name: &'static str) -> Option<Vec<Network>> {
    fields.entry(name).map_or(Some(Vec::new()), |entry| {
        one_or_more(fields.check, &entry.node, &Kind::OneOrMore(&Kind::Network))
    })
}

/// Reports a host that is an address which may not be connected to. Of a name nobody knows yet what
/// it will stand for.
pub(crate) fn check_host(check: &Check<'_>, egress: &types::Egress, host: &str, span: Span) {
    let Some(address) = types::egress::literal(host) else {
        return;
    };
    if let Err(forbidden) = egress.check(address) {
        let finding = Finding::new(Code::Fit, span, forbidden.to_string());
        check.report(match forbidden.is_denied() {
            true => finding,
            false => finding.hint(format!("egress: {{ allow: [{}] }}", forbidden.address())),
        });
    }
}
