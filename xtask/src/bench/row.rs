//! The measures that Fanway is held to: what each must be and should be, and by how much it may
//! get worse than what is written down before `--check` fails.

use super::BODY;
use super::MANY;
use super::candidate::Kind;
use super::figures::{Figures, mebibytes, median};
use super::hanging::Hanging;
use super::million::Million;
use super::ratios::Ratios;
use super::round::Sample;

/// A measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What it is called in `ratios.json`.
    pub(crate) key: &'static str,
    pub(crate) measure: &'static str,
    must: Limit,
    /// Where there is more to aim at than what must be.
    aim: Option<Limit>,
    pub(crate) unit: &'static str,
    tolerance: Tolerance,
}

/// A bound.
#[derive(Clone, Copy, Debug)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// By how much a measure may get worse: what it differs by from run to run on one machine.
#[derive(Clone, Copy, Debug)]
enum Tolerance {
    /// This share of what is written down.
    Share(f64),
    /// This much, in the measure's unit: for what can be about zero.
    Amount(f64),
}

/// All measures.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(&STEADY)
}

/// The measures of the comparison and of a million messages.
pub(crate) const ROWS: [Row; 11] = [
    Row::at_least(
        "events-against-join-all",
        "events/s against `join_all`",
        (1.15, 1.3),
    ),
    Row::at_least("events-against-nginx", "events/s against nginx", (0.7, 0.9)),
    Row::at_most(
        "cpu-against-join-all",
        "CPU for an event against `join_all`",
        (0.8, 0.55),
    ),
    Row::at_least(
        "events-with-sync-against-without",
        "events/s with fsync against without",
        (0.9, 0.95),
    ),
    Row::at_most(
        "accept-p99-against-disk",
        "accept p99 at 4 connections, in the disk's own `fdatasync` p99",
        (6.0, 4.0),
    )
    .tolerating(Tolerance::Share(0.75)),
    Row::at_most(
        "bytes-against-payload",
        "bytes written for an event, in its payload",
        (2.0, 1.45),
    ),
    Row::at_most("memory", "resident memory", (96.0, 64.0))
        .in_unit(" MiB")
        .tolerating(Tolerance::Share(0.2)),
    Row::at_least(
        "hanging-deliveries",
        "one target hangs: the other's deliveries/s",
        (0.95, 0.99),
    )
    .tolerating(Tolerance::Share(0.03)),
    Row::at_most(
        "hanging-accept-p99",
        "one target hangs: accept p99",
        (1.25, 1.05),
    )
    .tolerating(Tolerance::Share(0.5)),
    Row::at_most(
        "million-memory",
        "a million waiting: more memory",
        (64.0, 8.0),
    )
    .in_unit(" MiB")
    .tolerating(Tolerance::Amount(16.0)),
    Row::at_most(
        "million-ready",
        "a million waiting: ready after a restart",
        (2.0, 0.5),
    )
    .in_unit(" s")
    .tolerating(Tolerance::Amount(0.25)),
];

