//! Durations as people write and read them.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a whole number with a unit: `500ms`, `10s`, `5m`, `1h`, `7d`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let parsed = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, millis)| number.parse::<u64>().ok()?.checked_mul(*millis));
    parsed
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a whole number with a unit, such as 500ms, 10s or 5m".to_owned())
}

/// Three digits or so: `842µs`, `1.30ms`, `12.1s`.
pub(crate) fn show(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    let (value, unit) = match micros {
        ..1_000.0 => return format!("{micros:.0}µs"),
        ..1_000_000.0 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse, show};

    #[track_caller]
    fn check(text: &str, millis: Option<u64>) {
        assert_eq!(
            parse(text).ok(),
            millis.map(Duration::from_millis),
            "{text}"
        );
    }

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        check("500ms", Some(500));
        check("10s", Some(10_000));
        check("5m", Some(300_000));
        check("7d", Some(604_800_000));
        check("10", None);
        check("s", None);
        check("1.5s", None);
        check("99999999999999999999s", None);
    }

    #[test]
    fn people_see_three_digits() {
        let shown = [842, 1_304, 12_140, 999_400, 12_100_000].map(Duration::from_micros);
        assert_eq!(
            shown.map(show),
            ["842µs", "1.30ms", "12.1ms", "999ms", "12.1s"]
        );
    }
}
