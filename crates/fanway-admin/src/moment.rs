//! Points in time as operators write them: RFC 3339, or how long ago.

use std::str::FromStr;
use std::time::Duration;

use fanway_types::Timestamp;
use serde::{Deserialize, Deserializer};

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    /// The point in time, for somebody who asks at `now`.
    pub(crate) fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.saturating_sub(ago),
        }
    }
}

/// A text that is no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time such as 2026-11-22T10:07:07Z, or how long ago, such as 90s, 15m, 2h or 7d"
)]
pub(crate) struct MomentError;

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let unit = text.find(|digit: char| !digit.is_ascii_digit());
        let (number, unit) = text.split_at(unit.ok_or(MomentError)?);
        let number: u64 = number.parse().map_err(|_| MomentError)?;
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(MomentError),
        };
        let ago = number.checked_mul(millis).ok_or(MomentError)?;
        Ok(Self::Ago(Duration::from_millis(ago)))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use fanway_types::Timestamp;

    use super::Moment;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        let moment = text.parse::<Moment>().ok();
        let at = moment.map(|moment| moment.seen_from(NOW).as_millis());
        assert_eq!(at, expected, "{text}");
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        check("2023-11-14T22:13:19Z", Some(1_699_999_999_000));
        check("0s", Some(1_700_000_000_000));
        check("250ms", Some(1_699_999_999_750));
        check("90s", Some(1_699_999_910_000));
        check("15m", Some(1_699_999_100_000));
        check("2h", Some(1_699_992_800_000));
        check("7d", Some(1_699_395_200_000));
        for wrong in [
            "",
            "2",
            "h",
            "-2h",
            "2 h",
            "2w",
            "1.5h",
            "yesterday",
            "99999999999999999d",
        ] {
            check(wrong, None);
        }
    }
}
