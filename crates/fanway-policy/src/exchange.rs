//! What an exchange with a target means: success, a failure for good, one that may pass.
//!
//! It says what an answer means for the delivery. What follows from it is decided by
//! [`retry`](crate::retry), [`breaker`](crate::breaker) and [`credentials`](crate::credentials).

mod rules;

use std::time::Duration;

use fanway_types::Timestamp;

pub use rules::{Otherwise, Params, Rules, Worth};

/// How one exchange with a target went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange<'a> {
    /// The target answered.
    Answered {
        /// The status code.
        status: u16,
        /// The value of `Retry-After`, where the answer has one.
        retry_after: Option<&'a str>,
        /// What was found of the body.
        body: Body,
    },
    /// No answer came: a connection, TLS or I/O error, or a time-out.
    Unanswered,
    /// It wasn't made: the target's address is one that may not be connected to.
    Forbidden,
}

/// What was found of an answer's body, where its status is a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// Nobody has asked, or it is as a success has to be.
    #[default]
    Good,
    /// It isn't.
    Refused,
    /// It could not be found out: it broke off, or nothing could look at it.
    Unknown,
}

/// What an exchange means for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The target has it.
    Success,
    /// It failed for good: another attempt would end the same way.
    Final,
    /// It failed in a way that may pass.
    Transient {
        /// Before which the target asks not to be called again, by `Retry-After`.
        asked: Option<Timestamp>,
    },
    /// 429: the target asks for time, and the attempt is not to count.
    Pushback {
        /// Before which it asks not to be called again, by `Retry-After`.
        asked: Option<Timestamp>,
    },
    /// 401 or 407: the target refuses our credentials, whatever the message.
    CredentialsRefused,
    /// 410 of a target that says by it that it wants nothing any more.
    Gone,
    /// It names an address that may not be connected to, and won't name another.
    Forbidden,
}

impl Exchange<'_> {
    /// Whether there was no answer, or one of which it isn't known what it was.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Answered { body, .. } => *body == Body::Unknown,
            Self::Unanswered | Self::Forbidden => true,
        }
    }

    /// What the exchange means, under a target's rules. Looks nothing up but bits.
    #[must_use]
    pub fn classify(&self, rules: &Rules, now: Timestamp) -> Class {
        let Self::Answered {
            status,
            retry_after,
            body,
        } = *self
        else {
            return self.unanswered(rules);
        };
        let transient = || Class::Transient {
            asked: retry_after.and_then(|value| parse_retry_after(value, now)),
        };
        match (status, body) {
            (_, Body::Good) if rules.is_success(status) => Class::Success,
            (_, Body::Unknown) if rules.is_success(status) => silence(rules),
            (_, Body::Refused) if rules.is_success(status) => match rules.otherwise() {
                Otherwise::Retry => transient(),
                Otherwise::Fail => Class::Final,
            },
            _ if rules.is_final(status) => Class::Final,
            (401 | 407, _) if rules.concerns_credentials(status) => Class::CredentialsRefused,
            (429, _) => Class::Pushback {
                asked: retry_after.and_then(|value| parse_retry_after(value, now)),
            },
            (410, _) if rules.gone_disables() => Class::Gone,
            _ if rules.is_retried(status) => transient(),
            _ => Class::Final,
        }
    }

    /// What it means that there was no answer. An address of the config's may turn out to be
    /// another one tomorrow, one that came with the message doesn't.
    fn unanswered(&self, rules: &Rules) -> Class {
        match self {
            Self::Forbidden if rules.is_from_data() => Class::Forbidden,
            _ => silence(rules),
        }
    }
}

fn silence(rules: &Rules) -> Class {
    if rules.is_silence_retried() {
        Class::Transient { asked: None }
    } else {
        Class::Final
    }
}

/// When a `Retry-After` says to come back: a number of seconds, or an HTTP date in any of its
/// three forms (RFC 9110 §10.2.3). A date that is past is returned as it is; a number too large
/// stands for the last moment there is; anything else gives `None`.
#[must_use]
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Timestamp> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(now.saturating_add(Duration::from_secs(seconds)));
    }
    httpdate::parse_http_date(value).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests;
