//! `targets`: the APIs that Fanway calls, with their addresses, credentials and policies.

mod credentials;
mod timeouts;

use std::num::NonZeroUsize;
use std::time::Duration;

use fanway_policy::{breaker, retry};

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::url::HttpUrl;
use crate::value::{FromText, Refusal};
pub use credentials::Credentials;
pub use timeouts::Timeouts;

/// What stands under a target's name.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address; a step's path is appended to it.
    pub url: HttpUrl,
    /// How Fanway shows who it is.
    pub credentials: Option<Credentials>,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// The version of HTTP that is spoken.
    pub http: Http,
    /// How long a connection is held open without use.
    pub idle: Duration,
    /// When a failed attempt is made again.
    pub retry: retry::Params,
    /// The most attempts at a time.
    pub concurrency: NonZeroUsize,
    /// When the lane is held because the target is unwell.
    pub breaker: breaker::Params,
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

const LATER: &str = "not in this release";

pub(crate) static SECTION: Section = Section {
    about: "An API that Fanway calls.",
    elsewhere: &[
        (
            "rate",
            "limits on the rate are not in this release; `concurrency` bounds how many attempts run at a time",
        ),
        ("sign", "signing is not in this release; `credentials` are"),
        ("was", LATER),
        (
            "ca",
            "not in this release; the system's certificates are trusted",
        ),
        ("method", "the method is a step's: under the route's `send`"),
        ("headers", "headers are a step's: under the route's `send`"),
        ("bearer", "that belongs under `credentials`"),
        ("basic", "that belongs under `credentials`"),
    ],
    keys: &[
        Key {
            name: "url",
            kind: Kind::Url,
            default: Default::Required,
            about: "Its address. `http` or `https`, without user, query and fragment. A step's `path` is appended to it.",
        },
        Key {
            name: "credentials",
            kind: Kind::Section(&credentials::SECTION),
            default: Default::Unset,
            about: "How Fanway shows who it is: one of `bearer`, `basic` and `header`.",
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
            name: "idle",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("60s"),
            about: "How long a connection is held open without use.",
        },
        Key {
            name: "retry",
            kind: Kind::Section(&RETRY),
            default: Default::Unset,
            about: "When a failed attempt is made again, and when a delivery is given up.",
        },
        Key {
            name: "concurrency",
            kind: Kind::Count {
                least: 1,
                most: 65_535,
            },
            default: Default::Is("64"),
            about: "The most attempts at a time.",
        },
        Key {
            name: "breaker",
            kind: Kind::Section(&BREAKER),
            default: Default::Unset,
            about: "When deliveries are held because the target is unwell. While they are, none of their attempts are used up.",
        },
    ],
};

static RETRY: Section = Section {
    about: "When a failed attempt is made again, and when a delivery is given up.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "first",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("1s"),
            about: "The longest wait before the second attempt. Each wait is drawn at random from zero up to the longest.",
        },
        Key {
            name: "factor",
            kind: Kind::Number {
                least: 1.0,
                most: 100.0,
            },
            default: Default::Is("2"),
            about: "How much longer the longest wait gets with each attempt.",
        },
        Key {
            name: "max",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("1h"),
            about: "Where the waits stop growing.",
        },
        Key {
            name: "attempts",
            kind: Kind::Count {
                least: 1,
                most: u32::MAX,
            },
            default: Default::Is("100"),
            about: "Attempts before the delivery becomes a dead letter.",
        },
        Key {
            name: "give_up_after",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("3d"),
            about: "Time before the delivery becomes a dead letter, whatever attempts are left.",
        },
        Key {
            name: "on",
            kind: Kind::Choice(&["transient", "knative", "standard-webhooks"]),
            default: Default::Is("transient"),
            about: "Which failures are worth another attempt. `transient`: no answer, 408, 425, 429, 500, 502, 503, 504; `knative`: no answer, 404, 409, 429, 5xx; `standard-webhooks`: everything but 2xx and 410.",
        },
        Key {
            name: "max_pause",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("1h"),
            about: "The longest `Retry-After` that is obeyed; a longer one counts as this.",
        },
    ],
};

static BREAKER: Section = Section {
    about: "When deliveries are held because the target is unwell.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "consecutive",
            kind: Kind::Count {
                least: 1,
                most: u32::MAX,
            },
            default: Default::Is("10"),
            about: "Failures in a row that open it.",
        },
        Key {
            name: "failure_ratio",
            kind: Kind::Number {
                least: 0.001,
                most: 1.0,
            },
            default: Default::Is("0.5"),
            about: "The share of failures within `window` that opens it.",
        },
        Key {
            name: "minimum",
            kind: Kind::Count {
                least: 0,
                most: u32::MAX,
            },
            default: Default::Is("20"),
            about: "Attempts within `window` below which `failure_ratio` says nothing.",
        },
        Key {
            name: "window",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("10s"),
            about: "How far back `failure_ratio` looks.",
        },
        Key {
            name: "open_for",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("30s"),
            about: "How long it stays open before a probe is sent.",
        },
        Key {
            name: "probes",
            kind: Kind::Count {
                least: 1,
                most: u32::MAX,
            },
            default: Default::Is("3"),
            about: "Probes that must succeed, one after the other, before it closes.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>) -> Option<Target> {
    let url = fields.value("url");
    let credentials = credentials::read(fields, "credentials");
    let timeouts = timeouts::read(fields, "timeout");
    let http = fields.value("http");
    let idle = fields.value("idle");
    let retry = fields.section("retry", read_retry);
    let concurrency = fields.value("concurrency");
    let breaker = fields.section("breaker", read_breaker);
    Some(Target {
        url: url?,
        credentials: credentials?,
        timeouts: timeouts?,
        http: http?,
        idle: idle?,
        retry: retry?,
        concurrency: concurrency?,
        breaker: breaker?,
    })
}

fn read_retry(fields: &Fields<'_>) -> Option<retry::Params> {
    let first = fields.value("first");
    let factor = fields.value("factor");
    let max = fields.value("max");
    let attempts = fields.value("attempts");
    let give_up_after = fields.value("give_up_after");
    let on = fields.value("on");
    let max_pause = fields.value("max_pause");
    Some(retry::Params {
        first: first?,
        factor: factor?,
        max: max?,
        attempts: attempts?,
        give_up_after: give_up_after?,
        on: on?,
        max_pause: max_pause?,
    })
}

fn read_breaker(fields: &Fields<'_>) -> Option<breaker::Params> {
    let consecutive = fields.value("consecutive");
    let failure_ratio = fields.value("failure_ratio");
    let minimum = fields.value("minimum");
    let window = fields.value("window");
    let open_for = fields.value("open_for");
    let probes = fields.value("probes");
    Some(breaker::Params {
        consecutive: consecutive?,
        failure_ratio: failure_ratio?,
        minimum: minimum?,
        window: window?,
        open_for: open_for?,
        probes: probes?,
    })
}
