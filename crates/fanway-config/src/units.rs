//! Durations, as people write them: `250ms`, `10s`, `1h30m`, `30d`.

use std::time::Duration;

/// Units with their milliseconds, largest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Ten years: a wait beyond it is a slip, and far from where clocks overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// Reads whole numbers with units, the larger unit first; `None` where it is no such text.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut millis: u64 = 0;
    let mut units = &UNITS[..];
    let mut left = text;
    while !left.is_empty() {
        let (number, after) =
            left.split_at(left.find(|character: char| !character.is_ascii_digit())?);
        let (unit, after) = after.split_at(
            after
                .find(|character: char| character.is_ascii_digit())
                .unwrap_or(after.len()),
        );
        let at = units.iter().position(|(name, _)| *name == unit)?;
        millis = number
            .parse::<u64>()
            .ok()?
            .checked_mul(units[at].1)?
            .checked_add(millis)?;
        units = &units[at + 1..];
        left = after;
    }
    let duration = Duration::from_millis(millis);
    (!text.is_empty() && duration <= LONGEST).then_some(duration)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(
            duration(text),
            expected.map(Duration::from_millis),
            "{text}"
        );
    }

    #[test]
    fn durations_are_whole_numbers_with_units() {
        check("250ms", Some(250));
        check("10s", Some(10_000));
        check("5m", Some(300_000));
        check("1h", Some(3_600_000));
        check("30d", Some(2_592_000_000));
        check("1h30m", Some(5_400_000));
        check("1s500ms", Some(1_500));
        check("0s", Some(0));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "10 s",
            "10S",
            "30m1h",
            "1h1h",
            "1h30",
            "9999d",
            "99999999999999999999s",
        ] {
            check(text, None);
        }
    }
}
