//! What those who watch are promised: all that becomes durable, in its order, and how much they
//! have missed.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use fanway_types::{DeadReason, DeliveryState, End, MessageId, Plan, Verdict};

use super::Engine;
use super::rig::{Rig, again, both, deliver, ended, name, take_all};
use crate::event::{Event, Events, Seen, What};
use crate::lane::Hold;

/// The next that a watcher is given; `None` where there is no more.
async fn next(events: &mut Events) -> Option<Seen> {
    poll_fn(|cx| events.as_mut().poll_next(cx)).await
}

/// The next so many events of a watcher that keeps up.
async fn seen(events: &mut Events, count: usize) -> Vec<Event> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(events).await {
            Some(Seen::Events(batch)) => all.extend(batch.iter().cloned()),
            other => panic!("a watcher that keeps up is given {other:?}"),
        }
    }
    assert_eq!(all.len(), count, "more is told than has happened: {all:?}");
    all
}

/// Fails where a watcher is given something right now.
fn assert_quiet(events: &mut Events) {
    let mut context = Context::from_waker(Waker::noop());
    let polled = events.as_mut().poll_next(&mut context);
    assert!(polled.is_pending(), "it was given {polled:?}");
}

fn accepted(plan: &Plan, message: MessageId) -> Event {
    let route = plan.route.clone();
    let what = What::Accepted;
    Event {
        message,
        route,
        what,
    }
}

/// Of an accepted message and each outcome of its deliveries, in that order.
pub async fn a_watcher_is_told_what_happens_in_its_order<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    rig.accept(&plan, 1).await;
    let mut events = rig.store().watch();
    let mut second = rig.store().watch();
    assert_quiet(&mut events);
    let ids = rig.accept(&plan, 3).await;
    let mut lane = rig.lane("shipping");
    let work = take_all(&mut lane, rig.now(), 4).await;
    let expected = ids.iter().map(|id| accepted(&plan, *id));
    let expected: Vec<_> = expected.collect();
    assert_eq!(seen(&mut events, 3).await, expected);
    let outcomes = [
        again(&work[0], rig.now(), rig.now()),
        ended(&work[0], End::Delivered, rig.now()),
        ended(&work[1], End::Dead(DeadReason::Refused), rig.now()),
    ];
    lane.record(&work[0], outcomes[0].clone(), Hold::Keep);
    lane.record(&work[0], outcomes[1].clone(), Hold::LetGo);
    lane.record(&work[1], outcomes[2].clone(), Hold::LetGo);
    let told = seen(&mut events, 3).await;
    for (event, outcome) in told.iter().zip(outcomes) {
        let expected = Event {
            message: outcome.delivery.message,
            route: plan.route.clone(),
            what: What::Outcome {
                step: plan.steps[1].name.clone(),
                target: name("shipping"),
                outcome,
            },
        };
        assert_eq!(*event, expected);
        // Whoever is told finds it.
        rig.delivery(work[0].delivery).await;
    }
    let shown = rig.delivery(work[0].delivery).await;
    assert_eq!(shown.state, DeliveryState::Delivered);
    let both = seen(&mut second, 6).await;
    assert_eq!((&both[..3], &both[3..]), (&expected[..], &told[..]));
    drop(second);
    assert_quiet(&mut events);
}

/// Of a message that was called off, and of how its deliveries ended.
pub async fn a_watcher_is_told_of_cancels<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let id = rig.accept(&plan, 1).await[0];
    let mut events = rig.store().watch();
    let cancelled = rig.store().cancel(id, None, rig.now()).await;
    cancelled.expect("it hasn't ended");
    let told = seen(&mut events, 2).await;
    assert_eq!((told[0].message, &told[0].what), (id, &What::Cancelled));
    let What::Outcome {
        target, outcome, ..
    } = &told[1].what
    else {
        panic!("{told:?}");
    };
    assert_eq!(*target, name("stock"));
    assert_eq!(outcome.verdict, Verdict::Ended(End::Cancelled));
    rig.engine.settle().await;
    assert_quiet(&mut events);
}

/// Of what is made anew, before anything becomes of it.
pub async fn a_watcher_is_told_of_redrives<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let old = rig.dead_letter(&plan, &mut lane).await;
    let mut events = rig.store().watch();
    // Of two at once one is done.
    let redrive = || rig.redrive(old, plan.hash(), 0);
    let (first, second) = both(redrive(), redrive()).await;
    let new = first.or(second).expect("it is on the list");
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    let told = seen(&mut events, 2).await;
    let redriven = Event {
        message: old.message,
        route: plan.route.clone(),
        what: What::Redriven { old, new },
    };
    assert_eq!(told[0], redriven);
    assert!(matches!(told[1].what, What::Outcome { .. }), "{told:?}");
}

/// A notice is accepted like any message.
pub async fn a_watcher_is_told_of_notices<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut plan = (*rig.plan(&["stock"]).await).clone();
    plan.callback = Some(name("books"));
    let plan = plan.into();
    rig.keep(&plan).await;
    let (mut lane, mut books) = (rig.lane("stock"), rig.lane("books"));
    let mut events = rig.store().watch();
    rig.accept(&plan, 1).await;
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    let work = take_all(&mut books, rig.now(), 1).await;
    let told = seen(&mut events, 3).await;
    assert_eq!(told[2], accepted(&plan, work[0].message.id));
}

/// One that is too slow is told how much it has missed, and is told all that comes after.
pub async fn a_slow_watcher_is_told_what_it_has_missed<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut events = rig.store().watch();
    let mut accepted_ids = Vec::new();
    let missed = loop {
        accepted_ids.extend(rig.accept(&plan, 200).await);
        assert!(accepted_ids.len() <= 4000, "nothing is ever missed");
        if let Some(Seen::Missed(missed)) = next(&mut events).await {
            break missed;
        }
    };
    assert!(missed > 0);
    let mut told = Vec::new();
    while told.last() != accepted_ids.last() {
        match next(&mut events).await {
            Some(Seen::Events(batch)) => told.extend(batch.iter().map(|event| event.message)),
            other => panic!("a watcher that keeps up is given {other:?}"),
        }
    }
    assert!(
        accepted_ids.ends_with(&told),
        "there is a gap in what it is told"
    );
}

/// Where nothing happens any more it is told so.
pub async fn a_watcher_learns_of_the_close<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut events = rig.store().watch();
    let id = rig.accept(&plan, 1).await[0];
    let closed = rig.store().close().await;
    closed.expect("nothing keeps it from closing");
    assert_eq!(seen(&mut events, 1).await, [accepted(&plan, id)]);
    assert!(next(&mut events).await.is_none());
    let mut late = rig.store().watch();
    let polled = poll_fn(|cx| Poll::Ready(late.as_mut().poll_next(cx))).await;
    assert!(matches!(polled, Poll::Ready(None)));
}
