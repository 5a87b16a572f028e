//! `docs/benchmarks/ratios.json`: the measures that a full run reached, and whether another run
//! keeps to them.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::row;

/// The measures' file.
pub(crate) const NAME: &str = "ratios";

/// What was reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratios(Vec<Ratio>);

/// What was reached of one measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ratio {
    measure: String,
    value: f64,
    /// By how much it may get worse: for readers, since what holds is in the code.
    tolerance: f64,
}

impl Ratios {
    /// Those that were measured: NaN says that one wasn't.
    pub(crate) fn of(reached: &[(&str, f64)]) -> Self {
        let measured = row::all().filter_map(|row| {
            let (_, value) = reached.iter().find(|(key, _)| *key == row.key)?;
            let value = shortened(*value);
            value.is_finite().then(|| Ratio {
                measure: row.key.to_owned(),
                value,
                tolerance: shortened(row.tolerance(value)),
            })
        });
        Self(measured.collect())
    }

    /// What was reached of a measure.
    pub(crate) fn get(&self, key: &str) -> Option<f64> {
        let ratio = self.0.iter().find(|ratio| ratio.measure == key)?;
        Some(ratio.value)
    }

    /// These, and of the others what wasn't measured now.
    pub(crate) fn over(self, others: &Self) -> Self {
        let all: Vec<(&str, f64)> = row::all()
            .filter_map(|row| Some((row.key, self.get(row.key).or(others.get(row.key))?)))
            .collect();
        Self::of(&all)
    }
}

/// To four decimals: what follows says nothing.
fn shortened(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// What came of a comparison with what is written down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    /// Measures that are worse than their tolerance allows.
    pub(crate) broken: Vec<&'static str>,
    /// All measures that are written down.
    pub(crate) table: String,
}

/// Holds what was measured to what is written down. What couldn't be measured is told, and isn't
/// held against it.
pub(crate) fn check(written: &Ratios, found: &Ratios) -> Check {
    let mut broken = Vec::new();
    let mut table =
        "| measure | written down | worst allowed | measured | |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in row::all() {
        let Some(before) = written.get(row.key) else {
            continue;
        };
        let (unit, worst) = (row.unit, row.worst(before));
        let (now, verdict) = match found.get(row.key) {
            None => ("—".to_owned(), "not measured"),
            Some(now) if row.is_kept(before, now) => (format!("{now:.2}{unit}"), "kept"),
            Some(now) => {
                broken.push(row.key);
                (format!("{now:.2}{unit}"), "**out of tolerance**")
            }
        };
        let measure = row.measure;
        // Writing into a string can't fail.
        let _ = writeln!(
            table,
            "| {measure} | {before:.2}{unit} | {worst:.2}{unit} | {now} | {verdict} |"
        );
    }
    Check { broken, table }
}

#[cfg(test)]
mod tests {
    use super::{Ratios, check};

    #[test]
    fn a_run_is_held_to_what_is_written_down() {
        let written = Ratios::of(&[
            ("events-against-join-all", 1.3),
            ("cpu-against-join-all", 0.6),
            ("events-against-nginx", 0.9),
        ]);
        let found = Ratios::of(&[
            ("events-against-join-all", 1.1),
            ("cpu-against-join-all", 0.3),
            ("memory", 70.0),
        ]);
        let check = check(&written, &found);
        assert_eq!(check.broken, ["events-against-join-all"]);
        let lines: Vec<_> = check.table.lines().skip(2).collect();
        let expected = [
            "| events/s against `join_all` | 1.30× | 1.14× | 1.10× | **out of tolerance** |",
            "| events/s against nginx | 0.90× | 0.79× | — | not measured |",
            "| CPU for an event against `join_all` | 0.60× | 0.67× | 0.30× | kept |",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_was_not_measured_keeps_its_former_value() {
        let before = Ratios::of(&[("memory", 80.0), ("million-ready", 0.16)]);
        let now = Ratios::of(&[("memory", 60.0), ("million-ready", f64::NAN)]);
        let both = Ratios::of(&[("memory", 60.0), ("million-ready", 0.16)]);
        assert_eq!(now.over(&before), both);
    }
}
