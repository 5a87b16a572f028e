//! What redrives promise: each tells what became of it, and carries the key and the body that it
//! was asked to.

use bytes::Bytes;
use fanway_types::{ByteCount, DeadReason, DeliveryId, DeliveryState, End, MessageState, PlanHash};

use super::rig::{
    BoxLane, KEEP, PLENTY, Rig, assert_waits, both, deliver, ended, plan, take, take_all,
};
use super::{Bodies, Engine, Keep};
use crate::change::{Edited, Key, Redrive};
use crate::dead;
use crate::lane::{Hold, Work};

/// A redrive of a delivery's own step, with its key.
fn redrive(old: DeliveryId, plan: PlanHash) -> Redrive {
    Redrive {
        old,
        plan,
        step: old.step,
        key: Key::Kept,
        body: None,
    }
}

async fn redriven<E: Engine>(
    rig: &Rig<E>,
    redrives: Vec<Redrive>,
) -> Vec<Result<DeliveryId, dead::Error>> {
    let redriven = rig.store().redrive(redrives, None, None, rig.now());
    redriven.await.expect("an open store changes")
}

async fn redrive_one<E: Engine>(rig: &Rig<E>, redrive: Redrive) -> DeliveryId {
    let [result] = redriven(rig, vec![redrive])
        .await
        .try_into()
        .expect("one for each");
    result.expect("it can be made anew")
}

/// Takes the one delivery that a lane has.
async fn take_one<E: Engine>(rig: &Rig<E>, lane: &mut BoxLane) -> Work {
    let [work] = take_all(lane, rig.now(), 1)
        .await
        .try_into()
        .expect("one was taken");
    work
}

async fn die<E: Engine>(rig: &Rig<E>, lane: &mut BoxLane, work: &Work) {
    let outcome = ended(work, End::Dead(DeadReason::Exhausted), rig.now());
    lane.record(work, outcome, Hold::LetGo);
    rig.wait_for(work.delivery, DeliveryState::Dead).await;
}

/// What can be done of a batch is done, once each, and the rest is left as it is.
pub async fn a_batch_tells_of_each_what_became_of_it<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan_ = rig.plan(&["stock", "shipping"]).await;
    let mut lane = rig.lane("stock");
    let mut letters = Vec::new();
    for _ in 0..4 {
        letters.push(rig.dead_letter(&plan_, &mut lane).await);
    }
    let plan_ = plan_.hash();
    let elsewhere = plan("orders", &["nowhere"]).hash();
    let pending = DeliveryId {
        step: 1,
        ..letters[0]
    };
    let unknown = DeliveryId::first(rig.message(&plan("orders", &[]), "never sent").id, 0);
    let batch = vec![
        redrive(letters[0], plan_),
        redrive(unknown, plan_),
        redrive(letters[1], elsewhere),
        redrive(pending, plan_),
        redrive(letters[2], plan_),
        redrive(letters[0], plan_),
    ];
    let results = redriven(&rig, batch).await;
    let [
        Ok(first),
        Err(dead::Error::NotFound(not_known)),
        Err(dead::Error::NoStep),
        Err(dead::Error::NotFound(not_ended)),
        Ok(third),
        Err(dead::Error::NotFound(twice)),
    ] = &results[..]
    else {
        panic!("{results:?}");
    };
    assert_eq!(
        (not_known, not_ended, twice),
        (&unknown, &pending, &letters[0])
    );
    assert_eq!(
        (Some(*first), Some(*third)),
        (letters[0].next_run(), letters[2].next_run())
    );
    let left: Vec<_> = rig
        .letters()
        .await
        .iter()
        .map(|letter| letter.delivery)
        .collect();
    assert_eq!(left, [letters[3], letters[1]]);
    let work = take_all(&mut lane, rig.now(), 2).await;
    let mut taken: Vec<_> = work.iter().map(|work| work.delivery).collect();
    taken.sort();
    assert_eq!(taken, [*first, *third]);
    assert_eq!(redriven(&rig, Vec::new()).await.len(), 0);
}

