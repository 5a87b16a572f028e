//! What an exchange with a target means: success, a failure for good, one that may pass.
//!
//! It says what an answer means for the delivery. What follows from it is decided by
//! [`retry`](crate::retry), [`breaker`](crate::breaker) and [`credentials`](crate::credentials).

use std::time::Duration;

use fanway_types::Timestamp;

use crate::retry::Preset;

/// How one exchange with a target went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange<'a> {
    /// The target answered.
    Answered {
        /// The status code.
        status: u16,
        /// The value of `Retry-After`, where the answer has one.
        retry_after: Option<&'a str>,
    },
    /// No answer came: a connection, TLS or I/O error, or a time-out.
    Unanswered,
}

/// What an exchange means for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The target has it: 2xx.
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
}

impl Exchange<'_> {
    /// What the exchange means, under a target's preset.
    #[must_use]
    pub fn classify(&self, preset: Preset, now: Timestamp) -> Class {
        let Self::Answered {
            status,
            retry_after,
        } = *self
        else {
            return Class::Transient { asked: None };
        };
        let asked = || retry_after.and_then(|value| parse_retry_after(value, now));
        match status {
            200..=299 => Class::Success,
            401 | 407 => Class::CredentialsRefused,
            429 => Class::Pushback { asked: asked() },
            _ if preset.retries(status) => Class::Transient { asked: asked() },
            _ => Class::Final,
        }
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
mod tests {
    use fanway_types::Timestamp;

    use super::{Class, Exchange, parse_retry_after};
    use crate::retry::Preset::{self, Knative, StandardWebhooks, Transient};

    /// 2026-11-22T10:07:07Z.
    const NOW: Timestamp = Timestamp::from_millis(1_795_342_027_000);

    fn class(status: u16, preset: Preset) -> Class {
        let answer = Exchange::Answered {
            status,
            retry_after: None,
        };
        answer.classify(preset, NOW)
    }

    /// The statuses that a preset retries, of all there are.
    #[track_caller]
    fn check_retried(preset: Preset, expected: &[u16]) {
        let retried: Vec<u16> = (200..=599)
            .filter(|status| class(*status, preset) == Class::Transient { asked: None })
            .collect();
        assert_eq!(retried, expected, "{preset:?}");
        let unanswered = Exchange::Unanswered.classify(preset, NOW);
        assert_eq!(unanswered, Class::Transient { asked: None });
    }

    #[test]
    fn each_preset_retries_what_its_table_says() {
        check_retried(Transient, &[408, 425, 500, 502, 503, 504]);
        let knative: Vec<u16> = [404, 409].into_iter().chain(500..=599).collect();
        check_retried(Knative, &knative);
        let not_retried = [401, 407, 410, 429];
        let webhooks: Vec<u16> = (300..=599).filter(|it| !not_retried.contains(it)).collect();
        check_retried(StandardWebhooks, &webhooks);
    }

    #[test]
    fn no_preset_changes_what_success_pushback_and_refused_credentials_are() {
        for preset in [Transient, Knative, StandardWebhooks] {
            assert_eq!(class(204, preset), Class::Success);
            assert_eq!(class(429, preset), Class::Pushback { asked: None });
            assert_eq!(class(401, preset), Class::CredentialsRefused);
            assert_eq!(class(407, preset), Class::CredentialsRefused);
            assert_eq!(class(410, preset), Class::Final);
        }
    }

    #[test]
    fn a_redirect_and_a_single_403_are_final() {
        for status in [301, 302, 307, 308, 403, 400, 422] {
            assert_eq!(class(status, Transient), Class::Final, "{status}");
        }
    }

    #[test]
    fn what_a_busy_target_asks_for_is_passed_on() {
        let asked = Some(Timestamp::from_millis(NOW.as_millis() + 7_000));
        for (status, expected) in [
            (429, Class::Pushback { asked }),
            (503, Class::Transient { asked }),
            (422, Class::Final),
        ] {
            let answer = Exchange::Answered {
                status,
                retry_after: Some("7"),
            };
            assert_eq!(answer.classify(Transient, NOW), expected);
        }
    }

    #[track_caller]
    fn check_retry_after(value: &str, expected: Option<u64>) {
        let parsed = parse_retry_after(value, NOW).map(Timestamp::as_millis);
        assert_eq!(parsed, expected, "{value:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = NOW.as_millis();
        check_retry_after("120", Some(now + 120_000));
        check_retry_after(" 0 ", Some(now));
        check_retry_after("Sun, 22 Nov 2026 10:08:07 GMT", Some(now + 60_000));
        check_retry_after("Sunday, 22-Nov-26 10:08:07 GMT", Some(now + 60_000));
        check_retry_after("Sun Nov 22 10:08:07 2026", Some(now + 60_000));
        check_retry_after("Sun, 22 Nov 2026 10:06:07 GMT", Some(now - 60_000));
    }

    #[test]
    fn absurd_retry_afters_do_no_harm() {
        check_retry_after("99999999999999999999999999", Some(u64::MAX));
        check_retry_after("18446744073709551615", Some(u64::MAX));
        for nonsense in ["", " ", "-1", "+5", "1.5", "soon", "12, 14", "١٢"] {
            check_retry_after(nonsense, None);
        }
    }
}
