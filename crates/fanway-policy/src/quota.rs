//! What a target says of its own limits: how many requests it still takes, and until when.
//!
//! Read are `RateLimit` with `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-09) and, where
//! there is no such field that can be used, the older `X-RateLimit-Remaining` with
//! `X-RateLimit-Reset`. What can't be understood says nothing. What follows from a quota is
//! [`pace`](crate::pace)'s matter.

mod items;

use std::time::Duration;

use fanway_types::Timestamp;

use items::{Item, read_list};

/// A number of seconds from here on is no span but a moment since 1970; as a span it would be more
/// than thirty years.
const EPOCH: u64 = 1_000_000_000;
/// And from here on a moment in milliseconds.
const EPOCH_MILLIS: u64 = 1_000_000_000_000;

/// The fields of one answer, each as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// `RateLimit`.
    pub limit: Option<&'a str>,
    /// `RateLimit-Policy`.
    pub policy: Option<&'a str>,
    /// `X-RateLimit-Remaining`.
    pub remaining: Option<&'a str>,
    /// `X-RateLimit-Reset`.
    pub reset: Option<&'a str>,
}

/// What a target still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub remaining: u64,
    /// How long that has to last; above 0.
    pub reset: Duration,
}

impl Fields<'_> {
    /// The quota that they tell of; of several the one that leaves the least room. `None` where
    /// none says both how much remains and for how long.
    #[must_use]
    pub fn quota(&self, now: Timestamp) -> Option<Quota> {
        self.standard().or_else(|| self.legacy(now))
    }

    fn standard(&self) -> Option<Quota> {
        let limits = read_list(self.limit?)?;
        let policies = self.policy.and_then(read_list).unwrap_or_default();
        let quotas = limits.iter().filter_map(|limit| quota_of(limit, &policies));
        quotas.max_by(|one, other| one.spacing().cmp(&other.spacing()))
    }

    fn legacy(&self, now: Timestamp) -> Option<Quota> {
        let remaining = number(self.remaining?)?;
        let reset = span(self.reset?, now)?;
        Quota::new(remaining, reset)
    }
}

impl Quota {
    fn new(remaining: u64, reset: Duration) -> Option<Self> {
        (!reset.is_zero()).then_some(Self { remaining, reset })
    }

    /// How far apart requests would be, in nanoseconds, and how long nothing can be sent at all.
    fn spacing(&self) -> (u128, Duration) {
        match self.remaining {
            0 => (u128::MAX, self.reset),
            left => (self.reset.as_nanos() / u128::from(left), self.reset),
        }
    }
}

/// The quota of an item of `RateLimit`: `r` requests for `t` seconds, or for the window of the
/// policy that has its name. One that is counted in anything but requests is none of ours.
fn quota_of(limit: &Item<'_>, policies: &[Item<'_>]) -> Option<Quota> {
    let policy = policies.iter().find(|policy| policy.name == limit.name);
    let unit = policy.and_then(|policy| policy.text("qu"));
    if unit.is_some_and(|unit| unit != "requests") {
        return None;
    }
    let remaining = limit.number("r")?;
    let window = || policy.and_then(|policy| policy.number("w"));
    let seconds = limit.number("t").or_else(window)?;
    Quota::new(remaining, Duration::from_secs(seconds))
}

/// How long it is until a reset that is written as a span of seconds, or as a moment: seconds or
/// milliseconds since 1970, or an HTTP date. A fraction is rounded up.
fn span(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let Some(seconds) = number(whole).filter(|_| digits(fraction)) else {
        let date = httpdate::parse_http_date(text).ok()?;
        return Some(Timestamp::from(date).since(now));
    };
    let has_fraction = fraction.bytes().any(|digit| digit != b'0');
    let seconds = seconds.saturating_add(u64::from(has_fraction));
    Some(match seconds {
        EPOCH_MILLIS.. => Timestamp::from_millis(seconds).since(now),
        EPOCH.. => Timestamp::from_millis(seconds.saturating_mul(1000)).since(now),
        _ => Duration::from_secs(seconds),
    })
}

/// A number of digits and nothing else; one that is too large stands for the largest there is.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_one = !text.is_empty() && digits(text);
    is_one.then(|| text.parse().unwrap_or(u64::MAX))
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