/// A key goes from run to run until a new one is asked for; whatever crashes.
pub async fn a_key_is_kept_over_redrives_until_a_new_one_is_asked_for<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let first = rig.dead_letter(&plan, &mut lane).await;
    let run = |run| DeliveryId { run, ..first };
    let expected = [
        (Key::Kept, first),
        (Key::Kept, first),
        (Key::New, run(3)),
        (Key::Kept, run(3)),
    ];
    for ((key, expected), number) in expected.into_iter().zip(0..) {
        let redrive = Redrive {
            key,
            ..redrive(run(number), plan.hash())
        };
        assert_eq!(redrive_one(&rig, redrive).await, run(number + 1));
        drop(lane);
        rig.crash().await;
        lane = rig.lane("stock");
        let work = take_one(&rig, &mut lane).await;
        assert_eq!((work.delivery, work.key), (run(number + 1), expected));
        die(&rig, &mut lane, &work).await;
    }
}

/// An edited body is one delivery's and its successors'; the message stays as it was accepted.
pub async fn an_edited_body_is_sent_in_place_of_the_message_s<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    let (mut lane, mut shipping) = (rig.lane("stock"), rig.lane("shipping"));
    let old = rig.dead_letter(&plan, &mut lane).await;
    let edited = Edited {
        body: Bytes::from_static(b"{\"count\": 7}"),
        content_type: Some("application/json".into()),
    };
    let redrive_with = |old, body| Redrive {
        key: Key::New,
        body,
        ..redrive(old, plan.hash())
    };
    let new = redrive_one(&rig, redrive_with(old, Some(edited.clone()))).await;
    drop((lane, shipping));
    rig.crash().await;
    (lane, shipping) = (rig.lane("stock"), rig.lane("shipping"));
    let sibling = take_one(&rig, &mut shipping).await;
    let original = sibling.message.request.clone();
    assert_eq!(original.body, "body 0");
    let expected = edited.in_place_of(&original);

    let work = take_one(&rig, &mut lane).await;
    assert_eq!((work.delivery, &work.message.request), (new, &expected));
    die(&rig, &mut lane, &work).await;
    let opened = rig.store().dead_letter(new).await;
    let opened = opened
        .expect("an open store opens")
        .expect("it is on the list");
    assert_eq!(opened.message.expect("bodies are kept").request, expected);

    let new = redrive_one(&rig, redrive_with(new, None)).await;
    let work = take_one(&rig, &mut lane).await;
    assert_eq!((work.delivery, &work.message.request), (new, &expected));
    die(&rig, &mut lane, &work).await;
    let other = Edited {
        body: Bytes::from_static(b"eight"),
        content_type: None,
    };
    redrive_one(&rig, redrive_with(new, Some(other.clone()))).await;
    let work = take_one(&rig, &mut lane).await;
    assert_eq!(work.message.request, other.in_place_of(&original));
    deliver(&mut lane, &[work], rig.now());
    deliver(&mut shipping, &[sibling], rig.now());
    rig.engine.settle().await;
    assert_eq!(rig.view(old.message).await.state, MessageState::Delivered);
    assert_eq!(rig.store().health().backlog.map_or(0, ByteCount::get), 0);
}

/// What an edited body takes counts as long as it waits.
pub async fn an_edited_body_counts_in_the_backlog<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let old = rig.dead_letter(&plan, &mut lane).await;
    rig.engine.settle().await;
    let Some(before) = rig.store().health().backlog else {
        return;
    };
    let edited = Edited {
        body: Bytes::from(vec![b'x'; 1000]),
        content_type: None,
    };
    let redrive = Redrive {
        body: Some(edited),
        ..redrive(old, plan.hash())
    };
    redrive_one(&rig, redrive).await;
    let during = rig.store().health().backlog.expect("it counts");
    assert_eq!(during.get() - before.get(), 1000 + "body 0".len() as u64);
    let work = take_one(&rig, &mut lane).await;
    die(&rig, &mut lane, &work).await;
    rig.engine.settle().await;
    assert_eq!(rig.store().health().backlog, Some(before));
}

