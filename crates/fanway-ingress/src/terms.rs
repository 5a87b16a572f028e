//! What a sender asks for besides delivery, by headers: a key, times, a callback.
//!
//! The headers are read before the body, so that a request that can't be met is refused before
//! anything is sent for nothing. Durations count from acceptance, so they become times only then.

use std::time::Duration;

use http::HeaderValue;

use fanway_types::{
    AllowedOrigin, Fingerprint, IdempotencyKey, KeyScope, SplitUrl, Terms, Timestamp,
};

use crate::headers::{CALLBACK, EXPIRES, NOT_BEFORE, Own, Sent};
use crate::key;
use crate::params::RouteParams;
use crate::problem::{Kind, Problem};

/// The furthest that a first attempt may be put off.
const LONGEST_DELAY: Duration = Duration::from_hours(30 * 24);

/// The furthest that an expiry may be ahead.
const LONGEST_LIFE: Duration = Duration::from_hours(365 * 24);

/// What a request's headers ask for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) key: Option<Box<str>>,
    pub(crate) times: Times,
    pub(crate) callback: Option<Box<str>>,
}

/// When a message is to be sent, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    not_before: Option<When>,
    expires: Option<When>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    At(Timestamp),
    After(Duration),
}

impl Asked {
    pub(crate) fn read(own: &Own<'_>, route: &RouteParams) -> Result<Self, Problem> {
        Ok(Self {
            key: key::read(own.key, route.idempotency)?,
            times: Times::read(own, route)?,
            callback: callback(own.callback, &route.callbacks)?,
        })
    }

    /// Bytes that are kept of it.
    pub(crate) fn size(&self) -> usize {
        let texts = [&self.key, &self.callback];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }

    /// The terms of a message that is accepted `now`. There is a fingerprint where there is a key.
    pub(crate) fn terms(
        self,
        route: &RouteParams,
        fingerprint: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<Terms, Problem> {
        let (not_before, expires) = self.times.resolve(now)?;
        let key = self.key.zip(fingerprint);
        Ok(Terms {
            key: key.map(|(text, fingerprint)| IdempotencyKey {
                scope: KeyScope::Route(route.name.clone()),
                text,
                fingerprint,
                until: now.saturating_add(route.idempotency.keep),
            }),
            not_before,
            expires,
            callback: self.callback,
            order: Box::default(),
        })
    }
}

impl Times {
    /// What the headers say, and where they say nothing the route.
    pub(crate) fn read(own: &Own<'_>, route: &RouteParams) -> Result<Self, Problem> {
        let or_else = |sent, name, ours: Option<Duration>| {
            let said = once(sent, Kind::TermsMalformed, name)?;
            let said = said.map(|value| When::parse(value, name)).transpose()?;
            Ok::<_, Problem>(said.or(ours.map(When::After)))
        };
        Ok(Self {
            not_before: or_else(own.not_before, NOT_BEFORE, route.not_before)?,
            expires: or_else(own.expires, EXPIRES, route.expires)?,
        })
    }

    /// Whether nobody says anything of times.
    pub(crate) fn are_none(&self) -> bool {
        self.not_before.is_none() && self.expires.is_none()
    }

    /// The times for a message that is accepted `now`: before when no attempt is made, and when it
    /// expires.
    pub(crate) fn resolve(
        self,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
        let not_before = self
            .not_before
            .map(|when| when.bounded(now, LONGEST_DELAY, NOT_BEFORE))
            .transpose()?
            .filter(|at| *at > now);
        let expires = self
            .expires
            .map(|when| when.bounded(now, LONGEST_LIFE, EXPIRES))
            .transpose()?;
        if expires.is_some_and(|expires| expires <= not_before.unwrap_or(now)) {
            let detail = "it would expire before its first attempt may be made";
            return Err(Problem::new(Kind::TermsMalformed, detail));
        }
        Ok((not_before, expires))
    }
}

impl When {
    fn parse(value: &HeaderValue, name: &str) -> Result<Self, Problem> {
        let text = value.to_str().ok();
        text.and_then(|text| {
            let http_date = || Some(httpdate::parse_http_date(text).ok()?.into());
            let at = || text.parse().ok().or_else(http_date).map(Self::At);
            duration(text).map(Self::After).or_else(at)
        })
        .ok_or_else(|| {
            let detail = format!("`{name}` is neither a time nor a duration");
            Problem::new(Kind::TermsMalformed, detail)
        })
    }

    /// The time that is meant `now`, not further ahead than `longest`.
    fn bounded(self, now: Timestamp, longest: Duration, name: &str) -> Result<Timestamp, Problem> {
        let at = match self {
            Self::At(at) => at,
            Self::After(delay) => now.saturating_add(delay),
        };
        if at.since(now) > longest {
            let days = longest.as_secs() / (24 * 60 * 60);
            let detail = format!("`{name}` is more than {days} days ahead");
            return Err(Problem::new(Kind::TermsMalformed, detail));
        }
        Ok(at)
    }
}

/// A duration such as `90s`, `10m`, `2h` or `7d`.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| only_digits)?;
    Some(Duration::from_secs(count.saturating_mul(seconds)))
}

/// The URL that is told of a message's end, written in one way only: its origin as it is compared,
/// then path and query as sent.
///
/// # Errors
/// [`Kind::CallbackRefused`] where it is no URL, or of an origin that isn't allowed.
pub(crate) fn callback(
    sent: Sent<'_>,
    allowed: &[AllowedOrigin],
) -> Result<Option<Box<str>>, Problem> {
    let Some(value) = once(sent, Kind::CallbackRefused, CALLBACK)? else {
        return Ok(None);
    };
    let refused = |detail: String| Problem::new(Kind::CallbackRefused, detail);
    if allowed.is_empty() {
        return Err(refused("the route takes no callbacks from senders".into()));
    }
    let url = value
        .to_str()
        .map_err(|_| refused("it isn't ASCII".into()))?;
    let SplitUrl {
        origin,
        path,
        query,
    } = SplitUrl::parse(url).map_err(|error| refused(error.to_string()))?;
    if !allowed.iter().any(|allowed| allowed.allows(&origin)) {
        return Err(refused(format!("the route allows none to {origin}")));
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Some(format!("{origin}{path}{query}").into()))
}

fn once<'h>(sent: Sent<'h>, kind: Kind, name: &str) -> Result<Option<&'h HeaderValue>, Problem> {
    match sent {
        Sent::Never => Ok(None),
        Sent::Once(value) => Ok(Some(value)),
        Sent::Repeatedly => Err(Problem::new(
            kind,
            format!("there is more than one `{name}`"),
        )),
    }
}
