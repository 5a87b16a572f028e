//! What lanes are promised: each delivery once at a time, when it is due, until it has ended.

use std::future::poll_fn;
use std::time::Duration;

use fanway_types::{ByteCount, DeadReason, DeliveryState, End};

use super::Engine;
use super::rig::{Rig, again, assert_waits, deliver, ended, name, take, take_all};
use crate::Error;
use crate::lane::{Hold, Progress, Room};

const LATER: Duration = Duration::from_secs(60);

/// A second lane of a target is refused while the first lives.
pub async fn a_target_has_one_lane_at_a_time<E: Engine>() {
    let rig = Rig::<E>::new().await;
    let first = rig.lane("stock");
    let other = rig.lane("shipping");
    let second = rig.store().lane(&name("stock"));
    assert!(matches!(second, Err(Error::LaneTaken(target)) if target == name("stock")));
    drop((first, other));
    drop(rig.lane("stock"));
}

/// Room is a bound on deliveries, and on bytes but for the delivery that crosses it.
pub async fn a_lane_takes_no_more_than_it_has_room_for<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let bodies = ["xxxxxxxxxx"; 12];
    for body in bodies {
        let message = rig.message(&plan, body);
        rig.accept_group(vec![message]).await;
    }
    let mut lane = rig.lane("stock");
    let mut taken = 0;
    while taken < bodies.len() {
        let room = Room {
            deliveries: 5,
            bytes: ByteCount::new(25),
        };
        let work = take(&mut lane, rig.now(), room).await;
        assert!(
            work.len() <= 3,
            "25 bytes are crossed by the third body of 10"
        );
        taken += work.len();
    }
    assert_eq!(taken, bodies.len());
    poll_fn(|cx| lane.poll_open(cx)).await;
}

/// A lane that has nothing is woken when there is something.
pub async fn a_waiting_lane_is_woken_by_a_fresh_message<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    for _ in 0..3 {
        assert_waits(&mut lane, rig.now());
        let ids = rig.accept(&plan, 1).await;
        let work = take_all(&mut lane, rig.now(), 1).await;
        assert_eq!(work[0].delivery.message, ids[0]);
    }
}

/// A delivery that was let go comes again at its due time, once, with what it has used up.
pub async fn what_was_let_go_comes_again_when_it_is_due_and_not_before<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    rig.accept(&plan, 1).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    let due = rig.now().saturating_add(LATER);
    lane.record(&work[0], again(&work[0], due, rig.now()), Hold::LetGo);
    rig.wait_for(work[0].delivery, DeliveryState::Retrying)
        .await;
    rig.engine.settle().await;
    let early = due.saturating_sub(Duration::from_millis(1));
    // What is fresh passes it by.
    let fresh = rig.accept(&plan, 1).await;
    let first = take_all(&mut lane, early, 1).await;
    assert_eq!(first[0].delivery.message, fresh[0]);
    assert_waits(&mut lane, early);

    let second = take_all(&mut lane, due, 1).await;
    assert_eq!(second[0].delivery, work[0].delivery);
    assert_eq!(second[0].message.request, work[0].message.request);
    let progress = Progress {
        attempts: 1,
        used: 1,
        spent: Duration::from_millis(250),
    };
    assert_eq!(second[0].progress, progress);
    deliver(&mut lane, &second, due);
    rig.engine.settle().await;
    assert_waits(&mut lane, due.saturating_add(LATER));
}

/// After a crash a delivery is due when it was, with what it had used up.
pub async fn progress_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    rig.accept(&plan, 1).await;
    let mut due = rig.now();
    for attempts in 0..4 {
        let mut lane = rig.lane("stock");
        let work = take_all(&mut lane, due, 1).await;
        let expected = Progress {
            attempts,
            used: attempts,
            spent: Duration::from_millis(250) * attempts,
        };
        assert_eq!(work[0].progress, expected);
        due = due.saturating_add(LATER);
        lane.record(&work[0], again(&work[0], due, rig.now()), Hold::Keep);
        rig.engine.settle().await;
        drop(lane);
        rig.crash().await;
        assert_eq!(rig.delivery(work[0].delivery).await.due, Some(due));
    }
}

