//! How many attempts may start in a while: so many at once, and no more than at a set pace.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): a token bucket kept as one moment, the
//! one at which the bucket would be full again. Over any stretch of time T no more than
//! `burst + T / interval` attempts start, exactly.
//!
//! An attempt that wasn't made gives its token back: from then on all is as if it had never been
//! taken. A bucket that was full again in the meantime is no fuller by that, or the promise would
//! not hold. Of the last 1,024 tokens it is known what that means; older ones are lost.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// A limit on the rate of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Attempts in each [`per`](Self::per).
    pub limit: NonZeroU32,
    /// A second, a minute, an hour.
    pub per: Duration,
    /// Attempts that may start at once after a time with none.
    pub burst: NonZeroU32,
}

impl Params {
    /// The limit with the burst that it has unless another is asked for: what one second allows,
    /// and at least one.
    #[must_use]
    pub fn new(limit: NonZeroU32, per: Duration) -> Self {
        let in_a_second = u128::from(limit.get()) * 1_000_000_000 / per.as_nanos().max(1);
        let burst = u32::try_from(in_a_second).unwrap_or(u32::MAX);
        Self {
            limit,
            per,
            burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// What lies between two attempts at full pace; rounded up, so that the limit holds.
    fn interval(&self) -> Duration {
        let nanos = self.per.as_nanos().div_ceil(self.limit.get().into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).max(1))
    }
}

/// The token of one attempt. Where the attempt isn't made it goes back, by [`Rate::give_back`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Token(u64);

/// Tokens that can be given back.
const LOG: usize = 1024;

/// A target's limit on the rate of attempts.
#[derive(Clone, Debug)]
pub struct Rate {
    params: Params,
    interval: Duration,
    /// How far [`full_at`](Self::full_at) may be ahead while there is a token left.
    tolerance: Duration,
    /// When the bucket is full again.
    full_at: Instant,
    /// The same as of before the log.
    full_before: Instant,
    /// Tokens that were given out since the bucket was last full, oldest first: their numbers and when.
    log: VecDeque<(u64, Instant)>,
    /// The number of the last token.
    given: u64,
}

impl Rate {
    /// A limit that lets a whole burst through.
    #[must_use]
    pub fn new(params: Params, now: Instant) -> Self {
        let interval = params.interval();
        Self {
            interval,
            tolerance: interval.saturating_mul(params.burst.get() - 1),
            params,
            full_at: now,
            full_before: now,
            log: VecDeque::new(),
            given: 0,
        }
    }

    /// A limit for a target that had none: since nobody has counted, it begins with one token.
    #[must_use]
    pub fn begun_late(params: Params, now: Instant) -> Self {
        let mut rate = Self::new(params, now);
        rate.fill_at(later(now, rate.tolerance));
        rate
    }

    /// Takes over other bounds. As many tokens are left as before, or as the new burst is, whichever
    /// is less.
    pub fn change(&mut self, params: Params, now: Instant) {
        if params == self.params {
            return;
        }
        const PARTS: u128 = 1_000_000_000;
        let whole = u128::from(self.params.burst.get()) * self.interval.as_nanos();
        let missing = self.full_at.saturating_duration_since(now).as_nanos();
        let left = whole.saturating_sub(missing).saturating_mul(PARTS) / self.interval.as_nanos();
        let mut changed = Self::new(params, now);
        let most = u128::from(params.burst.get()) * PARTS;
        let missing = (most - left.min(most)).saturating_mul(changed.interval.as_nanos());
        let missing = u64::try_from(missing.div_ceil(PARTS)).unwrap_or(u64::MAX);
        changed.fill_at(later(now, Duration::from_nanos(missing)));
        // Those of other bounds are not taken back.
        changed.given = self.given;
        *self = changed;
    }

    /// Its bounds.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// When the next attempt may start, where that is later than now.
    #[must_use]
    pub fn held_until(&self, now: Instant) -> Option<Instant> {
        let ahead = self.full_at.saturating_duration_since(now);
        (ahead > self.tolerance).then(|| later(now, ahead - self.tolerance))
    }

    /// How many attempts may start now.
    #[must_use]
    pub fn left(&self, now: Instant) -> u32 {
        let ahead = self.full_at.saturating_duration_since(now);
        let Some(room) = self.tolerance.checked_sub(ahead) else {
            return 0;
        };
        let more = room.as_nanos() / self.interval.as_nanos();
        u32::try_from(more).map_or(u32::MAX, |more| more.saturating_add(1))
    }

    /// Takes the token of an attempt that starts now, where there is one.
    pub fn take(&mut self, now: Instant) -> Option<Token> {
        let ahead = self.full_at.saturating_duration_since(now);
        if ahead > self.tolerance {
            return None;
        }
        if ahead.is_zero() {
            self.log.clear();
            self.full_before = now;
        } else if self.log.len() == LOG
            && let Some((_, at)) = self.log.pop_front()
        {
            self.full_before = self.after(self.full_before, at);
        }
        self.given += 1;
        self.log.push_back((self.given, now));
        self.full_at = self.after(self.full_at, now);
        Some(Token(self.given))
    }

    /// Takes back the token of an attempt that wasn't made.
    #[expect(clippy::needless_pass_by_value, reason = "a token is used up")]
    pub fn give_back(&mut self, token: Token) {
        let Ok(place) = self
            .log
            .binary_search_by_key(&token.0, |(number, _)| *number)
        else {
            return;
        };
        self.log.remove(place);
        let taken = self.log.iter();
        self.full_at = taken.fold(self.full_before, |full_at, (_, at)| {
            self.after(full_at, *at)
        });
    }

    /// When the bucket is full again once another token is taken.
    fn after(&self, full_at: Instant, taken: Instant) -> Instant {
        later(full_at.max(taken), self.interval)
    }

    fn fill_at(&mut self, full_at: Instant) {
        (self.full_at, self.full_before) = (full_at, full_at);
    }
}

/// A moment that no clock reaches is as good as a year.
fn later(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(wait).unwrap_or_else(|| now + YEAR)
}

#[cfg(test)]
mod tests;
