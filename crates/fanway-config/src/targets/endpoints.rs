//! `endpoints` and what goes with them: how one is chosen, when one is left out, and hedging.

use std::num::NonZeroU32;
use std::time::Duration;

use fanway_policy::endpoints::{Balance, BalanceError, eject};

use super::health::{self, Health};
use super::timeouts::Timeouts;
use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::nodes::{list, scalar};
use crate::problem::Code;
use crate::url::HttpUrl;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Node, Value};

/// How a target is reached that has more than an address.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// Its endpoints: at least one, and none twice.
    pub endpoints: Vec<Endpoint>,
    /// How one is chosen.
    pub balance: Balance,
    /// When one is left out because its attempts fail.
    pub eject: eject::Params,
    /// How they are checked, where they are.
    pub health: Option<Health>,
    /// When an attempt without an answer is made a second time, where that may be.
    pub hedge_after: Option<Duration>,
}

/// One of a target's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub url: HttpUrl,
    /// Its share of the attempts, in proportion to the others' weights.
    pub weight: NonZeroU32,
}

const WEIGHT: Kind = Kind::Count {
    least: 1,
    most: 1000,
};

pub(crate) static SECTION: Section = Section {
    about: "One of a target's addresses.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "url",
            kind: Kind::Url,
            default: Default::Required,
            about: "The address.",
        },
        Key {
            name: "weight",
            kind: WEIGHT,
            default: Default::Is("1"),
            about: "Its share of the attempts, in proportion to the others' weights.",
        },
    ],
};

pub(crate) static EJECT: Section = Section {
    about: "When an endpoint is left out because its attempts fail.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "consecutive",
            kind: Kind::Count {
                least: 1,
                most: u32::MAX,
            },
            default: Default::Is("5"),
            about: "Failures in a row (no answer, a 5xx, or a body that `success` refuses) after which it is left out. The last endpoint that is up never is.",
        },
        Key {
            name: "for",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("30s"),
            about: "For how long, the first time. The second time that follows soon is twice as long, and so on, up to ten times.",
        },
    ],
};

impl FromText for Balance {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        text.parse().map_err(|_: BalanceError| Refusal::Unexpected)
    }
}

/// Reads where a target is: its first address, and more where there is more to it.
pub(super) fn read(
    fields: &Fields<'_>,
    timeouts: Option<&Timeouts>,
) -> Option<(HttpUrl, Option<Reach>)> {
    let addresses = read_addresses(fields);
    let balance = fields.value("balance");
    let eject = fields.section("eject", read_eject);
    let health = fields.optional_section("health", health::read);
    let idempotent: Option<bool> = fields.value("idempotent");
    let hedge_after: Option<Option<Duration>> = fields.optional("hedge_after");
    let fits = fits_endpoints(fields) & fits_hedging(fields, idempotent, hedge_after, timeouts);
    let endpoints = addresses?;
    let first = endpoints.first()?.url.clone();
    let reach = Reach {
        endpoints,
        balance: balance?,
        eject: eject?,
        health: health?,
        hedge_after: hedge_after?,
    };
    let is_plain = fields.entry("endpoints").is_none() && reach.hedge_after.is_none();
    fits.then_some((first, (!is_plain).then_some(reach)))
}

/// The one address, or those of the list.
fn read_addresses(fields: &Fields<'_>) -> Option<Vec<Endpoint>> {
    let (url, endpoints) = (fields.entry("url"), fields.entry("endpoints"));
    match (url, endpoints) {
        (Some(url), Some(endpoints)) => {
            let message = "`url` and `endpoints` are both given".to_owned();
            let finding = Finding::new(Code::Fit, endpoints.key_span, message);
            let finding = finding.also(url.key_span, "the one address");
            fields
                .check
                .report(finding.hint("a target with several addresses has `endpoints` only"));
            // What is wrong with either is told as well.
            let _both = (read_url(fields), read_list(fields, endpoints));
            None
        }
        (_, Some(endpoints)) => read_list(fields, endpoints),
        _ => read_url(fields).map(|url| vec![alone(url)]),
    }
}