/// A delivery that its lane keeps isn't handed out beside it, whatever becomes due.
pub async fn what_is_kept_in_a_lane_is_not_handed_out_again<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    rig.accept(&plan, 1).await;
    let mut lane = rig.lane("stock");
    let kept = take_all(&mut lane, rig.now(), 1).await;
    let due = rig.now().saturating_add(LATER);
    lane.record(&kept[0], again(&kept[0], due, rig.now()), Hold::Keep);
    rig.engine.settle().await;
    let fresh = rig.accept(&plan, 1).await;
    let work = take_all(&mut lane, due, 1).await;
    assert_eq!(work[0].delivery.message, fresh[0]);
    assert_waits(&mut lane, due);
    rig.engine.settle().await;
    assert_waits(&mut lane, due);
    // Let go after all, it comes.
    let mut second = kept[0].clone();
    second.progress.attempts = 1;
    lane.record(&second, again(&second, due, rig.now()), Hold::LetGo);
    let work = take_all(&mut lane, due, 1).await;
    assert_eq!(work[0].delivery, kept[0].delivery);
    assert_eq!(work[0].progress.attempts, 2);
}

/// What a lane held when it was dropped is handed to the next one, and nothing that has ended.
pub async fn what_a_lane_held_goes_to_the_next_one<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let ids = rig.accept(&plan, 6).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 6).await;
    deliver(&mut lane, &work[..2], rig.now());
    lane.record(&work[2], again(&work[2], rig.now(), rig.now()), Hold::Keep);
    drop(lane);
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 4).await;
    let mut taken: Vec<_> = work.iter().map(|work| work.delivery.message).collect();
    taken.sort_unstable();
    assert_eq!(taken, ids[2..]);
}

/// A delivery ends once: what is recorded of it afterwards changes nothing.
pub async fn an_outcome_after_the_end_is_ignored<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    rig.accept(&plan, 1).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    let (delivery, now) = (work[0].delivery, rig.now());
    deliver(&mut lane, &work, now);
    rig.wait_for(delivery, DeliveryState::Delivered).await;
    for settled in [false, true] {
        if settled {
            rig.engine.settle().await;
        }
        lane.record(
            &work[0],
            ended(&work[0], End::Dead(DeadReason::Refused), now),
            Hold::LetGo,
        );
        lane.record(&work[0], again(&work[0], now, now), Hold::LetGo);
    }
    rig.engine.settle().await;
    assert_eq!(rig.delivery(delivery).await.state, DeliveryState::Delivered);
    assert_eq!(rig.letters().await, []);
    let fresh = rig.accept(&plan, 1).await;
    let work = take_all(&mut lane, now.saturating_add(LATER), 1).await;
    assert_eq!(
        work[0].delivery.message, fresh[0],
        "it isn't handed out again"
    );
}

/// What has ended durably isn't handed out by a later process.
pub async fn ended_deliveries_stay_ended_after_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "shipping"]).await;
    rig.accept(&plan, 4).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 4).await;
    let ends = [
        (End::Delivered, DeliveryState::Delivered),
        (End::Dead(DeadReason::Refused), DeliveryState::Dead),
        (End::Skipped, DeliveryState::Skipped),
        (End::Cancelled, DeliveryState::Cancelled),
    ];
    for (work, (end, state)) in work.iter().zip(ends) {
        lane.record(work, ended(work, end, rig.now()), Hold::LetGo);
        rig.wait_for(work.delivery, state).await;
    }
    drop(lane);
    rig.crash().await;
    for (work, (_, state)) in work.iter().zip(ends) {
        assert_eq!(rig.delivery(work.delivery).await.state, state);
    }
    let fresh = rig.accept(&plan, 1).await;
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(work[0].delivery.message, fresh[0]);
}
