//! How many attempts may be in flight and how fast they may start: the target's concurrency, set or
//! read off its latency; the ramp after it was left alone; its rate.
//!
//! Where no rate and no `auto` is configured and no ramp is under way, each is one branch.

use std::time::Duration;

use fanway_policy::auto::Auto;
use fanway_policy::concurrency::Concurrency;
use fanway_policy::ramp::Ramp;
use fanway_policy::rate::{self, Rate, Token};
use tokio::time::Instant;

use super::Gate;
use crate::handle::Limit;

/// A lane's limits.
#[derive(Debug)]
pub(super) struct Limits {
    most: Most,
    ramp: Ramp,
    rate: Option<Rate>,
}

#[derive(Debug)]
enum Most {
    Fixed(usize),
    Auto(Box<Auto>),
}

/// What an attempt says of how much its target bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearing {
    /// It has answered, as it does when it is well.
    Well,
    /// It hasn't, or has said that it can't.
    Ill,
    /// Nothing.
    Nothing,
}

/// An attempt that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over {
    pub(super) began: Instant,
    pub(super) took: Duration,
    /// With it so many were in flight.
    pub(super) in_flight: usize,
}

impl Limits {
    pub(super) fn new(concurrency: Concurrency, rate: Option<rate::Params>, now: Instant) -> Self {
        Self {
            most: Most::new(concurrency),
            ramp: Ramp::default(),
            rate: rate.map(|params| Rate::new(params, now.into_std())),
        }
    }

    /// Takes over other limits, without a burst where there was none before.
    pub(super) fn reconfigure(
        &mut self,
        concurrency: Concurrency,
        rate: Option<rate::Params>,
        now: Instant,
    ) {
        match (&mut self.most, concurrency) {
            (Most::Auto(auto), Concurrency::Auto(params)) => auto.change(params),
            (most, concurrency) => *most = Most::new(concurrency),
        }
        let now = now.into_std();
        self.rate = match (self.rate.take(), rate) {
            (Some(mut rate), Some(params)) => {
                rate.change(params, now);
                Some(rate)
            }
            (None, Some(params)) => Some(Rate::begun_late(params, now)),
            (_, None) => None,
        };
    }

    /// Takes the target up anew from that moment on, with few attempts at a time.
    pub(super) fn ramp_up(&mut self, from: Instant) {
        self.ramp.begin(from.into_std());
    }

    /// How many attempts may be in flight.
    pub(super) fn concurrency(&self) -> usize {
        self.ramp.allowed(self.most.limit())
    }

    /// What it is that [`concurrency`](Self::concurrency) is no more.
    pub(super) fn bounds_concurrency(&self) -> Limit {
        if self.ramp.binds(self.most.limit()) {
            Limit::Ramp
        } else {
            Limit::Concurrency
        }
    }

    /// Takes the token of an attempt, where there is a rate; it is not [held](Self::held_until).
    pub(super) fn take(&mut self, now: Instant) -> Option<Token> {
        self.rate.as_mut()?.take(now.into_std())
    }

    /// How many attempts the rate allows now.
    pub(super) fn left(&self, now: Instant) -> usize {
        self.rate.as_ref().map_or(usize::MAX, |rate| {
            usize::try_from(rate.left(now.into_std())).unwrap_or(usize::MAX)
        })
    }

    /// Takes back the token of an attempt that wasn't made.
    pub(super) fn give_back(&mut self, token: Option<Token>) {
        if let (Some(rate), Some(token)) = (&mut self.rate, token) {
            rate.give_back(token);
        }
    }

    /// When the rate allows the next attempt, where that is later than now.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        let rate = self.rate.as_ref()?;
        rate.held_until(now.into_std()).map(Instant::from_std)
    }

    /// Learns from an attempt that was made.
    pub(super) fn observe(&mut self, over: Over, bearing: Bearing, now: Instant) {
        if bearing == Bearing::Nothing {
            return;
        }
        let is_well = bearing == Bearing::Well;
        if let Most::Auto(auto) = &mut self.most {
            if is_well {
                auto.answered(over.took, over.in_flight, now.into_std());
            } else {
                auto.failed();
            }
        }
        self.ramp
            .observe(over.began.into_std(), is_well, self.most.limit());
    }
}

/// What the limits say, and when the target is taken up anew.
impl Gate {
    /// Takes a backlog up with few attempts at a time.
    pub(in super::super) fn ramp_up(&mut self, now: Instant) {
        self.limits.ramp_up(now);
    }

    /// The same where nothing but probes was let through before, and now all is.
    pub(super) fn ramp_up_after(&mut self, was_open: bool, now: Instant) {
        if !was_open && self.lets_all_through() {
            self.limits.ramp_up(now);
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
        self.limits.left(now).min(spread)
    }

    /// An attempt has started beside those that have a pass: it is had back by nobody, and takes
    /// of the limits as they do.
    pub(in super::super) fn take_beside(&mut self, now: Instant) {
        self.pace.beside(now.into_std());
        // Nobody gives it back.
        let _token = self.limits.take(now);
    }

    /// What keeps attempts from being made, or from being more than `in_flight`, where it is a limit.
    pub(in super::super) fn limited_by(&self, in_flight: usize, now: Instant) -> Option<Limit> {
        if self.pushed_back_until(now).is_some() {
            Some(Limit::Pushback)
        } else if in_flight >= self.concurrency() {
            Some(self.limits.bounds_concurrency())
        } else if self.is_paced(now) {
            Some(Limit::Pace)
        } else {
            self.limits.held_until(now).map(|_| Limit::Rate)
        }
    }
}

impl Most {
    fn new(concurrency: Concurrency) -> Self {
        match concurrency {
            Concurrency::Fixed(count) => Self::Fixed(count.get()),
            Concurrency::Auto(params) => Self::Auto(Box::new(Auto::new(params))),
        }
    }

    fn limit(&self) -> usize {
        match self {
            Self::Fixed(count) => *count,
            Self::Auto(auto) => auto.limit(),
        }
    }
}
