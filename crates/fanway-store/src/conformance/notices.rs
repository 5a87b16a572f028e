//! What notices promise: exactly one for each cause, kept together with it, and none of a notice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fanway_types::{DeadReason, DeliveryId, DeliveryState, End, MessageId, MessageState, Plan};
use serde_json::Value;

use super::Engine;
use super::rig::{
    BoxLane, Rig, again, assert_waits, deliver, ended, name, plan, take_all, with_terms,
};
use crate::lane::{Hold, Work};
use crate::notice::CallbackOrigin;

const LATER: Duration = Duration::from_secs(60);

/// A plan for `stock` whose messages' ends `ledgers` is told of, and whose deaths `alerts` is.
async fn telling<E: Engine>(rig: &Rig<E>, targets: &[&str]) -> Arc<Plan> {
    let mut plan = Arc::unwrap_or_clone(plan("orders", targets));
    plan.callback = Some(name("books"));
    plan.on_dead = Some(name("alerts"));
    let plan = Arc::new(plan);
    rig.keep(&plan).await;
    plan
}

fn end(lane: &mut BoxLane, work: &Work, how: End, rig: &Rig<impl Engine>) {
    lane.record(work, ended(work, how, rig.now()), Hold::LetGo);
}

/// What a notice says: its type, and its data.
fn said(work: &Work) -> (String, Value) {
    let mut body: Value =
        serde_json::from_slice(&work.message.request.body).expect("notices are JSON");
    let kind = body["type"]
        .as_str()
        .expect("notices have a type")
        .to_owned();
    (kind, body["data"].take())
}

/// The message that a notice tells the end of, and the state that it has ended in.
fn end_told(work: &Work) -> (MessageId, String) {
    let (kind, data) = said(work);
    assert_eq!(kind, "message.ended");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let id = text(&data["id"]).parse().expect("an id");
    (id, text(&data["state"]))
}

/// The delivery that a notice tells the death of.
fn death_told(work: &Work) -> DeliveryId {
    let (kind, data) = said(work);
    assert_eq!(kind, "delivery.dead");
    let id = data["delivery"].as_str().expect("a text");
    id.parse().expect("an id")
}

/// All that happens to the store from here on is over, and a target is told nothing more.
async fn assert_no_more<E: Engine>(rig: &mut Rig<E>, lane: &mut BoxLane) {
    rig.engine.settle().await;
    assert_waits(lane, rig.now().saturating_add(LATER));
}

/// A target is told of each message that has ended, whatever it was posted with, and of no other.
pub async fn a_target_is_told_once_of_each_end<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = telling(&rig, &["stock"]).await;
    let (mut lane, mut books) = (rig.lane("stock"), rig.lane("books"));
    for settled in [false, true] {
        let ids = rig.accept(&plan, 5).await;
        let work = take_all(&mut lane, rig.now(), 5).await;
        if settled {
            rig.engine.settle().await;
        }
        assert_waits(&mut books, rig.now());
        deliver(&mut lane, &work[..2], rig.now());
        let later = again(&work[2], rig.now(), rig.now());
        lane.record(&work[2], later, Hold::Keep);
        deliver(&mut lane, &work[2..3], rig.now());
        end(&mut lane, &work[3], End::Skipped, &rig);
        let told = take_all(&mut books, rig.now(), 4).await;
        let mut of: Vec<_> = told.iter().map(end_told).collect();
        of.sort_unstable();
        let expected = ids[..4].iter().map(|id| (*id, "delivered".to_owned()));
        assert_eq!(of, expected.collect::<Vec<_>>());
        deliver(&mut books, &told, rig.now());
        end(&mut lane, &work[4], End::Cancelled, &rig);
        let told = take_all(&mut books, rig.now(), 1).await;
        assert_eq!(end_told(&told[0]), (ids[4], "cancelled".to_owned()));
        deliver(&mut books, &told, rig.now());
        assert_no_more(&mut rig, &mut books).await;
    }
}

