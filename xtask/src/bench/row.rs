//! The measures that Fanway is held to, each with what it must be and what it should be.

use std::time::Duration;

use super::BODY;
use super::MANY;
use super::candidate::Kind;
use super::figures::{Figures, median};
use super::hanging::Hanging;
use super::round::Sample;

/// A measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) measure: &'static str,
    must: Limit,
    aim: Limit,
    unit: &'static str,
    reached: f64,
}

/// A bound.
#[derive(Clone, Copy, Debug)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Self::AtLeast(bound) => format!("≥ {bound}{unit}"),
            Self::AtMost(bound) => format!("≤ {bound}{unit}"),
        }
    }
}

impl Row {
    fn at_least(measure: &'static str, (must, aim): (f64, f64), reached: f64) -> Self {
        Self {
            measure,
            must: Limit::AtLeast(must),
            aim: Limit::AtLeast(aim),
            unit: "×",
            reached,
        }
    }

    fn at_most(measure: &'static str, (must, aim): (f64, f64), reached: f64) -> Self {
        Self {
            must: Limit::AtMost(must),
            aim: Limit::AtMost(aim),
            ..Self::at_least(measure, (must, aim), reached)
        }
    }

    fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// As a line of a table; nothing where it wasn't measured.
    pub(crate) fn line(&self) -> Option<String> {
        let Self {
            measure,
            unit,
            reached,
            ..
        } = self;
        if reached.is_nan() {
            return None;
        }
        let verdict = match (self.must.holds(*reached), self.aim.holds(*reached)) {
            (true, true) => "reached",
            (true, false) => "must reached",
            (false, _) => "**missed**",
        };
        let (must, aim) = (self.must.words(unit), self.aim.words(unit));
        Some(format!(
            "| {measure} | {must} | {aim} | {reached:.2}{unit} | {verdict} |"
        ))
    }
}

/// All measures.
pub(crate) fn rows(figures: &Figures) -> Vec<Row> {
    let events = |sample: &Sample| sample.events_per_second;
    let written = figures.written(Kind::Fanway, MANY);
    let peak = figures
        .peaks
        .get(&Kind::Fanway)
        .copied()
        .map_or(f64::NAN, mebibytes);
    let mut rows = vec![
        Row::at_least(
            "events/s against `join_all`",
            (1.15, 1.3),
            figures.against(Kind::JoinAll, events),
        ),
        Row::at_least(
            "events/s against nginx",
            (0.7, 0.9),
            figures.against(Kind::Nginx, events),
        ),
        Row::at_most(
            "CPU for an event against `join_all`",
            (0.8, 0.55),
            figures.against(Kind::JoinAll, |sample| sample.cpu),
        ),
        Row::at_least(
            "events/s with fsync against without",
            (0.9, 0.95),
            figures.against(Kind::NoSync, events),
        ),
        Row::at_most(
            "accept p99 at 4 connections, in the disk's own `fdatasync` p99",
            (6.0, 4.0),
            figures.accept_by_disk(),
        ),
        Row::at_most(
            "bytes written for an event, in its payload",
            (2.0, 1.45),
            written / f64::from(u32::try_from(BODY).unwrap_or(u32::MAX)),
        ),
        Row::at_most("resident memory", (96.0, 64.0), peak).in_unit(" MiB"),
    ];
    rows.extend(hanging(figures));
    rows.extend(million(figures));
    rows
}

fn hanging(figures: &Figures) -> [Row; 2] {
    let rounds = || figures.hanging.iter();
    [
        Row::at_least(
            "one target hangs: the other's deliveries/s",
            (0.95, 0.99),
            median(rounds().map(Hanging::deliveries)),
        ),
        Row::at_most(
            "one target hangs: accept p99",
            (1.25, 1.05),
            median(rounds().map(Hanging::accept)),
        ),
    ]
}

fn million(figures: &Figures) -> Vec<Row> {
    let scenes = || figures.million.iter();
    let worst = |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(f64::NAN, f64::max);
    let growth = scenes().map(|seen| mebibytes(seen.after) - mebibytes(seen.before));
    let ready = scenes().map(|seen| Duration::as_secs_f64(&seen.ready));
    vec![
        Row::at_most(
            "a million waiting: more memory",
            (64.0, 8.0),
            worst(&mut { growth }),
        )
        .in_unit(" MiB"),
        Row::at_most(
            "a million waiting: ready after a restart",
            (2.0, 0.5),
            worst(&mut { ready }),
        )
        .in_unit(" s"),
    ]
}

/// Bytes as MiB.
#[expect(
    clippy::cast_precision_loss,
    reason = "no memory has 2 to the 52 bytes"
)]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::Row;

    #[track_caller]
    fn check(row: Row, expected: Option<&str>) {
        assert_eq!(row.line().as_deref(), expected);
    }

    #[test]
    fn a_measure_is_held_to_both_bounds() {
        let at_least = |reached| Row::at_least("a", (1.15, 1.3), reached);
        check(
            at_least(1.3),
            Some("| a | ≥ 1.15× | ≥ 1.3× | 1.30× | reached |"),
        );
        check(
            at_least(1.2),
            Some("| a | ≥ 1.15× | ≥ 1.3× | 1.20× | must reached |"),
        );
        check(
            at_least(1.0),
            Some("| a | ≥ 1.15× | ≥ 1.3× | 1.00× | **missed** |"),
        );
        let at_most = |reached| Row::at_most("b", (96.0, 64.0), reached).in_unit(" MiB");
        check(
            at_most(97.0),
            Some("| b | ≤ 96 MiB | ≤ 64 MiB | 97.00 MiB | **missed** |"),
        );
        check(
            at_most(20.0),
            Some("| b | ≤ 96 MiB | ≤ 64 MiB | 20.00 MiB | reached |"),
        );
        check(at_most(f64::NAN), None);
    }
}
