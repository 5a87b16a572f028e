//! What going to a fallback promises: from the outcome that says so on a delivery is the
//! fallback's, once, whatever happens in between; and its message tells both targets.

use std::future::poll_fn;
use std::time::Duration;

use fanway_types::{AgainCause, DeadReason, DeliveryId, DeliveryState, End, Outcome, Verdict};

use super::cancelling::{cancel, told};
use super::rig::{BoxLane, Rig, assert_waits, deliver, ended, name, take_all};
use super::{Bodies, Engine};
use crate::lane::{Hold, Progress, Work};

/// Lets a delivery of `stock` go to `backup` after an attempt.
fn fall_back(lane: &mut BoxLane, work: &Work, rig: &Rig<impl Engine>) {
    let verdict = Verdict::Again {
        due: rig.now(),
        cause: AgainCause::Fallback,
    };
    let outcome = Outcome {
        verdict,
        used: 0,
        spent: Duration::ZERO,
        fallback: Some(name("backup")),
        ..ended(work, End::Skipped, rig.now())
    };
    lane.record(work, outcome, Hold::LetGo);
}

/// Accepts a message for `stock`, whose delivery goes to `backup`.
async fn fallen_back<E: Engine>(rig: &mut Rig<E>, stock: &mut BoxLane) -> Work {
    let plan = rig.plan(&["stock"]).await;
    rig.accept(&plan, 1).await;
    let work = take_all(stock, rig.now(), 1).await.remove(0);
    fall_back(stock, &work, rig);
    work
}

async fn assert_told<E: Engine>(rig: &Rig<E>, id: DeliveryId, state: DeliveryState) {
    let view = rig.delivery(id).await;
    let shown = (view.state, view.target, view.fallback_of);
    assert_eq!(shown, (state, name("backup"), Some(name("stock"))));
}

/// The fallback's lane is given it, once, with a budget of its own; the target's isn't any more.
pub async fn what_falls_back_is_the_fallbacks<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let (mut stock, mut backup) = (rig.lane("stock"), rig.lane("backup"));
    assert_waits(&mut backup, rig.now());
    let work = fallen_back(&mut rig, &mut stock).await;
    rig.wait_for(work.delivery, DeliveryState::Retrying).await;
    assert_told(&rig, work.delivery, DeliveryState::Retrying).await;
    let taken = take_all(&mut backup, rig.now(), 1).await.remove(0);
    assert_eq!(taken.delivery, work.delivery);
    assert_eq!(taken.key, work.key);
    assert_eq!(taken.message.request, work.message.request);
    let progress = Progress {
        attempts: 1,
        ..Progress::default()
    };
    assert_eq!(taken.progress, progress);
    rig.engine.settle().await;
    assert_eq!(rig.backlog("stock").await, None);
    let backlog = rig.backlog("backup").await.expect("it waits there");
    assert_eq!(backlog.pending, 1);
    assert_waits(&mut stock, rig.now());
    deliver(&mut backup, &[taken], rig.now());
    rig.wait_for(work.delivery, DeliveryState::Delivered).await;
    assert_told(&rig, work.delivery, DeliveryState::Delivered).await;
    assert_waits(&mut stock, rig.now());
    assert_waits(&mut backup, rig.now());
}

/// A crash changes nothing of that, before the fallback has made it and after.
pub async fn what_fell_back_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut stock = rig.lane("stock");
    let work = fallen_back(&mut rig, &mut stock).await;
    rig.engine.settle().await;
    drop(stock);
    rig.crash().await;
    assert_told(&rig, work.delivery, DeliveryState::Retrying).await;
    let (mut stock, mut backup) = (rig.lane("stock"), rig.lane("backup"));
    let taken = take_all(&mut backup, rig.now(), 1).await;
    assert_eq!(taken[0].delivery, work.delivery);
    assert_waits(&mut stock, rig.now());
    deliver(&mut backup, &taken, rig.now());
    rig.engine.settle().await;
    drop((stock, backup));
    rig.crash().await;
    assert_told(&rig, work.delivery, DeliveryState::Delivered).await;
    assert_waits(&mut rig.lane("backup"), rig.now());
}

