//! `targets`: the APIs that Fanway calls, with their addresses, credentials and policies.

pub(crate) mod breaker;
mod concurrency;
pub(crate) mod counts;
mod credentials;
mod endpoints;
mod fallback;
mod health;
mod known;
mod proxy;
mod rate;
pub(crate) mod retry;
pub(crate) mod sign;
pub(crate) mod timeouts;
mod tls;
mod was;

use std::collections::BTreeMap;
use std::time::Duration;

use fanway_policy as policy;
use fanway_policy::concurrency::Concurrency;
use fanway_types::{Egress, TargetName};
use sha2::{Digest, Sha256};

use crate::check::{Check, Finding};
use crate::egress::check_host;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::nodes::name;
use crate::problem::Code;
use crate::url::HttpUrl;
use crate::value::{FromText, Refusal};
use crate::yaml::Entry;
pub use counts::Counts;
pub use credentials::{ClientAuth, Credentials, OAuth2, SigV4};
pub use endpoints::{Endpoint, Reach};
use fallback::Fallbacks;
pub use health::Health;
pub(crate) use known::KnownTargets;
pub use proxy::{Proxy, ProxyKind, ProxyLogin, ProxyUrl};
pub use sign::{Hmac, HmacAlgorithm, HmacEncoding, Sign, SigningKey, SigningScheme};
pub use timeouts::Timeouts;
pub use tls::{Identity, Tls, TlsVersion};
use was::Adopted;

/// What stands under a target's name.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address, or the first of several; a step's path is appended to it.
    pub url: HttpUrl,
    /// How it is reached where there is more to it than that address.
    pub reach: Option<Reach>,
    /// The names that it had: what waits for a target of that name is its to send. None of them
    /// is a target's, and none stands under two targets.
    pub was: Vec<TargetName>,
    /// How Fanway shows who it is.
    pub credentials: Option<Credentials>,
    /// How attempts are signed.
    pub sign: Option<Sign>,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// The version of HTTP that is spoken.
    pub http: Http,
    /// How long a connection is held open without use.
    pub idle: Duration,
    /// What its answers count as.
    pub counts: Counts,
    /// When a failed attempt is made again.
    pub retry: policy::retry::Params,
    /// How many attempts may be in flight.
    pub concurrency: Concurrency,
    /// How many attempts may start in a while, where that is limited.
    pub rate: Option<policy::rate::Params>,
    /// When the lane is held because the target is unwell.
    pub breaker: policy::breaker::Params,
    /// Who has deliveries in its place while its breaker isn't closed, and those that it has given
    /// up: a target that has no fallback itself.
    pub fallback: Option<TargetName>,
    /// What there is to TLS; only where all of its addresses are https.
    pub tls: Option<Tls>,
    /// The proxy on the way to it.
    pub proxy: Option<Proxy>,
    /// Which addresses it may be connected to at.
    pub egress: Egress,
}

impl Target {
    /// Its addresses, at least one.
    fn urls(&self) -> Vec<&HttpUrl> {
        match &self.reach {
            None => vec![&self.url],
            Some(reach) => reach.endpoints.iter().map(|it| &it.url).collect(),
        }
    }

    /// A fingerprint of where it is, all of its endpoints, which doesn't tell where: an address may
    /// be a secret. Their order and weights make no difference.
    #[must_use]
    pub fn address(&self) -> String {
        let urls = self.urls();
        let mut urls: Vec<&str> = urls.iter().map(|url| url.as_str()).collect();
        urls.sort_unstable();
        let digest = Sha256::digest(urls.join("\n").as_bytes());
        let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        hex.collect()
    }
}

/// The version of HTTP that a target is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// What TLS agrees on (ALPN); HTTP/1.1 without TLS.
    Auto,
    /// HTTP/1.1.
    One,
    /// HTTP/2, without TLS by prior knowledge.
    Two,
}

impl FromText for Http {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "auto" => Ok(Self::Auto),
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            _ => Err(Refusal::Unexpected),
        }
    }
}

