//! `concurrency`: how many attempts may be in flight.

use fanway_policy::auto;
use fanway_policy::concurrency::Concurrency;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::Code;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Value};

/// The most attempts at a time that a target may have.
const MOST: u32 = 65_535;

pub(crate) const KIND: Kind = Kind::Either(
    &Kind::CountOr {
        least: 1,
        most: MOST,
        word: "auto",
    },
    &SECTION,
);

impl FromText for Concurrency {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        if text == "auto" {
            return Ok(Self::Auto(auto::Params::default()));
        }
        let kind = Kind::Count {
            least: 1,
            most: MOST,
        };
        FromText::from_text(text, &kind).map(Self::Fixed)
    }
}

static SECTION: Section = Section {
    about: "How many attempts may be in flight, read off the target's latency.",
    elsewhere: &[],
    keys: &[Key {
        name: "auto",
        kind: Kind::Section(&AUTO),
        default: Default::Required,
        about: "As many as its latency says: while answers take no longer than with little in flight there are more, and fewer where they do.",
    }],
};

static AUTO: Section = Section {
    about: "The bounds of what the latency says.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "least",
            kind: Kind::Count {
                least: 1,
                most: MOST,
            },
            default: Default::Is("4"),
            about: "Attempts that may always be in flight.",
        },
        Key {
            name: "most",
            kind: Kind::Count {
                least: 1,
                most: MOST,
            },
            default: Default::Is("256"),
            about: "The most that may ever be; not less than `least`.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>, name: &'static str) -> Option<Concurrency> {
    match fields.entry(name) {
        Some(Entry { node, .. }) if matches!(node.value, Value::Mapping(_)) => {
            Fields::read(fields.check, node, &SECTION, |fields| {
                fields.required("auto")?;
                fields.section("auto", read_auto).map(Concurrency::Auto)
            })
        }
        Some(_) | None => fields.value(name),
    }
}

fn read_auto(fields: &Fields<'_>) -> Option<auto::Params> {
    let least = fields.value("least");
    let most = fields.value("most");
    let (least, most): (u32, u32) = (least?, most?);
    if least > most {
        let entry = fields.entry("least").or_else(|| fields.entry("most"));
        let span = entry.map_or(fields.span, |entry| entry.node.span);
        let message = format!("\"least\" is {least}, which is more than \"most\", {most}");
        fields.check.report(Finding::new(Code::Fit, span, message));
        return None;
    }
    let in_memory = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Some(auto::Params {
        least: in_memory(least),
        most: in_memory(most),
    })
}
