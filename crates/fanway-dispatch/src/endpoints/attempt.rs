//! An attempt at one of a target's endpoints, and its hedge where it is slow.
//!
//! A hedge is a second attempt of the same delivery, made while the first still runs and no answer
//! to it has begun. The first that is a success, or a failure for good, decides; the other is broken
//! off, and its peer may have seen it. Where neither decides, an answer is preferred to none.

use std::sync::Arc;

use fanway_policy::endpoints::{Id, Sign};
use fanway_policy::exchange::{Body, Class, Rules};
use fanway_target::{AttemptRequest, Begun, Captured, Exchange, FailureKind};
use fanway_transform::Shaped;
use fanway_types::{DeliveryId, Message, Timestamp};
use futures_util::future::{BoxFuture, Either, select};
use tokio::time::{Instant, timeout};

use super::{Endpoints, REMEMBERED, Shared};
use crate::lane::{Attempted, Look, Stamp, outgoing};
use crate::metrics::EndpointAttempt;

/// What is to be sent for a delivery.
pub(crate) struct Sending {
    pub(crate) delivery: DeliveryId,
    pub(crate) message: Arc<Message>,
    pub(crate) shaped: Shaped,
    pub(crate) stamp: Stamp,
    /// What is looked for in answers' bodies.
    pub(crate) look: Look,
}

impl Sending {
    fn request(&self, stamp: Stamp) -> AttemptRequest {
        AttemptRequest {
            capture: self.look.capture,
            ..outgoing(self.shaped.clone(), &self.message, stamp)
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) attempted: Attempted,
    /// How many attempts were made: with a hedge it is two.
    pub(crate) made: u32,
    /// Whether it failed at an endpoint that is left out now while others are used: then it says
    /// nothing of the target as a whole.
    pub(crate) is_set_aside: bool,
}

impl From<Attempted> for Reached {
    fn from(attempted: Attempted) -> Self {
        Self {
            attempted,
            made: 1,
            is_set_aside: false,
        }
    }
}

/// An attempt that is under way. Dropped, it is broken off.
struct Leg {
    seat: Seat,
    attempt: BoxFuture<'static, Attempted>,
}

/// The place of an attempt at an endpoint.
struct Seat {
    endpoints: Arc<Endpoints>,
    id: Id,
    began: Instant,
    is_over: bool,
}

impl Endpoints {
    /// Makes the attempt.
    pub(crate) async fn attempt(self: Arc<Self>, sending: Sending) -> Reached {
        let (delivery, stamp) = (sending.delivery, sending.stamp);
        let (avoid, hedge_after) = self.begin(delivery);
        let Some(hedge_after) = hedge_after else {
            let Sending {
                message,
                shaped,
                look,
                ..
            } = sending;
            let request = AttemptRequest {
                capture: look.capture,
                ..outgoing(shaped, &message, stamp)
            };
            let mut leg = self.leg(avoid, |target| look.over(target.attempt(request), delivery));
            let attempted = leg.attempt.as_mut().await;
            return leg.seat.end(attempted, delivery).into_reached(1);
        };
        let began = Instant::now();
        let begun = Begun::default();
        let look = &sending.look;
        let request = sending.request(stamp);
        let mut leg = self.leg(avoid, |target| {
            look.over(target.attempt_noting(request, begun.clone()), delivery)
        });
        let attempted = match timeout(hedge_after, leg.attempt.as_mut()).await {
            Ok(attempted) => attempted,
            Err(_slow) => {
                let hedge = (!begun.is_noted()).then(|| self.hedge()).flatten();
                if let Some(hedge) = hedge {
                    let request = sending.request(Stamp {
                        number: stamp.number.saturating_add(1),
                        span: hedge.span,
                        ..stamp
                    });
                    let second = self.leg(Some(leg.seat.id), |target| {
                        look.over(target.attempt(request), delivery)
                    });
                    return self.race(leg, second, hedge, delivery, began).await;
                }
                leg.attempt.as_mut().await
            }
        };
        leg.seat.end(attempted, delivery).into_reached(1)
    }

    /// Where the delivery has failed last, and when it is to be hedged.
    fn begin(&self, delivery: DeliveryId) -> (Option<Id>, Option<std::time::Duration>) {
        let mut shared = self.lock();
        let avoid = shared.failed_at.remove(&delivery);
        let hedge_after = shared.hedge_after;
        if hedge_after.is_some() {
            shared.budget.earn();
        }
        (avoid, hedge_after)
    }

    fn leg(
        self: &Arc<Self>,
        avoid: Option<Id>,
        attempt: impl FnOnce(&dyn fanway_target::Target) -> BoxFuture<'static, Attempted>,
    ) -> Leg {
        let began = Instant::now();
        let (id, target) = {
            let mut shared = self.lock();
            let Shared { roster, rng, .. } = &mut *shared;
            let id = roster.choose(avoid, began.into_std(), rng);
            self.show(&mut shared);
            let callee = shared.callees.iter().find(|callee| callee.id == id);
            let callee = callee.expect("the roster has no others");
            (id, Arc::clone(&callee.target))
        };
        let seat = Seat {
            endpoints: Arc::clone(self),
            id,
            began,
            is_over: false,
        };
        Leg {
            seat,
            attempt: attempt(&*target),
        }
    }

    /// The right to hedge once, where there is one now.
    fn hedge(self: &Arc<Self>) -> Option<Hedge> {
        let mut shared = self.lock();
        if shared.allowed == 0 || !shared.budget.spend() {
            return None;
        }
        shared.allowed -= 1;
        shared.started += 1;
        shared.hedges += 1;
        shared.metrics.hedged();
        Some(Hedge {
            endpoints: Arc::clone(self),
            span: rand::Rng::next_u64(&mut shared.rng),
        })
    }