/// A notice is a message: found by its id, counted in the backlog, attempted again, ended.
pub async fn a_notice_is_a_message<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = telling(&rig, &["stock"]).await;
    let (mut lane, mut books) = (rig.lane("stock"), rig.lane("books"));
    let mut alerts = rig.lane("alerts");
    rig.accept(&plan, 1).await;
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    let told = take_all(&mut books, rig.now(), 1).await;
    let id = told[0].message.id;
    assert_eq!(
        (told[0].delivery, told[0].key),
        (DeliveryId::first(id, 0), told[0].delivery)
    );
    let kept = rig.store().plan(told[0].plan).await;
    let kept = kept
        .expect("an open store looks")
        .expect("its plan is kept");
    assert_eq!((&kept.route, kept.steps.len()), (&plan.route, 1));
    assert_eq!((&kept.callback, &kept.on_dead), (&None, &None));

    let view = rig.view(id).await;
    assert_eq!(
        (view.state, &view.route),
        (MessageState::Pending, &plan.route)
    );
    assert_eq!(view.deliveries[0].target, name("books"));
    assert_eq!(
        rig.backlog("books").await.map(|backlog| backlog.pending),
        Some(1)
    );

    let due = rig.now().saturating_add(LATER);
    lane_lets_go(&mut books, &told[0], due, &rig).await;
    let told = take_all(&mut books, due, 1).await;
    assert_eq!((told[0].message.id, told[0].progress.attempts), (id, 1));
    // It causes none, however it ends.
    end(&mut books, &told[0], End::Dead(DeadReason::Refused), &rig);
    rig.wait_for(told[0].delivery, DeliveryState::Dead).await;
    rig.engine.settle().await;
    assert_eq!(rig.view(id).await.state, MessageState::Failed);
    assert_eq!(rig.letters().await.len(), 1);
    assert_no_more(&mut rig, &mut books).await;
    assert_no_more(&mut rig, &mut alerts).await;
}

async fn lane_lets_go<E: Engine>(
    lane: &mut BoxLane,
    work: &Work,
    due: fanway_types::Timestamp,
    rig: &Rig<E>,
) {
    lane.record(work, again(work, due, rig.now()), Hold::LetGo);
    rig.wait_for(work.delivery, DeliveryState::Retrying).await;
}

/// Of each delivery that is dead a target is told, once.
pub async fn a_target_is_told_once_of_each_death<E: Engine>() {
    for settled in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = telling(&rig, &["stock", "stock", "stock"]).await;
        let (mut lane, mut alerts) = (rig.lane("stock"), rig.lane("alerts"));
        let id = rig.accept(&plan, 1).await[0];
        let work = take_all(&mut lane, rig.now(), 3).await;
        if settled {
            rig.engine.settle().await;
        }
        end(&mut lane, &work[0], End::Dead(DeadReason::Exhausted), &rig);
        end(&mut lane, &work[2], End::Dead(DeadReason::Refused), &rig);
        let told = take_all(&mut alerts, rig.now(), 2).await;
        let of: BTreeSet<_> = told.iter().map(death_told).collect();
        let expected = [0, 2].map(|step| DeliveryId::first(id, step));
        assert_eq!(of, BTreeSet::from(expected));
        deliver(&mut alerts, &told, rig.now());
        end(&mut lane, &work[1], End::Delivered, &rig);
        assert_no_more(&mut rig, &mut alerts).await;
        let mut books = rig.lane("books");
        let told = take_all(&mut books, rig.now(), 1).await;
        assert_eq!(end_told(&told[0]), (id, "failed".to_owned()));
        assert_no_more(&mut rig, &mut books).await;
    }
}

/// What is made anew and ends again is told of again, and what dies again as well.
pub async fn a_second_end_is_told_of_again<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = telling(&rig, &["stock"]).await;
    let mut lane = rig.lane("stock");
    let (mut books, mut alerts) = (rig.lane("books"), rig.lane("alerts"));
    let mut dead = rig.dead_letter(&plan, &mut lane).await;
    let ends = [End::Dead(DeadReason::Refused), End::Delivered];
    for (how, state) in ends.into_iter().zip(["failed", "delivered"]) {
        let told = take_all(&mut books, rig.now(), 1).await;
        assert_eq!(end_told(&told[0]), (dead.message, "failed".to_owned()));
        let died = take_all(&mut alerts, rig.now(), 1).await;
        assert_eq!(death_told(&died[0]), dead);
        rig.engine.settle().await;
        let new = rig.redrive(dead, plan.hash(), 0).await;
        dead = new.expect("it is on the list");
        let work = take_all(&mut lane, rig.now(), 1).await;
        rig.turn_clock(Duration::from_millis(1));
        end(&mut lane, &work[0], how, &rig);
        rig.wait_for(dead, how.into()).await;
        assert_eq!(rig.view(dead.message).await.state.as_str(), state);
    }
    let told = take_all(&mut books, rig.now(), 1).await;
    assert_eq!(end_told(&told[0]), (dead.message, "delivered".to_owned()));
    assert_no_more(&mut rig, &mut books).await;
    assert_no_more(&mut rig, &mut alerts).await;
}