/// A lane that comes after the one that let it go isn't given it either.
pub async fn the_next_lane_of_the_target_is_not_given_it<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut stock = rig.lane("stock");
    let work = fallen_back(&mut rig, &mut stock).await;
    drop(stock);
    let mut stock = rig.lane("stock");
    let plan = rig.plan(&["stock"]).await;
    let fresh = rig.accept(&plan, 1).await;
    let taken = take_all(&mut stock, rig.now(), 1).await;
    assert_eq!(taken[0].delivery.message, fresh[0]);
    let taken = take_all(&mut rig.lane("backup"), rig.now(), 1).await;
    assert_eq!(taken[0].delivery, work.delivery);
}

/// One of several steps falls back; the others stay where they are, and the message ends once all
/// have.
pub async fn the_other_steps_stay_where_they_are<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock", "backup"]).await;
    let (mut stock, mut backup) = (rig.lane("stock"), rig.lane("backup"));
    let id = rig.accept(&plan, 1).await[0];
    let work = take_all(&mut stock, rig.now(), 1).await;
    fall_back(&mut stock, &work[0], &rig);
    let taken = take_all(&mut backup, rig.now(), 2).await;
    deliver(&mut backup, &taken, rig.now());
    rig.wait_for_end(id).await;
    let fallbacks = rig.view(id).await.deliveries.into_iter();
    let fallbacks: Vec<_> = fallbacks.map(|view| view.fallback_of).collect();
    assert_eq!(fallbacks, [Some(name("stock")), None]);
}

/// Called off, it ends at the fallback, and nobody is given it.
pub async fn what_fell_back_can_be_called_off<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let (mut stock, mut backup) = (rig.lane("stock"), rig.lane("backup"));
    let work = fallen_back(&mut rig, &mut stock).await;
    rig.wait_for(work.delivery, DeliveryState::Retrying).await;
    cancel(&rig, work.delivery.message).await;
    assert!(told(&mut stock).is_empty() && told(&mut backup).is_empty());
    assert_waits(&mut backup, rig.now());
    assert_waits(&mut stock, rig.now());
    rig.wait_for(work.delivery, DeliveryState::Cancelled).await;
    assert_told(&rig, work.delivery, DeliveryState::Cancelled).await;
    rig.engine.settle().await;
    assert_waits(&mut backup, rig.now());
}

/// What is dead at the fallback is on its list, and made anew at the step's own target.
pub async fn a_redrive_goes_to_the_target_of_the_step<E: Engine>() {
    let keep = super::Keep {
        bodies: Bodies::Failures,
        ..super::rig::KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let (mut stock, mut backup) = (rig.lane("stock"), rig.lane("backup"));
    let work = fallen_back(&mut rig, &mut stock).await;
    let taken = take_all(&mut backup, rig.now(), 1).await;
    let outcome = ended(&taken[0], End::Dead(DeadReason::Refused), rig.now());
    backup.record(&taken[0], outcome, Hold::LetGo);
    rig.wait_for(work.delivery, DeliveryState::Dead).await;
    rig.engine.settle().await;
    assert_eq!(rig.letters().await[0].target, name("backup"));
    let new = rig.redrive(work.delivery, work.plan, 0).await;
    let new = new.expect("it is on the list");
    let anew = take_all(&mut stock, rig.now(), 1).await;
    assert_eq!(anew[0].delivery, new);
    poll_fn(|cx| stock.poll_open(cx)).await;
    deliver(&mut stock, &anew, rig.now());
    rig.wait_for(new, DeliveryState::Delivered).await;
    let view = rig.delivery(new).await;
    assert_eq!((view.target, view.fallback_of), (name("stock"), None));
}
