//! How many attempts at a time a target bears, read off its latency.
//!
//! A gradient on latency, after Netflix' concurrency-limits (`Gradient2Limit`,
//! <https://github.com/Netflix/concurrency-limits>): where answers take longer than they do when
//! little is asked at a time, attempts queue up at the target, and the limit is lowered by as much;
//! where they don't, it is raised by what a small queue may be. What is kept of it: the gradient, not
//! below a half; a tolerance of one half; the queue of the limit's square root and at least four; the
//! smoothing by a fifth; no growth while less than half of the limit is used. What differs:
//!
//! - Windows are counted in answers, about one round trip of all that may be in flight, and stand
//!   for their median, so that stray slow answers say nothing.
//! - The latency to compare with is measured, and not the average of the last while, which follows a
//!   queue that builds up slowly: each hundred windows, for about two, half of the limit is
//!   used. If that changes nothing, it is the target that has become slower.
//! - Failures lower it too: by a tenth after each window in which more than a tenth failed.

use std::time::{Duration, Instant};

/// The bounds of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Attempts that may always be in flight; at least 1.
    pub least: usize,
    /// The most that may ever be; not less than [`least`](Self::least).
    pub most: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            least: 4,
            most: 256,
        }
    }
}

/// Where it begins, within its bounds.
const BEGIN: usize = 20;

/// Windows between two looks at the latency under half of the limit.
const LOOK_EVERY: u32 = 100;

/// How many times as long answers may take as with little in flight before the limit is lowered.
const TOLERANCE: f64 = 1.5;

/// How far the limit goes at once toward where it should be.
const SMOOTHING: f64 = 0.2;

/// The share of failures in a window that is no target's trouble, but some messages'.
const FEW_FAILURES: f64 = 0.1;

/// What remains of the limit after a window with more.
const AFTER_FAILURES: f64 = 0.9;

/// Attempts in a window: as many as may be in flight, within these.
const FEWEST: usize = 20;
const MOST: usize = 100;

/// A target's limit on attempts in flight.
#[derive(Clone, Debug)]
pub struct Auto {
    params: Params,
    /// Within the bounds; a fraction, since it moves by less than one.
    limit: f64,
    /// How long an answer takes with little in flight.
    unloaded: Option<Duration>,
    window: Window,
    /// Windows since the last look.
    windows: u32,
    look: Option<Look>,
}

/// Answers that are judged together.
#[derive(Clone, Debug, Default)]
struct Window {
    latencies: Vec<Duration>,
    failures: usize,
    /// The most that was in flight.
    in_flight: usize,
}

/// A look at the latency under half of the limit.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Attempts from before were made beside too many others.
    since: Option<Instant>,
}

impl Auto {
    /// A limit that knows nothing of its target.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self {
            limit: as_float(BEGIN.clamp(params.least, params.most)),
            params,
            unloaded: None,
            window: Window::default(),
            windows: 0,
            look: None,
        }
    }

    /// Takes over other bounds, and keeps what it knows.
    pub fn change(&mut self, params: Params) {
        self.params = params;
        self.limit = self.bounded(self.limit);
    }

    /// How many attempts may be in flight.
    #[must_use]
    pub fn limit(&self) -> usize {
        let limit = match self.look {
            Some(_) => self.limit / 2.0,
            None => self.limit,
        };
        whole(limit).clamp(self.params.least, self.params.most)
    }

    /// How long an answer takes with little in flight, as far as that is known.
    #[must_use]
    pub fn unloaded(&self) -> Option<Duration> {
        self.unloaded
    }

    /// Learns from an answer that came at `now`, `latency` after its attempt began; with it so many
    /// were in flight.
    pub fn answered(&mut self, latency: Duration, in_flight: usize, now: Instant) {
        let began = now.checked_sub(latency).unwrap_or(now);
        if !self.counts(began, in_flight, now) {
            return;
        }
        self.window.latencies.push(latency);
        self.window.in_flight = self.window.in_flight.max(in_flight);
        self.end_window_when_full();
    }

    /// Learns of an attempt that brought no answer, or one that says that the target is unwell. How
    /// long it took says nothing: a refused connection is quick.
    pub fn failed(&mut self) {
        self.window.failures += 1;
        self.end_window_when_full();
    }

    /// Whether an answer belongs to the window. While half of the limit is looked at, those don't
    /// whose attempts began beside more.
    fn counts(&mut self, began: Instant, in_flight: usize, now: Instant) -> bool {
        let half = self.limit();
        let Some(look) = &mut self.look else {
            return true;
        };
        if look.since.is_none() && in_flight <= half {
            look.since = Some(now);
        }
        look.since.is_some_and(|since| began >= since)
    }

    fn end_window_when_full(&mut self) {
        let attempts = self.window.latencies.len() + self.window.failures;
        if attempts < self.limit().clamp(FEWEST, MOST) {
            return;
        }
        let is_look = self.look.take().is_some();
        let failed = as_float(self.window.failures) / as_float(attempts);
        let latency = median(&mut self.window.latencies);
        if failed > FEW_FAILURES {
            self.limit = self.bounded(self.limit * AFTER_FAILURES);
        } else if is_look {
            self.unloaded = latency.or(self.unloaded);
        } else if let Some(latency) = latency {
            self.adjust(latency);
        }
        self.window.latencies.clear();
        (self.window.failures, self.window.in_flight) = (0, 0);
        self.windows = if is_look { 0 } else { self.windows + 1 };
        if self.windows >= LOOK_EVERY {
            self.look = Some(Look { since: None });
        }
    }

    fn adjust(&mut self, latency: Duration) {
        let latency = latency.as_secs_f64();
        let known = self.unloaded.map_or(latency, |known| known.as_secs_f64());
        let unloaded = known + (latency - known).min(0.0) * SMOOTHING;
        self.unloaded = Some(Duration::from_secs_f64(unloaded));
        let gradient = (TOLERANCE * unloaded / latency.max(f64::MIN_POSITIVE)).clamp(0.5, 1.0);
        let is_used = as_float(self.window.in_flight) >= self.limit / 2.0;
        if gradient >= 1.0 && !is_used {
            return;
        }
        let queue = self.limit.sqrt().max(4.0);
        let wanted = self.limit * gradient + queue;
        self.limit = self.bounded(self.limit + (wanted - self.limit) * SMOOTHING);
    }

    fn bounded(&self, limit: f64) -> f64 {
        limit.clamp(as_float(self.params.least), as_float(self.params.most))
    }
}

/// The middle one, where there is one.
fn median(latencies: &mut [Duration]) -> Option<Duration> {
    let middle = latencies.len() / 2;
    (!latencies.is_empty()).then(|| *latencies.select_nth_unstable(middle).1)
}

/// Exact up to four billion, and no limit is above that.
fn as_float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is between 1 and a count of connections"
)]
fn whole(limit: f64) -> usize {
    limit as usize
}

#[cfg(test)]
mod tests;
