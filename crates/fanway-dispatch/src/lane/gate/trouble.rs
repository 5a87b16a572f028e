//! What of a target's trouble outlives the process: where its breaker stands, and until when it has
//! asked to be left alone.
//!
//! It is kept when it changes, one change after the other and the latest only; nothing waits for
//! that. What the store couldn't keep is kept with the next change.

use std::time::Duration;

use fanway_policy::breaker::{self, Breaker, Cause, State};
use fanway_store::trouble::{self, Open, Trouble};
use fanway_types::Timestamp;
use tokio::time::Instant;

use super::{Gate, Now};

/// A pause is kept anew only where it ends later than the one that is kept by more than this:
/// answers to what was in flight together ask for the same.
const SAME_PAUSE: Duration = Duration::from_secs(1);

/// A target's trouble, in moments of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) breaker: Option<(Cause, Instant)>,
    pub(super) pushback: Option<Instant>,
}

impl Known {
    /// What the process before has kept. None of it lasts longer than what is configured allows,
    /// whatever the clocks have done.
    pub(super) fn recalled(
        trouble: &Trouble,
        open_for: Duration,
        pause: Duration,
        now: Now,
    ) -> Self {
        let left = |until: Timestamp, most: Duration| now.steady + until.since(now.wall).min(most);
        let pushback = trouble.pushback.filter(|until| *until > now.wall);
        Self {
            breaker: trouble
                .breaker
                .map(|open| (cause(open.cause), left(open.until, open_for))),
            pushback: pushback.map(|until| left(until, pause)),
        }
    }

    /// The breaker that goes on from there.
    pub(super) fn breaker(&self, params: breaker::Params, now: Instant) -> Breaker {
        let now = now.into_std();
        match self.breaker {
            None => Breaker::new(params, now),
            Some((cause, until)) => Breaker::opened(params, cause, until.into_std(), now),
        }
    }

    /// How a breaker stands. Half-open is as good as open until now.
    pub(super) fn of(breaker: &Breaker, pushback: Option<Instant>, now: Instant) -> Self {
        let breaker = match breaker.state() {
            State::Closed => None,
            State::Open { cause, until } => Some((cause, Instant::from_std(until))),
            State::HalfOpen { cause, .. } => Some((cause, now)),
        };
        Self { breaker, pushback }
    }

    /// Whether it is worth keeping where `kept` is kept.
    pub(super) fn differs_from(&self, kept: &Self) -> bool {
        let is_longer = match (self.pushback, kept.pushback) {
            (Some(until), Some(kept)) => until > kept + SAME_PAUSE,
            (until, None) => until.is_some(),
            (None, Some(_)) => false,
        };
        self.breaker != kept.breaker || is_longer
    }

    /// The same by the wall clock.
    pub(super) fn trouble(&self, now: Now) -> Trouble {
        let at = |moment: Instant| {
            now.wall
                .saturating_add(moment.saturating_duration_since(now.steady))
        };
        let pushback = self.pushback.filter(|until| *until > now.steady);
        Trouble {
            breaker: self.breaker.map(|(cause, until)| Open {
                cause: kept_cause(cause),
                until: at(until),
            }),
            pushback: pushback.map(at),
        }
    }
}

fn cause(kept: trouble::Cause) -> Cause {
    match kept {
        trouble::Cause::Failures => Cause::Failures,
        trouble::Cause::Slow => Cause::Slow,
        trouble::Cause::Credentials => Cause::Credentials,
    }
}

/// A cause as the store knows it.
pub(in super::super) fn kept_cause(cause: Cause) -> trouble::Cause {
    match cause {
        Cause::Failures => trouble::Cause::Failures,
        Cause::Slow => trouble::Cause::Slow,
        Cause::Credentials => trouble::Cause::Credentials,
    }
}

impl Gate {
    /// What to keep of the target's trouble, where that has changed.
    pub(in super::super) fn trouble(&mut self, now: Now) -> Option<Trouble> {
        if !std::mem::take(&mut self.has_news) {
            return None;
        }
        let known = Known::of(&self.breaker, self.pushback.until, now.steady);
        if !known.differs_from(&self.kept) {
            return None;
        }
        self.kept = known;
        Some(known.trouble(now))
    }
}
