//! `breaker`: when deliveries are held because a target is unwell.

use fanway_policy::breaker;

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};

pub(crate) static SECTION: Section = Section {
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
            name: "slow",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Unset,
            about: "How long an attempt takes at least that is slow, whatever its answer. Unset, none is.",
        },
        Key {
            name: "slow_ratio",
            kind: Kind::Number {
                least: 0.001,
                most: 1.0,
            },
            default: Default::Is("0.8"),
            about: "The share of slow attempts within `window` that opens it.",
        },
        Key {
            name: "minimum",
            kind: Kind::Count {
                least: 0,
                most: u32::MAX,
            },
            default: Default::Is("20"),
            about: "Attempts within `window` below which `failure_ratio` and `slow_ratio` say nothing.",
        },
        Key {
            name: "window",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("10s"),
            about: "How far back `failure_ratio` and `slow_ratio` look.",
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

pub(crate) fn read(fields: &Fields<'_>) -> Option<breaker::Params> {
    let consecutive = fields.value("consecutive");
    let failure_ratio = fields.value("failure_ratio");
    let slow = fields.optional("slow");
    let slow_ratio = fields.value("slow_ratio");
    let minimum = fields.value("minimum");
    let window = fields.value("window");
    let open_for = fields.value("open_for");
    let probes = fields.value("probes");
    Some(breaker::Params {
        consecutive: consecutive?,
        failure_ratio: failure_ratio?,
        slow: slow?,
        slow_ratio: slow_ratio?,
        minimum: minimum?,
        window: window?,
        open_for: open_for?,
        probes: probes?,
    })
}
