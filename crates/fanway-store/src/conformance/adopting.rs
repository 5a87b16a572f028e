//! What a renamed target promises: what waited for its old name, and what still comes for it, goes
//! to its heir, all of it and once.

use std::collections::BTreeSet;
use std::time::Duration;

use fanway_types::{ByteCount, DeliveryId, DeliveryState, MessageId};

use super::Engine;
use super::rig::{BoxLane, Rig, again, assert_waits, deliver, name, take, take_all};
use crate::Error;
use crate::lane::{Hold, Room};

const LATER: Duration = Duration::from_secs(60);

const FEW: Room = Room {
    deliveries: 3,
    bytes: ByteCount::mib(1),
};

fn adopt<E: Engine>(rig: &Rig<E>, old: &str, heir: &str) {
    let adopted = rig.store().adopt(&name(old), &name(heir));
    adopted.expect("the old name has no lane");
}

/// Delivers what a lane is given until so many have come, each once; returns their messages.
async fn drain(lane: &mut BoxLane, rig: &Rig<impl Engine>, count: usize) -> Vec<MessageId> {
    let mut taken = Vec::new();
    let mut seen = BTreeSet::new();
    let now = rig.now().saturating_add(LATER);
    while taken.len() < count {
        for work in take(lane, now, FEW).await {
            assert!(seen.insert(work.delivery), "{} came twice", work.delivery);
            taken.push(work.delivery.message);
            deliver(lane, &[work], now);
        }
    }
    assert_eq!(taken.len(), count, "more was handed out than there is");
    taken
}

/// Nothing is left for any name that an heir has.
async fn assert_empty<E: Engine>(rig: &mut Rig<E>, lane: &mut BoxLane, names: &[&str]) {
    rig.engine.settle().await;
    assert_waits(lane, rig.now().saturating_add(LATER));
    for name in names {
        let pending = rig.backlog(name).await.map_or(0, |backlog| backlog.pending);
        assert_eq!(pending, 0, "pending for {name}");
    }
}

fn as_set(ids: impl IntoIterator<Item = MessageId>) -> BTreeSet<MessageId> {
    ids.into_iter().collect()
}

/// What waits goes to the heir's lane, whether that is open, behind or isn't there yet.
pub async fn what_waits_goes_to_the_heir<E: Engine>() {
    for (settled, opened_before) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut rig = Rig::<E>::new().await;
        let before = rig.plan(&["old"]).await;
        let after = rig.plan(&["new"]).await;
        let mut expected = rig.accept(&before, 4).await;
        expected.extend(rig.accept(&after, 2).await);
        expected.extend(rig.accept(&before, 1).await);
        let lane = opened_before.then(|| rig.lane("new"));
        if settled {
            rig.engine.settle().await;
        }
        adopt(&rig, "old", "new");
        let mut lane = lane.unwrap_or_else(|| rig.lane("new"));
        let late = rig.now().saturating_add(LATER);
        let work = take_all(&mut lane, late, expected.len()).await;
        let taken = work.iter().map(|work| work.delivery.message);
        assert_eq!(as_set(taken), as_set(expected));
        // What the lane holds isn't handed out again when all has come over.
        rig.engine.settle().await;
        rig.engine.settle().await;
        let fresh = rig.accept(&after, 1).await;
        let next = take_all(&mut lane, late, 1).await;
        assert_eq!(next[0].delivery.message, fresh[0]);
        deliver(&mut lane, &work, late);
        deliver(&mut lane, &next, late);
        assert_empty(&mut rig, &mut lane, &["old", "new"]).await;
    }
}

/// A lane that keeps up is given what it adopts in about the order of acceptance.
pub async fn what_was_never_attempted_keeps_its_order<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["old"]).await;
    let ids = rig.accept(&plan, 12).await;
    rig.engine.settle().await;
    let mut lane = rig.lane("new");
    assert_waits(&mut lane, rig.now());
    adopt(&rig, "old", "new");
    assert_eq!(drain(&mut lane, &rig, 12).await, ids);
}

