//! `callbacks`: how those are told who name a URL themselves.

use std::num::NonZeroUsize;

use fanway_policy as policy;
use fanway_types as types;

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::targets::{Counts, Sign, Timeouts, breaker, retry, sign, timeouts};

/// What stands under `callbacks`: for each origin that senders name in `Fanway-Callback`.
#[derive(Clone, Debug)]
pub struct Callbacks {
    /// How callbacks are signed; there where a route lets senders name a URL.
    pub sign: Option<Sign>,
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// What answers count as. A 410 is final, since an origin isn't one address.
    pub counts: Counts,
    /// When a failed attempt is made again.
    pub retry: policy::retry::Params,
    /// When an origin's lane is held because it is unwell.
    pub breaker: policy::breaker::Params,
    /// The most attempts at a time to one origin.
    pub concurrency: NonZeroUsize,
    /// The most origins at a time; what is for others waits in the store.
    pub origins: NonZeroUsize,
    /// Which addresses they may go to.
    pub egress: types::Egress,
}

pub(crate) static SECTION: Section = Section {
    about: "How senders are told who name a URL themselves, in `Fanway-Callback`. A route's `callback` says which they may name.",
    elsewhere: &[
        (
            "to",
            "a target for callbacks is a route's: `callback: NAME`",
        ),
        (
            "allow",
            "what senders may name is a route's: `callback: { allow: […] }`",
        ),
        ("url", "callbacks go where their senders say"),
        (
            "proxy",
            "callbacks go the direct way, so that it is known where they go",
        ),
        (
            "credentials",
            "callbacks are signed, and carry nobody's credentials",
        ),
    ],
    keys: &[
        Key {
            name: "sign",
            kind: Kind::Section(&sign::SECTION),
            default: Default::Depends("**required** where a route's `callback` has `allow`"),
            about: "How they are signed, so that who gets them can tell that they are Fanway's.",
        },
        Key {
            name: "timeout",
            kind: Kind::Either(&Kind::Duration(Least::AboveZero), &timeouts::SECTION),
            default: Default::Is("10s"),
            about: "How long an attempt may take, as a whole or part by part.",
        },
        Key {
            name: "retry",
            kind: Kind::Section(&retry::SECTION),
            default: Default::Unset,
            about: "When a failed attempt is made again, and when a callback is given up.",
        },
        Key {
            name: "breaker",
            kind: Kind::Section(&breaker::SECTION),
            default: Default::Unset,
            about: "When callbacks to an origin are held because it is unwell. While they are, none of their attempts are used up.",
        },
        Key {
            name: "concurrency",
            kind: Kind::Count {
                least: 1,
                most: 65_535,
            },
            default: Default::Is("8"),
            about: "The most attempts at a time to one origin.",
        },
        Key {
            name: "origins",
            kind: Kind::Count {
                least: 1,
                most: 65_535,
            },
            default: Default::Is("64"),
            about: "The most origins that are called at a time. What is for others waits on disk.",
        },
    ],
};

/// `egress` is what the top says of addresses from data.
pub(crate) fn read(fields: &Fields<'_>, egress: types::Egress) -> Option<Callbacks> {
    let sign = fields.optional_section("sign", sign::read);
    let timeouts = timeouts::read(fields, "timeout");
    let retry = fields.section("retry", retry::read);
    let breaker = fields.section("breaker", breaker::read);
    let concurrency = fields.value("concurrency");
    let origins = fields.value("origins");
    let (retry, retried) = retry?;
    Some(Callbacks {
        sign: sign?,
        timeouts: timeouts?,
        counts: Counts::of_retried(retried),
        retry,
        breaker: breaker?,
        concurrency: concurrency?,
        origins: origins?,
        egress,
    })
}
