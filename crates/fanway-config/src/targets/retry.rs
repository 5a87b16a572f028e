//! `retry`: when a failed attempt is made again, and when a delivery is given up.

use fanway_policy::retry;

use super::counts::{Retried, read_retried};
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};

pub(crate) static SECTION: Section = Section {
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
            kind: Kind::OneOrMore(&Kind::Worth),
            default: Default::Is("transient"),
            about: "Which failures are worth another attempt: presets, statuses, classes (`5xx`), ranges (`520-529`), `unanswered`. `transient`: no answer, 408, 425, 429, 500, 502, 503, 504; `knative`: no answer, 404, 409, 429, 5xx; `standard-webhooks`: everything but 2xx and 410, which disables a target (docs/pace.md).",
        },
        Key {
            name: "never",
            kind: Kind::OneOrMore(&Kind::Statuses),
            default: Default::Unset,
            about: "Which answers never are, whatever `on` says: statuses, classes, ranges. A class or a range doesn't take in 401, 407 and 429, which are about Fanway and not about the message: named by themselves they are final.",
        },
        Key {
            name: "max_pause",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("1h"),
            about: "The longest that a target is left alone because it asks for it, by `Retry-After` or by the fields that tell of its limits; what is longer counts as this. `0s` ignores those fields.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>) -> Option<(retry::Params, Retried)> {
    let retried = read_retried(fields);
    let first = fields.value("first");
    let factor = fields.value("factor");
    let max = fields.value("max");
    let attempts = fields.value("attempts");
    let give_up_after = fields.value("give_up_after");
    let max_pause = fields.value("max_pause");
    let params = retry::Params {
        first: first?,
        factor: factor?,
        max: max?,
        attempts: attempts?,
        give_up_after: give_up_after?,
        max_pause: max_pause?,
    };
    Some((params, retried?))
}