/// What is accepted for the old name afterwards is the heir's, of each plan in the order of
/// acceptance.
pub async fn what_is_accepted_later_goes_to_the_heir<E: Engine>() {
    for opened_before in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let before = rig.plan(&["old", "other", "old"]).await;
        let after = rig.plan(&["new"]).await;
        // Plans that were met before are the ones that are easily left as they were.
        let mut expected = rig.accept(&before, 1).await;
        let mut own = Vec::new();
        expected.push(expected[0]);
        let mut lane = opened_before.then(|| rig.lane("new"));
        adopt(&rig, "old", "new");
        let mut lane = lane.take().unwrap_or_else(|| rig.lane("new"));
        let mut taken = drain(&mut lane, &rig, 2).await;
        for round in 0..6 {
            for id in rig.accept(&before, 2).await {
                expected.extend([id, id]);
            }
            own.extend(rig.accept(&after, 1).await);
            if round % 3 == 1 {
                rig.engine.settle().await;
            }
            if round % 2 == 1 {
                let left = expected.len() + own.len() - taken.len();
                taken.extend(drain(&mut lane, &rig, left).await);
            }
        }
        let (of_after, of_before): (Vec<_>, Vec<_>) =
            taken.iter().copied().partition(|id| own.contains(id));
        assert_eq!(of_before, expected, "in the order of acceptance");
        assert_eq!(of_after, own, "in the order of acceptance");
        let id = expected[0];
        let view = rig.view(id).await;
        assert_eq!(
            view.deliveries[0].target,
            name("new"),
            "it is shown by its name"
        );
        assert_empty(&mut rig, &mut lane, &["old", "new"]).await;
    }
}

/// What is to be attempted again comes at its time, with what it has used up.
pub async fn what_is_scheduled_goes_to_the_heir<E: Engine>() {
    for settled in [false, true] {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["old"]).await;
        let id = rig.accept(&plan, 1).await[0];
        let mut lane = rig.lane("old");
        let work = take_all(&mut lane, rig.now(), 1).await;
        let due = rig.now().saturating_add(LATER);
        lane.record(&work[0], again(&work[0], due, rig.now()), Hold::LetGo);
        rig.wait_for(work[0].delivery, DeliveryState::Retrying)
            .await;
        drop(lane);
        if settled {
            rig.engine.settle().await;
        }
        adopt(&rig, "old", "new");
        let mut lane = rig.lane("new");
        rig.engine.settle().await;
        assert_waits(&mut lane, due.saturating_sub(Duration::from_millis(1)));
        let work = take_all(&mut lane, due, 1).await;
        assert_eq!(
            (work[0].delivery.message, work[0].progress.attempts),
            (id, 1)
        );
        deliver(&mut lane, &work, due);
        assert_empty(&mut rig, &mut lane, &["old", "new"]).await;
    }
}

/// What the old name's lane has ended, however shortly before, isn't handed out by the heir's.
pub async fn what_the_old_lane_has_ended_stays_ended<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["old"]).await;
    let ids = rig.accept(&plan, 6).await;
    rig.engine.settle().await;
    let mut lane = rig.lane("old");
    let work = take_all(&mut lane, rig.now(), 6).await;
    deliver(&mut lane, &work[..4], rig.now());
    drop(lane);
    adopt(&rig, "old", "new");
    let mut lane = rig.lane("new");
    let taken = drain(&mut lane, &rig, 2).await;
    assert_eq!(as_set(taken), as_set(ids[4..].iter().copied()));
    assert_empty(&mut rig, &mut lane, &["old", "new"]).await;
}

/// A name that has a lane isn't given away, and is still its own.
pub async fn a_name_that_has_a_lane_is_not_given_away<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["old"]).await;
    let mut lane = rig.lane("old");
    let refused = rig.store().adopt(&name("old"), &name("new"));
    assert!(
        matches!(&refused, Err(Error::LaneTaken(target)) if *target == name("old")),
        "{refused:?}"
    );
    let id = rig.accept(&plan, 1).await[0];
    assert_eq!(drain(&mut lane, &rig, 1).await, [id]);
    assert_waits(&mut rig.lane("new"), rig.now());
}

