//! When a failed attempt is made again, and when a delivery is given up.
//!
//! Waits grow exponentially, with full jitter: each is drawn evenly from zero up to the longest
//! that it may be, since that clears a backlog soonest and with the fewest calls
//! (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use fanway_types::Timestamp;
use rand::{Rng, RngExt};

/// The bounds of a target's retries.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// The longest wait before the second attempt.
    pub first: Duration,
    /// How much longer the longest wait gets with each attempt; at least 1.
    pub factor: f64,
    /// The longest wait of all.
    pub max: Duration,
    /// Attempts that are made before the delivery is dead.
    pub attempts: NonZeroU32,
    /// Time that attempts and the waits between them may take before the delivery is dead.
    pub give_up_after: Duration,
    /// The longest pause that a `Retry-After` is obeyed for.
    pub max_pause: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_secs(3600),
            attempts: NonZeroU32::new(100).expect("100 is not 0"),
            give_up_after: Duration::from_secs(3 * 24 * 3600),
            max_pause: Duration::from_secs(3600),
        }
    }
}

/// What a delivery has used up of its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Attempts that count.
    pub attempts: u32,
    /// Time that counts: attempts and the waits between them, but not what a breaker, a pause or
    /// a limit held it for.
    pub time: Duration,
}

/// An attempt that failed in a way that may pass, and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What its delivery had used up before it.
    pub before: Used,
    /// How long the attempt took.
    pub took: Duration,
    /// Before which the target asks not to be called again.
    pub asked: Option<Timestamp>,
}

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Another attempt.
    Again {
        /// How long it has to wait.
        wait: Duration,
        /// What the delivery has used up, that wait included.
        used: Used,
    },
    /// None: the attempts are used up, or the time would be before the next one.
    GiveUp {
        /// What the delivery has used up.
        used: Used,
    },
}

impl Params {
    /// Decides over another attempt after one that failed at `now`.
    ///
    /// The wait is at least what the target asked for, up to [`max_pause`](Self::max_pause).
    pub fn next(&self, failure: &Failure, now: Timestamp, rng: &mut impl Rng) -> Decision {
        let used = Used {
            attempts: failure.before.attempts.saturating_add(1),
            time: failure.before.time.saturating_add(failure.took),
        };
        if used.attempts >= self.attempts.get() {
            return Decision::GiveUp { used };
        }
        let wait = jittered(self.longest_wait(used.attempts), rng)
            .max(self.bounded_pause(failure.asked, now));
        let time = used.time.saturating_add(wait);
        if time > self.give_up_after {
            return Decision::GiveUp { used };
        }
        Decision::Again {
            wait,
            used: Used { time, ..used },
        }
    }

    /// How long a target that asks for time is left alone, when it has asked `in_a_row` times
    /// without another answer between, now included.
    ///
    /// It is what the target asked for, but at least the longest wait of the schedule: since a
    /// pushback uses nothing up, `Retry-After: 0` would otherwise be called without end or pause.
    /// It is never more than [`max_pause`](Self::max_pause).
    #[must_use]
    pub fn pause(&self, asked: Option<Timestamp>, in_a_row: u32, now: Timestamp) -> Duration {
        self.longest_wait(in_a_row)
            .max(self.bounded_pause(asked, now))
            .min(self.max_pause)
    }

    /// The longest that these bounds let a delivery wait at one time.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        self.max.max(self.max_pause)
    }

    /// The longest wait after so many failures: `first × factor^(failures − 1)`, at most `max`.
    fn longest_wait(&self, failures: u32) -> Duration {
        let growth = self.factor.powf(f64::from(failures.saturating_sub(1)));
        let seconds = self.first.as_secs_f64() * growth;
        if self.first.is_zero() {
            return Duration::ZERO;
        }
        // Too many seconds for a duration, infinitely many included, are more than `max`.
        Duration::try_from_secs_f64(seconds).map_or(self.max, |wait| wait.min(self.max))
    }

    fn bounded_pause(&self, asked: Option<Timestamp>, now: Timestamp) -> Duration {
        asked.map_or(Duration::ZERO, |until| until.since(now).min(self.max_pause))
    }
}

/// A wait drawn evenly from zero up to `longest`.
fn jittered(longest: Duration, rng: &mut impl Rng) -> Duration {
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.random_range(0..=nanos))
}

/// Named answers to the question which failures are worth another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Connection, TLS and I/O errors, time-outs, 408, 425, 429, 500, 502, 503, 504.
    #[default]
    Transient,
    /// 404, 409, 429, 5xx and no answer, as Knative Eventing has it.
    Knative,
    /// Everything but 2xx and 410, as Standard Webhooks 1.0 has it.
    StandardWebhooks,
}

impl Preset {
    /// Whether an answer with this status is worth another attempt, where
    /// [`exchange`](crate::exchange) asks: not of a success, nor of 401, 407 and 429.
    #[must_use]
    pub fn retries(self, status: u16) -> bool {
        match self {
            Self::Transient => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Knative => matches!(status, 404 | 409 | 429 | 500..=599),
            Self::StandardWebhooks => !matches!(status, 200..=299 | 410),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Knative => "knative",
            Self::StandardWebhooks => "standard-webhooks",
        })
    }
}

impl FromStr for Preset {
    type Err = PresetError;

    fn from_str(text: &str) -> Result<Self, PresetError> {
        match text {
            "transient" => Ok(Self::Transient),
            "knative" => Ok(Self::Knative),
            "standard-webhooks" => Ok(Self::StandardWebhooks),
            other => Err(PresetError {
                text: other.to_owned(),
            }),
        }
    }
}

/// A text that names no preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no preset: expected transient, knative or standard-webhooks")]
pub struct PresetError {
    text: String,
}

#[cfg(test)]
mod tests;
