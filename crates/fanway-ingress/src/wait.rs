//! How long a sender wants to wait: `?wait=10s`.

use std::time::Duration;

/// The longest wait; a longer one is taken as this.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// A `wait` that is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `wait` as `500ms`, `10s` or a whole number of seconds")]
pub(crate) struct WaitError;

/// The wait that a query asks for; zero where it says nothing of one.
pub(crate) fn from_query(query: Option<&str>) -> Result<Duration, WaitError> {
    let wait = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("wait="));
    wait.map_or(Ok(Duration::ZERO), parse)
}

fn parse(text: &str) -> Result<Duration, WaitError> {
    let number = |digits: &str| {
        let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<u64>().ok();
        number.filter(|_| only_digits).ok_or(WaitError)
    };
    let wait = if let Some(digits) = text.strip_suffix("ms") {
        Duration::from_millis(number(digits)?)
    } else {
        Duration::from_secs(number(text.strip_suffix('s').unwrap_or(text))?)
    };
    Ok(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{WaitError, from_query};

    #[track_caller]
    fn check(query: &str, expected_millis: Option<u64>) {
        let expected = expected_millis.map(Duration::from_millis);
        assert_eq!(
            from_query(Some(query)),
            expected.ok_or(WaitError),
            "{query}"
        );
    }

    #[test]
    fn a_wait_is_a_short_duration() {
        assert_eq!(from_query(None), Ok(Duration::ZERO));
        check("", Some(0));
        check("other=1", Some(0));
        check("wait=500ms", Some(500));
        check("a=b&wait=10s", Some(10_000));
        check("wait=3", Some(3_000));
        check("wait=0", Some(0));
    }

    #[test]
    fn a_longer_wait_is_cut() {
        check("wait=61s", Some(60_000));
        check("wait=18446744073709551615", Some(60_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for query in [
            "wait=",
            "wait=s",
            "wait=ms",
            "wait=1m",
            "wait=-1",
            "wait=+1",
            "wait=1.5s",
        ] {
            check(query, None);
        }
        check("wait=99999999999999999999", None);
    }
}
