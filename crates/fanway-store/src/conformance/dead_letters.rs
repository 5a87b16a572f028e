//! What dead letters promise: listed, opened, sent again once, or taken off the list.

use std::sync::Arc;

use fanway_types::{DeadReason, DeliveryId, DeliveryState, End, MessageState};

use super::Engine;
use super::rig::{
    BoxLane, PLENTY, Rig, assert_waits, both, deliver, ended, name, plan, take, take_all,
};
use crate::job::Filter;
use crate::lane::{Hold, Progress};
use crate::{Store, dead};

fn all() -> dead::Query {
    dead::Query {
        filter: Filter::default(),
        after: None,
        limit: 100,
    }
}

async fn listed(store: &Arc<dyn Store>, query: dead::Query) -> Vec<DeliveryId> {
    let page = store.dead_letters(query).await;
    let letters = page.expect("an open store lists").letters;
    letters.iter().map(|letter| letter.delivery).collect()
}

async fn letters<E: Engine>(rig: &mut Rig<E>, lane: &mut BoxLane, count: usize) -> Vec<DeliveryId> {
    let plan = rig.plan(&["stock", "shipping"]).await;
    let mut dead = Vec::new();
    for _ in 0..count {
        dead.push(rig.dead_letter(&plan, lane).await);
    }
    dead
}

/// The list begins with the latest; a page says where the next one begins.
pub async fn they_are_listed_latest_first_and_page_by_page<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let mut dead = letters(&mut rig, &mut lane, 7).await;
    dead.reverse();
    assert_eq!(listed(rig.store(), all()).await, dead);
    let mut query = dead::Query { limit: 3, ..all() };
    let mut found = Vec::new();
    for expected in [3, 3, 1] {
        let page = rig.store().dead_letters(query.clone()).await;
        let page = page.expect("an open store lists");
        assert_eq!(page.letters.len(), expected);
        found.extend(page.letters.iter().map(|letter| letter.delivery));
        query.after = page.next;
    }
    assert_eq!((found, query.after), (dead, None));
}

/// A query for a target or a route lists only theirs.
pub async fn they_are_listed_by_target_and_route<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut made = Vec::new();
    for (route, target) in [
        ("orders", "stock"),
        ("orders", "shipping"),
        ("returns", "stock"),
    ] {
        let plan = plan(route, &[target]);
        rig.keep(&plan).await;
        let mut lane = rig.lane(target);
        made.push(rig.dead_letter(&plan, &mut lane).await);
    }
    let (orders, returns) = ("orders".parse().ok(), "returns".parse().ok());
    let stock = Some(name("stock"));
    let cases = [
        (stock.clone(), None, vec![made[2], made[0]]),
        (None, orders.clone(), vec![made[1], made[0]]),
        (stock, orders, vec![made[0]]),
        (Some(name("shipping")), returns, vec![]),
    ];
    for (target, route, expected) in cases {
        let filter = Filter {
            target,
            route,
            ..Filter::default()
        };
        let query = dead::Query { filter, ..all() };
        assert_eq!(
            listed(rig.store(), query.clone()).await,
            expected,
            "{query:?}"
        );
    }
}

/// A letter tells what happened, and opens with the request as it came.
pub async fn one_is_opened_with_its_request<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    let message = rig.message(&plan, "seven");
    rig.accept_group(vec![message.clone()]).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    let (delivery, died_at) = (work[0].delivery, rig.now());
    lane.record(
        &work[0],
        ended(&work[0], End::Dead(DeadReason::Exhausted), died_at),
        Hold::LetGo,
    );
    rig.engine.settle().await;
    let opened = rig.store().dead_letter(delivery).await;
    let opened = opened
        .expect("an open store opens")
        .expect("it is on the list");
    let dead::Letter { size, .. } = opened.letter;
    let expected = dead::Letter {
        delivery,
        route: plan.route.clone(),
        step: plan.steps[0].name.clone(),
        target: name("stock"),
        reason: DeadReason::Exhausted,
        detail: Some("out of order".into()),
        status: Some(503),
        attempts: 1,
        died_at,
        size,
    };
    assert_eq!((opened.letter, size.get()), (expected, 5));
    assert_eq!(
        opened.message.expect("bodies are kept").request,
        message.request
    );
    let other = DeliveryId::first(message.id, 1);
    let opened = rig.store().dead_letter(other).await;
    assert!(
        opened.expect("an open store looks").is_none(),
        "it isn't dead"
    );
}

async fn redrive<E: Engine>(rig: &Rig<E>, dead: DeliveryId) -> Result<DeliveryId, dead::Error> {
    let plan = plan("orders", &["stock", "shipping"]).hash();
    let step = dead.step;
    rig.redrive(dead, plan, step).await
}