fn read_url(fields: &Fields<'_>) -> Option<HttpUrl> {
    fields.required("url")?;
    fields.optional("url").flatten()
}

fn alone(url: HttpUrl) -> Endpoint {
    Endpoint {
        url,
        weight: NonZeroU32::MIN,
    }
}

fn read_list(fields: &Fields<'_>, entry: &Entry) -> Option<Vec<Endpoint>> {
    let check = fields.check;
    let items = list(check, &entry.node, &Kind::List(&Kind::Url))?;
    if items.is_empty() {
        let message = "expected at least one address, found an empty list".to_owned();
        check.report(Finding::new(Code::Value, entry.node.span, message));
    }
    let read: Vec<Option<Endpoint>> = items.iter().map(|item| read_one(fields, item)).collect();
    let mut fits = true;
    for (at, endpoint) in read.iter().enumerate() {
        let is_same = |other: &Option<Endpoint>| match (other, endpoint) {
            (Some(other), Some(endpoint)) => other.url == endpoint.url,
            _ => false,
        };
        if let Some(first) = read[..at].iter().position(is_same) {
            let message = "this address is there already".to_owned();
            let finding = Finding::new(Code::Fit, items[at].span, message);
            let finding = finding.also(items[first].span, "the first");
            check.report(finding.hint("`weight` gives an endpoint more of the attempts"));
            fits = false;
        }
    }
    let read: Option<Vec<Endpoint>> = read.into_iter().collect();
    read.filter(|_| fits)
}

fn read_one(fields: &Fields<'_>, item: &Node) -> Option<Endpoint> {
    match &item.value {
        Value::Mapping(_) => Fields::read(fields.check, item, &SECTION, |fields| {
            let url = fields.value("url");
            let weight = fields.value("weight");
            Some(Endpoint {
                url: url?,
                weight: weight?,
            })
        }),
        Value::Scalar(_) | Value::Sequence(_) => scalar(fields.check, item, &Kind::Url).map(alone),
    }
}

fn read_eject(fields: &Fields<'_>) -> Option<eject::Params> {
    let consecutive = fields.value("consecutive");
    let duration = fields.value("for");
    Some(eject::Params {
        consecutive: consecutive?,
        duration: duration?,
    })
}

/// What is about several addresses does nothing where there is one.
fn fits_endpoints(fields: &Fields<'_>) -> bool {
    if fields.entry("endpoints").is_some() {
        return true;
    }
    let mut fits = true;
    for name in ["balance", "eject", "health"] {
        if let Some(entry) = fields.entry(name) {
            let message = format!("`{name}` is for a target with `endpoints`");
            let finding = Finding::new(Code::Fit, entry.key_span, message);
            let hint = "a target with one address is called there whatever is known of it; its `breaker` holds it while it is unwell";
            fields.check.report(finding.hint(hint));
            fits = false;
        }
    }
    fits
}

/// A request that is made twice must do no harm.
fn fits_hedging(
    fields: &Fields<'_>,
    idempotent: Option<bool>,
    hedge_after: Option<Option<Duration>>,
    timeouts: Option<&Timeouts>,
) -> bool {
    let Some(entry) = fields.entry("hedge_after") else {
        return true;
    };
    if idempotent == Some(false) {
        let message = "`hedge_after` makes a request a second time while the first may still be carried out, and the target isn't said to bear that".to_owned();
        let finding = Finding::new(Code::Fit, entry.key_span, message);
        fields.check.report(finding.hint("`idempotent: true` says that it carries out a request once, however often it comes with the same `Idempotency-Key`"));
        return false;
    }
    if let (Some(Some(after)), Some(timeouts)) = (hedge_after, timeouts)
        && after >= timeouts.first_byte
    {
        let message = "no attempt waits so long for an answer, so none is hedged".to_owned();
        let finding = Finding::new(Code::Fit, entry.node.span, message);
        fields
            .check
            .warn(finding.hint("it is to be shorter than `timeout`"));
    }
    true
}