/// A delivered one is made anew while a sibling keeps its request, and stays delivered itself.
pub async fn what_was_delivered_is_made_anew_while_its_request_is_kept<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    let (mut lane, mut shipping) = (rig.lane("stock"), rig.lane("shipping"));
    let dead = rig.dead_letter(&plan, &mut lane).await;
    let work = take_one(&rig, &mut shipping).await;
    let old = work.delivery;
    deliver(&mut shipping, &[work], rig.now());
    rig.wait_for(old, DeliveryState::Delivered).await;
    rig.engine.settle().await;
    assert_eq!(rig.view(dead.message).await.state, MessageState::Failed);

    let new = redrive_one(&rig, redrive(old, plan.hash())).await;
    let view = rig.view(dead.message).await;
    assert_eq!((view.state, view.ended_at), (MessageState::Pending, None));
    assert_eq!(view.deliveries[1].id, new);
    let again = redriven(&rig, vec![redrive(old, plan.hash())]).await;
    assert!(
        matches!(again[..], [Err(dead::Error::NotFound(id))] if id == old),
        "{again:?}"
    );
    drop((lane, shipping));
    rig.crash().await;
    shipping = rig.lane("shipping");
    let work = take_one(&rig, &mut shipping).await;
    assert_eq!((work.delivery, work.key), (new, old));
    deliver(&mut shipping, &[work], rig.now());
    rig.wait_for(new, DeliveryState::Delivered).await;
    rig.engine.settle().await;
    assert_eq!(rig.view(dead.message).await.state, MessageState::Failed);

    // With the last dead letter its message goes, and its request with it.
    let last = redrive_one(&rig, redrive(dead, plan.hash())).await;
    let mut lane = rig.lane("stock");
    let work = take_one(&rig, &mut lane).await;
    deliver(&mut lane, &[work], rig.now());
    rig.wait_for(last, DeliveryState::Delivered).await;
    rig.engine.settle().await;
    for old in [last, new] {
        let gone = redriven(&rig, vec![redrive(old, plan.hash())]).await;
        assert!(
            matches!(gone[..], [Err(dead::Error::NoBody(id))] if id == old),
            "{gone:?}"
        );
    }
}

/// Where all bodies are kept all that was delivered can be made anew.
pub async fn with_all_bodies_kept_what_has_ended_is_made_anew<E: Engine>() {
    let keep = Keep {
        bodies: Bodies::All,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    rig.accept(&plan, 3).await;
    let work = take_all(&mut lane, rig.now(), 3).await;
    deliver(&mut lane, &work, rig.now());
    rig.engine.settle().await;
    let batch = work.iter().map(|work| redrive(work.delivery, plan.hash()));
    let results = redriven(&rig, batch.collect()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let work = take_all(&mut lane, rig.now(), 3).await;
    deliver(&mut lane, &work, rig.now());
    rig.engine.settle().await;
    for work in work {
        assert_eq!(work.delivery.run, 1);
        let state = rig.view(work.delivery.message).await.state;
        assert_eq!(state, MessageState::Delivered);
    }
    assert_waits(&mut lane, rig.now());
}

/// Two batches at once over the same letters: each letter is made anew once.
pub async fn of_two_batches_at_once_each_letter_is_in_one<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let mut batch = Vec::new();
    for _ in 0..5 {
        let letter = rig.dead_letter(&plan, &mut lane).await;
        batch.push(redrive(letter, plan.hash()));
    }
    let other = batch.iter().rev().cloned().collect();
    let (first, second) = both(redriven(&rig, batch), redriven(&rig, other)).await;
    for (first, second) in first.iter().zip(second.iter().rev()) {
        assert_ne!(first.is_ok(), second.is_ok(), "{first:?} and {second:?}");
    }
    let mut work = Vec::new();
    while work.len() < 5 {
        work.append(&mut take(&mut lane, rig.now(), PLENTY).await);
    }
    rig.engine.settle().await;
    assert_waits(&mut lane, rig.now());
}