/// A sender that names a URL is told there: by the lane of its origin, with the URL's own path.
pub async fn a_sender_is_told_where_it_wants<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let origin = CallbackOrigin::new("https://shop.example:8443");
    let mut told = rig.lane(origin.target.as_str());
    assert_eq!(rig.store().origins(), []);
    for settled in [false, true] {
        let message = with_terms(rig.message(&plan, "seven"), |terms| {
            terms.callback = Some("https://shop.example:8443/told/7?key=a%20b".into());
        });
        rig.accept_group(vec![message.clone()]).await;
        let work = take_all(&mut lane, rig.now(), 1).await;
        if settled {
            rig.engine.settle().await;
        }
        deliver(&mut lane, &work, rig.now());
        let work = take_all(&mut told, rig.now(), 1).await;
        assert_eq!(end_told(&work[0]), (message.id, "delivered".to_owned()));
        let request = &work[0].message.request;
        assert_eq!((&*request.method, &*request.path), ("POST", "/told/7"));
        assert_eq!(request.query.as_deref(), Some("key=a%20b"));
        let kept = rig.store().plan(work[0].plan).await;
        let kept = kept
            .expect("an open store looks")
            .expect("its plan is kept");
        assert_eq!(kept.steps[0].origin.as_ref(), Some(&origin.origin));
        deliver(&mut told, &work, rig.now());
        assert_eq!(rig.store().origins(), std::slice::from_ref(&origin));
    }
    assert_no_more(&mut rig, &mut told).await;
    drop((lane, told));
    rig.crash().await;
    assert_eq!(rig.store().origins(), [origin]);
}

/// Both the plan's target and the sender are told.
pub async fn a_target_and_a_sender_are_both_told<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = telling(&rig, &["stock"]).await;
    let mut lane = rig.lane("stock");
    let message = with_terms(rig.message(&plan, "seven"), |terms| {
        terms.callback = Some("http://127.0.0.1:9000".into());
    });
    rig.accept_group(vec![message.clone()]).await;
    let work = take_all(&mut lane, rig.now(), 1).await;
    end(&mut lane, &work[0], End::Dead(DeadReason::Expired), &rig);
    let origin = CallbackOrigin::new("http://127.0.0.1:9000").target;
    let mut notices = BTreeSet::new();
    for target in ["books", origin.as_str(), "alerts"] {
        let mut lane = rig.lane(target);
        let work = take_all(&mut lane, rig.now(), 1).await;
        assert!(notices.insert(work[0].message.id));
        deliver(&mut lane, &work, rig.now());
        assert_no_more(&mut rig, &mut lane).await;
    }
}

/// The end of what was called off is told of like any, after a crash too.
pub async fn the_end_of_a_cancelled_message_is_told_of<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = telling(&rig, &["stock"]).await;
    let mut lane = rig.lane("stock");
    let id = rig.accept(&plan, 1).await[0];
    take_all(&mut lane, rig.now(), 1).await;
    let cancelled = rig.store().cancel(id, None, rig.now()).await;
    cancelled.expect("it hasn't ended");
    drop(lane);
    rig.crash().await;
    let unheld = rig.accept(&plan, 1).await[0];
    let cancelled = rig.store().cancel(unheld, None, rig.now()).await;
    cancelled.expect("it hasn't ended");
    let mut books = rig.lane("books");
    let told = take_all(&mut books, rig.now(), 2).await;
    let of: BTreeSet<_> = told.iter().map(end_told).collect();
    assert_eq!(
        of,
        BTreeSet::from([id, unheld].map(|id| (id, "cancelled".to_owned())))
    );
    assert_no_more(&mut rig, &mut books).await;
}

/// Whenever the process dies, what was durably ended is told of, and told of once.
pub async fn one_notice_is_made_whenever_the_process_dies<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = telling(&rig, &["stock"]).await;
    let mut ended_ones = BTreeSet::new();
    let mut notices = BTreeSet::new();
    for round in 0..8 {
        let mut lane = rig.lane("stock");
        let ids = rig.accept(&plan, 2).await;
        let work = take_all(&mut lane, rig.now(), 2).await;
        if round & 1 != 0 {
            rig.engine.settle().await;
        }
        deliver(&mut lane, &work, rig.now());
        for work in &work {
            rig.wait_for(work.delivery, DeliveryState::Delivered).await;
        }
        if round & 2 != 0 {
            rig.engine.settle().await;
        }
        drop(lane);
        ended_ones.extend(ids);
        if round & 4 != 0 {
            // Some have been taken, and delivered in part, when it dies.
            let mut books = rig.lane("books");
            let told = take_all(&mut books, rig.now(), ended_ones.len() - notices.len()).await;
            deliver(&mut books, &told[..1], rig.now());
            rig.wait_for(told[0].delivery, DeliveryState::Delivered)
                .await;
            assert!(notices.insert(end_told(&told[0]).0), "told twice");
        }
        rig.crash().await;
    }
    let mut books = rig.lane("books");
    let told = take_all(&mut books, rig.now(), ended_ones.len() - notices.len()).await;
    for work in &told {
        assert!(notices.insert(end_told(work).0), "told twice");
    }
    assert_eq!(notices, ended_ones);
    assert_no_more(&mut rig, &mut books).await;
}
