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
pub(crate) const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// It isn't written as one.
    #[error("whole numbers with units are expected, the larger unit first")]
    Form,
    /// It is longer than any wait that makes sense.
    #[error("the longest is 3650d")]
    TooLong,
}

/// Reads whole numbers with units, the larger unit first.
pub(crate) fn duration(text: &str) -> Result<Duration, Error> {
    let millis = milliseconds(text).ok_or(Error::Form)?;
    let duration = Duration::from_millis(millis);
    if duration > LONGEST {
        return Err(Error::TooLong);
    }
    Ok(duration)
}

/// A duration as [`duration`] reads it: `1h30m`.
pub(crate) fn text(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, millis) in UNITS {
        let count = left / u128::from(millis);
        left %= u128::from(millis);
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// `None` where the text is no duration; `u64::MAX` stands for all that is more.
fn milliseconds(text: &str) -> Option<u64> {
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
        if number.is_empty() {
            return None;
        }
        // Digits only, so it fails where the number is too large.
        let number = number.parse::<u64>().unwrap_or(u64::MAX);
        millis = number.saturating_mul(units[at].1).saturating_add(millis);
        units = &units[at + 1..];
        left = after;
    }
    (!text.is_empty()).then_some(millis)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Error, duration, text};

    #[track_caller]
    fn check(text: &str, expected: Result<u64, Error>) {
        assert_eq!(
            duration(text),
            expected.map(Duration::from_millis),
            "{text}"
        );
    }

    #[test]
    fn durations_are_whole_numbers_with_units() {
        check("250ms", Ok(250));
        check("10s", Ok(10_000));
        check("5m", Ok(300_000));
        check("1h", Ok(3_600_000));
        check("30d", Ok(2_592_000_000));
        check("1h30m", Ok(5_400_000));
        check("1s500ms", Ok(1_500));
        check("0s", Ok(0));
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for written in ["0s", "1ms", "90d", "1h30m", "1d1h1m1s1ms"] {
            assert_eq!(duration(written).map(text).as_deref(), Ok(written));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "10", "s", "1.5s", "-1s", "10 s", "10S", "30m1h", "1h1h", "1h30",
        ] {
            check(text, Err(Error::Form));
        }
    }

    #[test]
    fn more_than_ten_years_is_too_long() {
        check("3650d", Ok(315_360_000_000));
        for text in [
            "3650d1ms",
            "9999d",
            "99999999999999999999s",
            "18446744073709551615ms",
        ] {
            check(text, Err(Error::TooLong));
        }
    }
}
