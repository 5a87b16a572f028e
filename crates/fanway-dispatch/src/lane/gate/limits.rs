//! What the limits say, and when the target is taken up anew.

use tokio::time::Instant;

use super::Gate;
use crate::handle::Limit;

impl Gate {
    /// Takes a backlog up with few attempts at a time.
    pub(in super::super) fn ramp_up(&mut self, now: Instant) {
        self.limits.ramp_up(now.into_std());
    }

    /// The same where nothing but probes was let through before, and now all is.
    pub(super) fn ramp_up_after(&mut self, was_open: bool, now: Instant) {
        if !was_open && self.lets_all_through() {
            self.limits.ramp_up(now.into_std());
        }
    }

    pub(super) fn lets_all_through(&self) -> bool {
        self.pause.is_none() && self.is_closed()
    }

    /// How many attempts may be in flight.
    pub(in super::super) fn concurrency(&self) -> usize {
        self.limits.concurrency()
    }

    /// How many attempts may start beside those that have a pass: none unless all is well.
    pub(in super::super) fn allowed_beside(&self, now: Instant) -> usize {
        if !self.lets_all_through() || self.pushed_back_until(now).is_some() || self.is_paced(now) {
            return 0;
        }
        let spread = if self.pace.is_free() { usize::MAX } else { 1 };
        self.limits.left(now.into_std()).min(spread)
    }

    /// An attempt has started beside those that have a pass: it is had back by nobody, and takes
    /// of the limits as they do.
    pub(in super::super) fn take_beside(&mut self, now: Instant) {
        self.pace.beside(now.into_std());
        // Nobody gives it back.
        let _token = self.limits.take(now.into_std());
    }

    /// What keeps attempts from being made, or from being more than `in_flight`, where it is a limit.
    pub(in super::super) fn limited_by(&self, in_flight: usize, now: Instant) -> Option<Limit> {
        if self.pushed_back_until(now).is_some() {
            Some(Limit::Pushback)
        } else if in_flight >= self.concurrency() {
            Some(match self.limits.is_ramping() {
                true => Limit::Ramp,
                false => Limit::Concurrency,
            })
        } else if self.is_paced(now) {
            Some(Limit::Pace)
        } else {
            self.limits.held_until(now.into_std()).map(|_| Limit::Rate)
        }
    }
}
