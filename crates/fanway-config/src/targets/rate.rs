//! `rate`: how many attempts may start in a while.

use std::num::NonZeroU32;
use std::time::Duration;

use fanway_policy::rate;

use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Value};

/// More in an hour, a minute or a second is no limit.
const MOST: u32 = 1_000_000;

/// A number of attempts in a second, a minute or an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    limit: NonZeroU32,
    per: Duration,
}

impl FromText for Pace {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let (limit, unit) = text.split_once('/').ok_or(Refusal::Unexpected)?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(Refusal::Unexpected),
        };
        let kind = Kind::Count {
            least: 1,
            most: MOST,
        };
        Ok(Self {
            limit: NonZeroU32::from_text(limit.trim(), &kind)?,
            per: Duration::from_secs(seconds),
        })
    }
}

pub(crate) static SECTION: Section = Section {
    about: "How many attempts may start in a while.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "limit",
            kind: Kind::Rate,
            default: Default::Required,
            about: "Attempts in a second, a minute or an hour: `100/s`, `600/m`, `5000/h`.",
        },
        Key {
            name: "burst",
            kind: Kind::Count {
                least: 1,
                most: MOST,
            },
            default: Default::Depends("what `limit` allows in a second, at least 1"),
            about: "Attempts that may start at once after a time with none. In any time T no more than `burst` + `limit` × T start.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>, name: &'static str) -> Option<Option<rate::Params>> {
    let Some(Entry { node, .. }) = fields.entry(name) else {
        return Some(None);
    };
    let params = if matches!(node.value, Value::Mapping(_)) {
        Fields::read(fields.check, node, &SECTION, read_parts)
    } else {
        fields.value(name).map(paced)
    };
    params.map(Some)
}

fn paced(pace: Pace) -> rate::Params {
    rate::Params::new(pace.limit, pace.per)
}

fn read_parts(fields: &Fields<'_>) -> Option<rate::Params> {
    let limit = fields.value("limit");
    let burst: Option<Option<NonZeroU32>> = fields.optional("burst");
    let params = paced(limit?);
    Some(rate::Params {
        burst: burst?.unwrap_or(params.burst),
        ..params
    })
}