/// The new delivery is due at once, has an id and a budget of its own, and replaces the old one.
pub async fn a_redrive_makes_a_new_delivery_with_a_budget_of_its_own<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let (mut lane, mut shipping) = (rig.lane("stock"), rig.lane("shipping"));
    let old = letters(&mut rig, &mut lane, 1).await[0];
    let work = take_all(&mut shipping, rig.now(), 1).await;
    deliver(&mut shipping, &work, rig.now());
    rig.engine.settle().await;
    assert_eq!(rig.view(old.message).await.state, MessageState::Failed);

    let new = redrive(&rig, old).await.expect("it is on the list");
    assert_eq!(Some(new), old.next_run());
    assert_eq!(rig.letters().await, []);
    let view = rig.view(old.message).await;
    assert_eq!((view.state, view.ended_at), (MessageState::Pending, None));
    assert_eq!(view.deliveries[0].id, new);
    let again = redrive(&rig, old).await;
    assert!(
        matches!(again, Err(dead::Error::NotFound(id)) if id == old),
        "{again:?}"
    );

    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(
        (work[0].delivery, work[0].progress),
        (new, Progress::default())
    );
    deliver(&mut lane, &work, rig.now());
    rig.wait_for(new, DeliveryState::Delivered).await;
    rig.engine.settle().await;
    let view = rig.view(old.message).await;
    assert_eq!(view.state, MessageState::Delivered);
    assert_eq!((view.deliveries[0].id, view.deliveries.len()), (new, 2));
    assert_waits(&mut lane, rig.now());
}

/// A redrive may name another plan and another target.
pub async fn a_redrive_by_another_plan_runs_its_step<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let old = letters(&mut rig, &mut lane, 1).await[0];
    let mended = rig.plan(&["archive", "audit"]).await;
    let new = rig.redrive(old, mended.hash(), 1).await;
    let new = new.expect("it is on the list");
    let mut audit = rig.lane("audit");
    let work = take_all(&mut audit, rig.now(), 1).await;
    assert_eq!(
        (work[0].delivery, work[0].plan, work[0].step),
        (new, mended.hash(), 1)
    );
}

/// Two people redrive the same letter: it is sent again once.
pub async fn of_two_redrives_at_once_one_is_done<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let old = letters(&mut rig, &mut lane, 1).await[0];
    let (first, second) = both(redrive(&rig, old), redrive(&rig, old)).await;
    assert_ne!(first.is_ok(), second.is_ok(), "{first:?} and {second:?}");
    let work = take(&mut lane, rig.now(), PLENTY).await;
    assert_eq!(work.len(), 1);
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
}

/// What was redriven is still to be delivered after a crash, and off the list.
pub async fn a_redrive_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let old = letters(&mut rig, &mut lane, 1).await[0];
    let new = redrive(&rig, old).await.expect("it is on the list");
    drop(lane);
    rig.crash().await;
    assert_eq!(rig.letters().await, []);
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(work[0].delivery, new);
}

/// A redrive is a change of its message.
pub async fn whoever_listens_learns_of_a_redrive<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let old = letters(&mut rig, &mut lane, 1).await[0];
    let changed = rig.store().changed(old.message);
    redrive(&rig, old).await.expect("it is on the list");
    changed.await;
}

/// A discarded letter can't be opened or redriven, and its delivery stays dead.
pub async fn a_discarded_letter_is_off_the_list_and_stays_dead<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let dead = letters(&mut rig, &mut lane, 2).await;
    let (discarded, other) = (dead[0], dead[1]);
    let discard = |id| {
        rig.store()
            .discard(id, "a test order".to_owned(), None, rig.now())
    };
    discard(discarded).await.expect("it is on the list");
    assert_eq!(listed(rig.store(), all()).await, [other]);
    let again = discard(discarded).await;
    assert!(matches!(again, Err(dead::Error::NotFound(_))), "{again:?}");
    let redriven = redrive(&rig, discarded).await;
    assert!(
        matches!(redriven, Err(dead::Error::NotFound(_))),
        "{redriven:?}"
    );
    let opened = rig.store().dead_letter(discarded).await;
    assert!(opened.expect("an open store looks").is_none());
    assert_eq!(rig.delivery(discarded).await.state, DeliveryState::Dead);
}

/// A redrive that can't be done leaves the letter on the list.
pub async fn a_redrive_of_a_step_that_is_not_there_changes_nothing<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let dead = letters(&mut rig, &mut lane, 1).await[0];
    let known = plan("orders", &["stock", "shipping"]).hash();
    let unknown = plan("orders", &["nowhere"]).hash();
    for (plan, step) in [(known, 2), (unknown, 0)] {
        let result = rig.redrive(dead, plan, step).await;
        assert!(matches!(result, Err(dead::Error::NoStep)), "{result:?}");
    }
    assert_eq!(listed(rig.store(), all()).await, [dead]);
}