pub(crate) static SECTION: Section = Section {
    about: "An API that Fanway calls.",
    elsewhere: &[
        ("ca", "an authority of the target's own belongs under `tls`"),
        ("method", "the method is a step's: under the route's `send`"),
        ("headers", "headers are a step's: under the route's `send`"),
        ("bearer", "that belongs under `credentials`"),
        ("basic", "that belongs under `credentials`"),
        ("oauth2", "that belongs under `credentials`"),
        ("sigv4", "that belongs under `credentials`"),
        ("hmac", "that belongs under `sign`"),
    ],
    keys: &[
        Key {
            name: "url",
            kind: Kind::Url,
            default: Default::Unset,
            about: "Its address. `http` or `https`, without user, query and fragment. A step's `path` is appended to it. This or `endpoints` has to be given.",
        },
        Key {
            name: "endpoints",
            kind: Kind::List(&Kind::Either(&Kind::Url, &endpoints::SECTION)),
            default: Default::Unset,
            about: "Its addresses, where there are several that do the same: an attempt goes to one of them, and what failed at one is attempted at another. Credentials, signing and policies are the same for all.",
        },
        Key {
            name: "balance",
            kind: Kind::Choice(&["round_robin", "least_in_flight", "two_choices"]),
            default: Default::Is("two_choices"),
            about: "How an endpoint is chosen: in turn; the one with the least in flight for its weight; or the better by that of two drawn at random.",
        },
        Key {
            name: "eject",
            kind: Kind::Section(&endpoints::EJECT),
            default: Default::Unset,
            about: "When an endpoint is left out because its attempts fail.",
        },
        Key {
            name: "health",
            kind: Kind::Section(&health::SECTION),
            default: Default::Unset,
            about: "How endpoints are checked, and left out while checks fail. Without it they aren't. Where none is up, all are used.",
        },
        Key {
            name: "idempotent",
            kind: Kind::Flag,
            default: Default::Is("false"),
            about: "Whether it carries out a request once, however often it comes with the same `Idempotency-Key`.",
        },
        Key {
            name: "hedge_after",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Unset,
            about: "When an attempt to which no answer has begun is made a second time, at another endpoint where there is one. The first answer that decides is taken, the other attempt is broken off. One in ten attempts at most, within `concurrency`, and only where the target is `idempotent`.",
        },
        Key {
            name: "was",
            kind: Kind::List(&Kind::Name),
            default: Default::Unset,
            about: "Names that it had before. It adopts what still waits for a target of such a name. None of them may be a target's today, or stand under two targets.",
        },
        Key {
            name: "credentials",
            kind: Kind::Section(&credentials::SECTION),
            default: Default::Unset,
            about: "How Fanway shows who it is: one of `bearer`, `basic`, `header`, `query`, `oauth2` and `sigv4`.",
        },
        Key {
            name: "sign",
            kind: Kind::Section(&sign::SECTION),
            default: Default::Unset,
            about: "How attempts are signed, so that the target can tell that they are Fanway's.",
        },
        Key {
            name: "timeout",
            kind: Kind::Either(&Kind::Duration(Least::AboveZero), &timeouts::SECTION),
            default: Default::Is("10s"),
            about: "How long an attempt may take, as a whole or part by part.",
        },
        Key {
            name: "http",
            kind: Kind::Choice(&["auto", "1", "2"]),
            default: Default::Is("auto"),
            about: "The version of HTTP: `auto` takes what TLS agrees on, and HTTP/1.1 without TLS; `2` without TLS is HTTP/2 with prior knowledge.",
        },
        Key {
            name: "tls",
            kind: Kind::Section(&tls::SECTION),
            default: Default::Unset,
            about: "What there is to its TLS: authorities of its own, a certificate of ours.",
        },
        Key {
            name: "proxy",
            kind: Kind::Either(&Kind::ProxyUrl, &proxy::SECTION),
            default: Default::Unset,
            about: "The proxy by which it is reached: `http://` (a tunnel by `CONNECT` for https, and requests as they are for http), `socks5://` (the name is resolved here), or `socks5h://` (there).",
        },
        Key {
            name: "idle",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("60s"),
            about: "How long a connection is held open without use.",
        },
        Key {
            name: "success",
            kind: Kind::Either(&Kind::Program, &counts::SECTION),
            default: Default::Depends("any 2xx"),
            about: "Which answers are a success. A jq program is the same as `{ body: … }`.",
        },
        Key {
            name: "retry",
            kind: Kind::Section(&retry::SECTION),
            default: Default::Unset,
            about: "When a failed attempt is made again, and when a delivery is given up.",
        },
        Key {
            name: "concurrency",
            kind: concurrency::KIND,
            default: Default::Is("64"),
            about: "The most attempts at a time, or `auto`: as many as the target's latency says that it bears.",
        },
        Key {
            name: "rate",
            kind: Kind::Either(&Kind::Rate, &rate::SECTION),
            default: Default::Unset,
            about: "How many attempts may start in a while, such as `100/s`.",
        },
        Key {
            name: "breaker",
            kind: Kind::Section(&breaker::SECTION),
            default: Default::Unset,
            about: "When deliveries are held because the target is unwell. While they are, none of their attempts are used up.",
        },
        Key {
            name: "fallback",
            kind: Kind::Name,
            default: Default::Unset,
            about: "The target that has deliveries in its place while its breaker isn't closed, and those that it has refused for good or used up all attempts on. They are made there with that target's own address, credentials, limits and attempts, and stay there. It has no `fallback` itself.",
        },
    ],
};