    /// Waits for the one of two that decides.
    async fn race(
        &self,
        mut first: Leg,
        mut second: Leg,
        hedge: Hedge,
        delivery: DeliveryId,
        began: Instant,
    ) -> Reached {
        let raced = select(first.attempt.as_mut(), second.attempt.as_mut()).await;
        let (early, other, late_is_hedge) = match raced {
            Either::Left((answer, _)) => (first.seat.end(answer, delivery), second, true),
            Either::Right((answer, _)) => (second.seat.end(answer, delivery), first, false),
        };
        drop(hedge);
        let (over, is_hedge) = if early.decides {
            (early, !late_is_hedge)
        } else {
            let Leg { seat, attempt } = other;
            let late = seat.end(attempt.await, delivery);
            let takes_late = late.decides || late.rank() >= early.rank();
            if takes_late {
                (late, late_is_hedge)
            } else {
                (early, !late_is_hedge)
            }
        };
        if is_hedge {
            self.lock().metrics.hedge_won();
        }
        let mut reached = over.into_reached(2);
        reached.attempted.answer.took = began.elapsed();
        reached
    }
}

/// A hedge that is under way.
struct Hedge {
    endpoints: Arc<Endpoints>,
    span: u64,
}

impl Drop for Hedge {
    fn drop(&mut self) {
        self.endpoints.lock().hedges -= 1;
    }
}

/// An attempt that is over.
struct Over {
    attempted: Attempted,
    is_set_aside: bool,
    /// Whether it settles what becomes of its delivery, for better or worse.
    decides: bool,
}

impl Over {
    fn into_reached(self, made: u32) -> Reached {
        Reached {
            attempted: self.attempted,
            made,
            is_set_aside: self.is_set_aside,
        }
    }

    /// What is worth more where neither of two decides: that the target asks for time above any
    /// other answer, that above none, and that above what wasn't even attempted.
    fn rank(&self) -> u8 {
        match self.attempted.answer.exchange {
            Exchange::Answered { status: 429, .. } => 3,
            Exchange::Answered { .. } => 2,
            Exchange::Failed { .. } if self.attempted.has_no_connection() => 0,
            Exchange::Failed { .. } => 1,
        }
    }
}

impl Seat {
    fn end(mut self, attempted: Attempted, delivery: DeliveryId) -> Over {
        self.is_over = true;
        let now = Instant::now().into_std();
        let mut shared = self.endpoints.lock();
        let sign = sign(&attempted, &shared.rules);
        let began = self.began.into_std();
        let is_set_aside = shared.roster.ended(self.id, began, sign, now);
        let decides = decides(&attempted, &shared.rules);
        if !decides && !attempted.has_no_connection() {
            shared.remember(delivery, self.id);
        }
        shared.count(
            self.id,
            match sign {
                Sign::Ill | Sign::Gone => EndpointAttempt::Failed,
                Sign::Well | Sign::Nothing => EndpointAttempt::Answered,
            },
        );
        self.endpoints.show(&mut shared);
        drop(shared);
        Over {
            attempted,
            is_set_aside,
            decides,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut shared = self.endpoints.lock();
        shared.roster.left(self.id);
        shared.count(self.id, EndpointAttempt::BrokenOff);
        self.endpoints.show(&mut shared);
    }
}

impl Shared {
    fn remember(&mut self, delivery: DeliveryId, id: Id) {
        if self.failed_at.len() >= REMEMBERED {
            self.failed_at.clear();
        }
        self.failed_at.insert(delivery, id);
    }

    fn count(&self, id: Id, end: EndpointAttempt) {
        if let Some(callee) = self.callees.iter().find(|callee| callee.id == id) {
            callee.metrics.attempted(end);
        }
    }
}

/// What an attempt tells of its endpoint: that it is ill where there was no answer, a 5xx or a body
/// that is worth another attempt, and nothing where it asks for time or no request was made.
fn sign(attempted: &Attempted, rules: &Rules) -> Sign {
    let (status, body) = match &attempted.answer.exchange {
        Exchange::Answered { status, body, .. } => (*status, body),
        Exchange::Failed {
            kind: FailureKind::Request | FailureKind::NoConnection | FailureKind::Token,
            ..
        } => return Sign::Nothing,
        Exchange::Failed { .. } => return Sign::Ill,
    };
    match (status, attempted.body()) {
        (429, _) => Sign::Nothing,
        (500..=599, _) => Sign::Ill,
        _ if rules.sets_aside(status) => Sign::Gone,
        (_, Body::Good) => Sign::Well,
        (_, Body::Unknown) if matches!(body, Captured::Broken(_)) => Sign::Ill,
        (_, Body::Unknown) => Sign::Nothing,
        (_, Body::Refused) if decides(attempted, rules) => Sign::Well,
        (_, Body::Refused) => Sign::Ill,
    }
}

/// Whether another attempt would end the same way, as far as one can tell.
fn decides(attempted: &Attempted, rules: &Rules) -> bool {
    if attempted.has_no_connection() {
        return false;
    }
    // When a pause ends is of no account here.
    let class = attempted
        .exchange()
        .classify(rules, Timestamp::from_millis(0));
    match class {
        Class::Success
        | Class::Final
        | Class::CredentialsRefused
        | Class::Gone
        | Class::Forbidden => true,
        Class::Transient { .. } | Class::Pushback { .. } => false,
    }
}
