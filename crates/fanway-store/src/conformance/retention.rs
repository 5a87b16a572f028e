//! What is kept how long, by a clock that the cases turn.

use std::time::Duration;

use fanway_types::MessageId;

use super::rig::{DAY, KEEP, Rig, deliver, take_all};
use super::{Bodies, Engine, Keep};
use crate::dead;
use crate::lookup::Found;

const HOUR: Duration = Duration::from_secs(3600);

async fn found<E: Engine>(rig: &Rig<E>, id: MessageId) -> &'static str {
    match rig.store().message(id).await.expect("an open store looks") {
        Found::Message(_) => "found",
        Found::Expired => "expired",
        Found::Unknown => "unknown",
    }
}

/// An ended message is found as long as it is kept, then it has expired.
pub async fn an_ended_message_expires<E: Engine>() {
    let keep = Keep {
        messages: 2 * HOUR,
        history: HOUR,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let id = rig.accept(&plan, 1).await[0];
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    rig.engine.settle().await;
    let never = rig.message(&plan, "never sent").id;
    for (after, expected) in [
        (Duration::ZERO, "found"),
        (HOUR, "found"),
        (2 * HOUR, "expired"),
    ] {
        rig.turn_clock(after);
        rig.engine.settle().await;
        assert_eq!(found(&rig, id).await, expected, "after {after:?} more");
    }
    // Of an id that is as old as that nobody can say more.
    assert_eq!(found(&rig, never).await, "expired");
    let young = rig.message(&plan, "never sent").id;
    assert_eq!(found(&rig, young).await, "unknown");
}

/// What hasn't ended is kept, however old it is.
pub async fn an_unfinished_message_never_expires<E: Engine>() {
    let mut rig = Rig::<E>::with(KEEP, None).await;
    let plan = rig.plan(&["stock"]).await;
    let id = rig.accept(&plan, 1).await[0];
    rig.turn_clock(400 * DAY);
    rig.engine.settle().await;
    assert_eq!(found(&rig, id).await, "found");
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    rig.engine.settle().await;
    assert_eq!(found(&rig, id).await, "found", "it has only just ended");
}

/// A dead letter outlasts its message's look-up, and goes at its own time.
pub async fn dead_letters_wait_as_long_as_they_are_kept<E: Engine>() {
    let keep = Keep {
        dead: 10 * DAY,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let dead = rig.dead_letter(&plan, &mut lane).await;
    rig.turn_clock(9 * DAY);
    rig.engine.settle().await;
    assert_eq!(found(&rig, dead.message).await, "expired");
    let letters = rig.letters().await;
    assert_eq!(
        letters
            .iter()
            .map(|letter| letter.delivery)
            .collect::<Vec<_>>(),
        [dead]
    );
    let opened = rig
        .store()
        .dead_letter(dead)
        .await
        .expect("an open store opens");
    assert!(opened.expect("it is on the list").message.is_some());
    rig.turn_clock(2 * DAY);
    rig.engine.settle().await;
    assert_eq!(rig.letters().await, []);
    let redriven = rig.redrive(dead, plan.hash(), 0).await;
    assert!(
        matches!(redriven, Err(dead::Error::NotFound(_))),
        "{redriven:?}"
    );
}

/// Where no bodies are kept a dead letter tells what happened, and that is all.
pub async fn without_bodies_letters_are_listed_and_cannot_be_sent_again<E: Engine>() {
    let keep = Keep {
        bodies: Bodies::None,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let dead = rig.dead_letter(&plan, &mut lane).await;
    assert_eq!(rig.letters().await.len(), 1);
    let opened = rig
        .store()
        .dead_letter(dead)
        .await
        .expect("an open store opens");
    assert!(opened.expect("it is on the list").message.is_none());
    let redriven = rig.redrive(dead, plan.hash(), 0).await;
    assert!(
        matches!(redriven, Err(dead::Error::NoBody(_))),
        "{redriven:?}"
    );
    assert_eq!(rig.letters().await.len(), 1, "it stays on the list");
}

/// A body that is kept beyond its message's end isn't a reason to deliver it again.
pub async fn with_all_bodies_kept_nothing_is_sent_again<E: Engine>() {
    let keep = Keep {
        bodies: Bodies::All,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let id = rig.accept(&plan, 1).await[0];
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    rig.engine.settle().await;
    drop(lane);
    rig.crash().await;
    let fresh = rig.accept(&plan, 1).await[0];
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(work[0].delivery.message, fresh);
    assert_eq!(found(&rig, id).await, "found");
    rig.turn_clock(2 * DAY);
    rig.engine.settle().await;
    assert_eq!(found(&rig, id).await, "expired");
    assert_eq!(rig.backlog("stock").await.expect("one waits").pending, 1);
}