/// Reads all targets. What is wrong with one doesn't keep the others from being read.
pub(crate) fn read_all(
    check: &Check<'_>,
    entries: &[&Entry],
    known: &KnownTargets<'_>,
    egress: &Egress,
) -> Option<BTreeMap<TargetName, Target>> {
    let adopted = Adopted::new(known);
    let fallbacks = Fallbacks::new(known);
    let read_one = |entry: &&Entry| {
        let name = name(check, entry).filter(|name| is_free(check, entry, name));
        let target = Fields::read(check, &entry.node, &SECTION, |fields| {
            let target = read(fields, &adopted, &fallbacks, name.as_ref())?;
            fits_wire(fields, &target, egress).then_some(Target {
                egress: egress.clone(),
                ..target
            })
        });
        Some((name?, target?))
    };
    let read: Vec<Option<(TargetName, Target)>> = entries.iter().map(read_one).collect();
    fallbacks.check(check);
    read.into_iter().collect()
}

/// Whether a name is no callback lane's: those are named by hashes, so that nobody has to.
fn is_free(check: &Check<'_>, entry: &Entry, name: &TargetName) -> bool {
    let hash = name.as_str().strip_prefix("callback_");
    let is_taken = hash
        .is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_taken {
        let message = "that is how lanes of callbacks to senders are named".to_owned();
        let finding = Finding::new(Code::Value, entry.key_span, message);
        check.report(finding.hint("any other name is free"));
    }
    !is_taken
}

fn read(
    fields: &Fields<'_>,
    adopted: &Adopted<'_>,
    fallbacks: &Fallbacks<'_>,
    name: Option<&TargetName>,
) -> Option<Target> {
    let was = adopted.read(fields, "was");
    let credentials = fields.optional_section("credentials", credentials::read);
    let sign = fields.optional_section("sign", sign::read);
    let timeouts = timeouts::read(fields, "timeout");
    let addresses = endpoints::read(fields, timeouts.as_ref());
    let http = fields.value("http");
    let tls = fields.optional_section("tls", tls::read);
    let proxy = proxy::read(fields, "proxy");
    let idle = fields.value("idle");
    let success = counts::read_success(fields);
    let retry = fields.section("retry", retry::read);
    let concurrency = concurrency::read(fields, "concurrency");
    let rate = rate::read(fields, "rate");
    let breaker = fields.section("breaker", breaker::read);
    let fallback = fallbacks.read(fields, "fallback", name);
    let (retry, retried) = retry?;
    let counts = Counts::of(fields, success?, retried);
    let (url, reach) = addresses?;
    Some(Target {
        url,
        reach,
        was: was?,
        credentials: credentials?,
        sign: sign?,
        timeouts: timeouts?,
        http: http?,
        idle: idle?,
        counts: counts?,
        retry,
        concurrency: concurrency?,
        rate: rate?,
        breaker: breaker?,
        fallback: fallback?,
        tls: tls?,
        proxy: proxy?,
        egress: Egress::default(),
    })
}

/// Whether what is said of connections fits the addresses, and those may be connected to.
fn fits_wire(fields: &Fields<'_>, target: &Target, egress: &Egress) -> bool {
    let check = fields.check;
    let before = check.count_errors();
    let urls = target.urls();
    if let Some(tls) = fields.entry("tls")
        && urls
            .iter()
            .any(|url| url.uri().scheme_str() != Some("https"))
    {
        let message = "`tls` is for https, and an address of this target is http".to_owned();
        check.report(Finding::new(Code::Fit, tls.key_span, message));
    }
    let addresses = fields.entry("url").or_else(|| fields.entry("endpoints"));
    if let Some(entry) = addresses {
        for host in urls.iter().filter_map(|url| url.uri().host()) {
            check_host(check, egress, host, entry.node.span);
        }
    }
    if let (Some(entry), Some(proxy)) = (fields.entry("proxy"), &target.proxy) {
        check_host(check, &egress.of_config(), &proxy.url.host, entry.node.span);
    }
    before == check.count_errors()
}
