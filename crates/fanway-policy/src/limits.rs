//! How many attempts may be in flight and how fast they may start: the target's concurrency, set or
//! read off its latency; the ramp after it was left alone; its rate.
//!
//! Where no rate and no `auto` is configured and no ramp is under way, each is one branch.

use std::time::{Duration, Instant};

use crate::auto::Auto;
use crate::concurrency::Concurrency;
use crate::exchange::Class;
use crate::ramp::Ramp;
use crate::rate::{self, Rate, Token};

/// A target's limits.
#[derive(Debug)]
pub struct Limits {
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
pub enum Bearing {
    /// It has answered, as it does when it is well.
    Well,
    /// It hasn't, or has said that it can't.
    Ill,
    /// Nothing.
    Nothing,
}

impl From<&Class> for Bearing {
    /// What an answer of this class says of how much its target bears.
    fn from(class: &Class) -> Self {
        match class {
            Class::Success | Class::Final => Self::Well,
            Class::Transient { .. } | Class::Pushback { .. } => Self::Ill,
            Class::CredentialsRefused | Class::Gone | Class::Forbidden => Self::Nothing,
        }
    }
}

/// An attempt that is over.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
    /// With it so many were in flight.
    pub in_flight: usize,
}

impl Limits {
    /// Limits of a target that nothing is known of.
    #[must_use]
    pub fn new(concurrency: Concurrency, rate: Option<rate::Params>, now: Instant) -> Self {
        Self {
            most: Most::new(concurrency),
            ramp: Ramp::default(),
            rate: rate.map(|params| Rate::new(params, now)),
        }
    }

    /// Takes over other limits, without a burst where there was none before.
    pub fn reconfigure(
        &mut self,
        concurrency: Concurrency,
        rate: Option<rate::Params>,
        now: Instant,
    ) {
        match (&mut self.most, concurrency) {
            (Most::Auto(auto), Concurrency::Auto(params)) => auto.change(params),
            (most, concurrency) => *most = Most::new(concurrency),
        }
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
    pub fn ramp_up(&mut self, from: Instant) {
        self.ramp.begin(from);
    }

    /// How many attempts may be in flight.
    #[must_use]
    #[inline]
    pub fn concurrency(&self) -> usize {
        self.ramp.allowed(self.most.limit())
    }

    /// Whether it is the ramp that [`concurrency`](Self::concurrency) is no more for.
    #[must_use]
    pub fn is_ramping(&self) -> bool {
        self.ramp.binds(self.most.limit())
    }

    /// Takes the token of an attempt, where there is a rate; it is not [held](Self::held_until).
    #[inline]
    pub fn take(&mut self, now: Instant) -> Option<Token> {
        self.rate.as_mut()?.take(now)
    }

    /// How many attempts the rate allows now.
    #[must_use]
    #[inline]
    pub fn left(&self, now: Instant) -> usize {
        self.rate.as_ref().map_or(usize::MAX, |rate| {
            usize::try_from(rate.left(now)).unwrap_or(usize::MAX)
        })
    }

    /// Takes back the token of an attempt that wasn't made.
    #[inline]
    pub fn give_back(&mut self, token: Option<Token>) {
        if let (Some(rate), Some(token)) = (&mut self.rate, token) {
            rate.give_back(token);
        }
    }

    /// When the rate allows the next attempt, where that is later than now.
    #[must_use]
    #[inline]
    pub fn held_until(&self, now: Instant) -> Option<Instant> {
        let rate = self.rate.as_ref()?;
        rate.held_until(now)
    }

    /// Learns from an attempt that was made.
    #[inline]
    pub fn observe(&mut self, over: Over, bearing: Bearing, now: Instant) {
        if bearing == Bearing::Nothing {
            return;
        }
        let is_well = bearing == Bearing::Well;
        if let Most::Auto(auto) = &mut self.most {
            if is_well {
                auto.answered(over.took, over.in_flight, now);
            } else {
                auto.failed();
            }
        }
        self.ramp.observe(over.began, is_well, self.most.limit());
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