/// The measures of how steady it is.
pub(crate) const STEADY: [Row; 8] = [
    Row::held(
        "steady-hanging-deliveries",
        "one of ten targets hangs: deliveries/s of each other",
        Limit::AtLeast(0.95),
    )
    .tolerating(Tolerance::Share(0.03)),
    Row::held(
        "steady-hanging-p99",
        "one of ten targets hangs: delivery p99 of each other",
        Limit::AtMost(1.25),
    )
    .tolerating(Tolerance::Share(0.5)),
    Row::held(
        "steady-waiting-memory",
        "a target down: more memory with all that waits, and while it drains",
        Limit::AtMost(64.0),
    )
    .in_unit(" MiB")
    .tolerating(Tolerance::Amount(16.0)),
    Row::held(
        "steady-drain-deliveries",
        "it comes back: deliveries/s against fresh traffic's",
        Limit::AtLeast(0.9),
    )
    .tolerating(Tolerance::Share(0.35)),
    Row::held(
        "steady-drain-p99",
        "it comes back: delivery p99 of the others",
        Limit::AtMost(1.25),
    )
    .tolerating(Tolerance::Share(2.0)),
    Row::held(
        "steady-busy-deliveries",
        "5 % of answers are 503: deliveries/s",
        Limit::AtLeast(0.9),
    )
    .tolerating(Tolerance::Share(0.03)),
    Row::held(
        "steady-limits-cpu",
        "a rate limit and a breaker that don't bind: CPU for an event",
        Limit::AtMost(1.03),
    ),
    Row::held(
        "steady-order-events",
        "`order_by` over 10,000 keys: events/s",
        Limit::AtLeast(0.85),
    ),
];

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
    const fn held(key: &'static str, measure: &'static str, must: Limit) -> Self {
        Self {
            key,
            measure,
            must,
            aim: None,
            unit: "×",
            tolerance: Tolerance::Share(0.12),
        }
    }

    const fn at_least(key: &'static str, measure: &'static str, (must, aim): (f64, f64)) -> Self {
        Self {
            aim: Some(Limit::AtLeast(aim)),
            ..Self::held(key, measure, Limit::AtLeast(must))
        }
    }

    const fn at_most(key: &'static str, measure: &'static str, (must, aim): (f64, f64)) -> Self {
        Self {
            aim: Some(Limit::AtMost(aim)),
            ..Self::held(key, measure, Limit::AtMost(must))
        }
    }

    const fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    const fn tolerating(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    /// By how much it may be worse than `written`, in its unit.
    pub(crate) fn tolerance(&self, written: f64) -> f64 {
        match self.tolerance {
            Tolerance::Share(share) => share * written.abs(),
            Tolerance::Amount(amount) => amount,
        }
    }

    /// The worst that is no failure, where `written` is written down.
    pub(crate) fn worst(&self, written: f64) -> f64 {
        match self.must {
            Limit::AtLeast(_) => written - self.tolerance(written),
            Limit::AtMost(_) => written + self.tolerance(written),
        }
    }

    /// Whether `found` is no worse than what is written down, less the tolerance.
    pub(crate) fn is_kept(&self, written: f64, found: f64) -> bool {
        let worst = self.worst(written);
        match self.must {
            Limit::AtLeast(_) => found >= worst,
            Limit::AtMost(_) => found <= worst,
        }
    }

    /// As a line of a table.
    pub(crate) fn line(&self, reached: f64) -> String {
        let Self { measure, unit, .. } = self;
        let is_aim_reached = self.aim.is_none_or(|aim| aim.holds(reached));
        let verdict = match (self.must.holds(reached), is_aim_reached) {
            (true, true) => "reached",
            (true, false) => "must reached",
            (false, _) => "**missed**",
        };
        let must = self.must.words(unit);
        let aim = self.aim.map_or("—".to_owned(), |aim| aim.words(unit));
        let tolerance = match self.tolerance {
            Tolerance::Share(share) => format!("{:.0} %", share * 100.0),
            Tolerance::Amount(amount) => format!("{amount}{unit}"),
        };
        format!("| {measure} | {must} | {aim} | {reached:.2}{unit} | {verdict} | {tolerance} |")
    }
}

/// A table of those that were reached; nothing where none was.
pub(crate) fn table(rows: &[Row], ratios: &Ratios) -> String {
    let reached = rows.iter();
    let reached = reached.filter_map(|row| Some(row.line(ratios.get(row.key)?) + "\n"));
    let lines: String = reached.collect();
    if lines.is_empty() {
        return lines;
    }
    format!("| measure | must | aim | measured | | tolerance |\n|---|---|---|---|---|---|\n{lines}")
}

