//! How steady Fanway is: what a target that is in trouble, or that is held to limits, costs the
//! others and itself.
//!
//! Each part is measured by rounds within one run, of two sides in turn.

pub(crate) mod busy;
pub(crate) mod drain;
pub(crate) mod hanging;
pub(crate) mod limits;
pub(crate) mod order;
mod pairs;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::effort::Effort;
use super::figures::median;
use super::ratios::Ratios;
use super::rig::Rig;
use crate::say;

/// The header that the sender puts its time into.
const SENT: &str = "x-sent";

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// One of ten targets hangs
    Hanging,
    /// A target was down, and what waits for it drains
    Drain,
    /// A target refuses some requests
    Busy,
    /// Limits that don't bind
    Limits,
    /// Deliveries in order by key
    Order,
}

impl Part {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Hanging,
        Self::Drain,
        Self::Busy,
        Self::Limits,
        Self::Order,
    ];

    /// What it is asked for by.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hanging => "hanging",
            Self::Drain => "drain",
            Self::Busy => "busy",
            Self::Limits => "limits",
            Self::Order => "order",
        }
    }

    /// Its figures' name.
    pub(crate) fn name(self) -> String {
        format!("steady-{}", self.word())
    }
}

/// What a part gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Figures {
    Hanging(hanging::Hanging),
    Drain(drain::Drain),
    Busy(busy::Busy),
    Limits(limits::Limits),
    Order(order::Order),
}

impl Figures {
    /// What was reached of the measures.
    pub(crate) fn ratios(&self) -> Ratios {
        match self {
            Self::Hanging(figures) => figures.ratios(),
            Self::Drain(figures) => figures.ratios(),
            Self::Busy(figures) => figures.ratios(),
            Self::Limits(figures) => figures.ratios(),
            Self::Order(figures) => figures.ratios(),
        }
    }
}

/// Measures these parts, each of which `keep` is told as soon as it is there. `waiting` messages
/// wait for a target that is down.
pub(crate) fn measure(
    rig: &Rig,
    effort: Effort,
    parts: &[Part],
    waiting: u64,
    mut keep: impl FnMut(Part, &Figures) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let rig = rig.reading_stamps()?;
    for part in parts {
        let figures = match part {
            Part::Hanging => Figures::Hanging(hanging::measure(&rig, effort)?),
            Part::Drain => Figures::Drain(drain::measure(&rig, effort, waiting)?),
            Part::Busy => Figures::Busy(busy::measure(&rig, effort)?),
            Part::Limits => Figures::Limits(limits::measure(&rig, effort)?),
            Part::Order if !rig.loader.can_spread() => {
                say::note("wrk isn't installed, and nothing else sends several keys: left out");
                continue;
            }
            Part::Order => Figures::Order(order::measure(&rig, effort)?),
        };
        keep(*part, &figures)?;
    }
    Ok(())
}

/// Ratios of several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Over {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Over {
    /// Their median, the least and the greatest.
    pub(crate) fn rounds(ratios: impl Iterator<Item = f64> + Clone) -> Self {
        Self {
            median: median(ratios.clone()),
            least: ratios.clone().fold(f64::NAN, f64::min),
            most: ratios.fold(f64::NAN, f64::max),
        }
    }

    /// As a cell of a table.
    pub(crate) fn cell(&self) -> String {
        let Self {
            median,
            least,
            most,
        } = self;
        format!("{median:.2} ({least:.2} to {most:.2})")
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{Over, Part};

    #[test]
    fn a_part_is_asked_for_by_its_word() {
        for part in Part::ALL {
            assert_eq!(Part::from_str(part.word(), false), Ok(part));
        }
        assert_eq!(Part::value_variants(), Part::ALL);
    }

    #[test]
    fn ratios_are_told_with_their_range() {
        let over = Over::rounds([1.5, 0.5, 0.75].into_iter());
        assert_eq!(over.cell(), "0.75 (0.50 to 1.50)");
    }
}