/// Asked for twice, it happens once; and the old name's lane is the heir's.
pub async fn the_old_name_is_but_another_name<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["old"]).await;
    let mut expected = rig.accept(&plan, 3).await;
    adopt(&rig, "old", "new");
    adopt(&rig, "old", "new");
    let mut lane = rig.lane("new");
    let second = rig.store().lane(&name("old"));
    assert!(matches!(second, Err(Error::LaneTaken(_))));
    expected.extend(rig.accept(&plan, 3).await);
    assert_eq!(as_set(drain(&mut lane, &rig, 6).await), as_set(expected));
    drop(lane);
    let id = rig.accept(&plan, 1).await[0];
    let mut lane = rig.lane("old");
    assert_eq!(drain(&mut lane, &rig, 1).await, [id]);
    assert_empty(&mut rig, &mut lane, &["old", "new"]).await;
}

/// What was adopted can be adopted again.
pub async fn an_heir_can_have_an_heir<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plans = [rig.plan(&["oldest"]).await, rig.plan(&["old"]).await];
    let mut expected = Vec::new();
    for (old, heir) in [("oldest", "old"), ("old", "new")] {
        for plan in &plans {
            expected.extend(rig.accept(plan, 2).await);
        }
        adopt(&rig, old, heir);
    }
    for plan in &plans {
        expected.extend(rig.accept(plan, 2).await);
    }
    let mut lane = rig.lane("new");
    let taken = drain(&mut lane, &rig, expected.len()).await;
    assert_eq!(as_set(taken), as_set(expected));
    assert_empty(&mut rig, &mut lane, &["oldest", "old", "new"]).await;
}

/// Dead letters go to the heir as well, and what is made anew of them.
pub async fn dead_letters_go_to_the_heir<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["old"]).await;
    let mut lane = rig.lane("old");
    let dead = rig.dead_letter(&plan, &mut lane).await;
    drop(lane);
    adopt(&rig, "old", "new");
    rig.engine.settle().await;
    rig.engine.settle().await;
    let letters = rig.letters().await;
    assert_eq!(
        (letters[0].delivery, &letters[0].target),
        (dead, &name("new"))
    );
    let new = rig.redrive(dead, plan.hash(), 0).await;
    let mut lane = rig.lane("new");
    let work = take_all(&mut lane, rig.now(), 1).await;
    assert_eq!(Some(work[0].delivery), new.ok());
}

/// What was called off while nobody had it isn't handed to the heir.
pub async fn what_was_called_off_is_not_handed_to_the_heir<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["old"]).await;
    let ids = rig.accept(&plan, 4).await;
    let mut lane = rig.lane("old");
    take_all(&mut lane, rig.now(), 4).await;
    for id in &ids[..2] {
        let cancelled = rig.store().cancel(*id, None, rig.now()).await;
        cancelled.expect("it hasn't ended");
    }
    drop(lane);
    adopt(&rig, "old", "new");
    let cancelled = rig.store().cancel(ids[2], None, rig.now()).await;
    cancelled.expect("it hasn't ended");
    let mut lane = rig.lane("new");
    assert_eq!(drain(&mut lane, &rig, 1).await, ids[3..]);
    for id in &ids[..3] {
        let delivery = DeliveryId::first(*id, 0);
        rig.wait_for(delivery, DeliveryState::Cancelled).await;
    }
    assert_empty(&mut rig, &mut lane, &["old", "new"]).await;
}

/// It is asked for again after each start, and goes on where it was.
pub async fn it_goes_on_after_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["old"]).await;
    let mut left = BTreeSet::new();
    for round in 0..6 {
        left.extend(rig.accept(&plan, 4).await);
        if round % 3 == 1 {
            rig.engine.settle().await;
        }
        adopt(&rig, "old", "new");
        left.extend(rig.accept(&plan, 2).await);
        if round % 2 == 1 {
            let mut lane = rig.lane("new");
            let work = take(&mut lane, rig.now(), FEW).await;
            deliver(&mut lane, &work, rig.now());
            for work in work {
                let id = work.delivery.message;
                assert!(left.remove(&id), "{id} came twice");
                rig.wait_for(work.delivery, DeliveryState::Delivered).await;
            }
        }
        rig.crash().await;
    }
    adopt(&rig, "old", "new");
    let mut lane = rig.lane("new");
    let taken = drain(&mut lane, &rig, left.len()).await;
    assert_eq!(as_set(taken), left);
    assert_empty(&mut rig, &mut lane, &["old", "new"]).await;
}