/// The measures that come from the comparison.
pub(crate) fn of_comparison(figures: &Figures) -> Ratios {
    let events = |sample: &Sample| sample.events_per_second;
    let peak = figures.peaks.get(&Kind::Fanway).copied();
    let payload = f64::from(u32::try_from(BODY).unwrap_or(u32::MAX));
    let hanging = |of: fn(&Hanging) -> f64| median(figures.hanging.iter().map(of));
    Ratios::of(&[
        (
            "events-against-join-all",
            figures.against(Kind::JoinAll, events),
        ),
        ("events-against-nginx", figures.against(Kind::Nginx, events)),
        (
            "cpu-against-join-all",
            figures.against(Kind::JoinAll, |sample| sample.cpu),
        ),
        (
            "events-with-sync-against-without",
            figures.against(Kind::NoSync, events),
        ),
        ("accept-p99-against-disk", figures.accept_by_disk()),
        (
            "bytes-against-payload",
            figures.written(Kind::Fanway, MANY) / payload,
        ),
        ("memory", peak.map_or(f64::NAN, mebibytes)),
        ("hanging-deliveries", hanging(Hanging::deliveries)),
        ("hanging-accept-p99", hanging(Hanging::accept)),
    ])
}

/// The measures that come from a million messages: the worse of the two scenes.
pub(crate) fn of_million(million: &Million) -> Ratios {
    let scenes = || million.scenes.iter();
    let worst = |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(f64::NAN, f64::max);
    let growth = scenes().map(|seen| mebibytes(seen.after) - mebibytes(seen.before));
    let ready = scenes().map(|seen| seen.ready.seconds());
    Ratios::of(&[
        ("million-memory", worst(&mut { growth })),
        ("million-ready", worst(&mut { ready })),
    ])
}

#[cfg(test)]
mod tests {
    use super::{Limit, Row, Tolerance};

    #[track_caller]
    fn check(row: Row, reached: f64, expected: &str) {
        assert_eq!(row.line(reached), expected);
    }

    #[track_caller]
    fn check_kept(row: Row, written: f64, found: f64, expected: bool) {
        assert_eq!(row.is_kept(written, found), expected);
    }

    #[test]
    fn a_measure_is_held_to_both_bounds() {
        let at_least = Row::at_least("a", "a", (1.15, 1.3));
        check(
            at_least,
            1.3,
            "| a | ≥ 1.15× | ≥ 1.3× | 1.30× | reached | 12 % |",
        );
        check(
            at_least,
            1.2,
            "| a | ≥ 1.15× | ≥ 1.3× | 1.20× | must reached | 12 % |",
        );
        check(
            at_least,
            1.0,
            "| a | ≥ 1.15× | ≥ 1.3× | 1.00× | **missed** | 12 % |",
        );
        let at_most = Row::at_most("b", "b", (96.0, 64.0))
            .in_unit(" MiB")
            .tolerating(Tolerance::Amount(16.0));
        check(
            at_most,
            97.0,
            "| b | ≤ 96 MiB | ≤ 64 MiB | 97.00 MiB | **missed** | 16 MiB |",
        );
        check(
            at_most,
            20.0,
            "| b | ≤ 96 MiB | ≤ 64 MiB | 20.00 MiB | reached | 16 MiB |",
        );
    }

    #[test]
    fn a_measure_without_an_aim_is_reached_with_what_must_be() {
        let row = Row::held("a", "a", Limit::AtLeast(0.9));
        check(row, 0.95, "| a | ≥ 0.9× | — | 0.95× | reached | 12 % |");
        check(row, 0.85, "| a | ≥ 0.9× | — | 0.85× | **missed** | 12 % |");
    }

    #[test]
    fn only_what_gets_worse_beyond_the_tolerance_is_not_kept() {
        let more = Row::at_least("a", "a", (1.15, 1.3)).tolerating(Tolerance::Share(0.1));
        check_kept(more, 2.0, 1.81, true);
        check_kept(more, 2.0, 1.79, false);
        check_kept(more, 2.0, 9.0, true);
        let less = Row::at_most("b", "b", (6.0, 4.0)).tolerating(Tolerance::Share(0.1));
        check_kept(less, 4.0, 4.39, true);
        check_kept(less, 4.0, 4.41, false);
        check_kept(less, 4.0, 0.1, true);
        let amount = less.tolerating(Tolerance::Amount(16.0));
        check_kept(amount, -3.0, 13.0, true);
        check_kept(amount, -3.0, 13.5, false);
    }
}
