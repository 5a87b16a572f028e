//! What idempotency keys promise: of the requests with one key one is accepted, whatever breaks.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fanway_types::{ByteCount, Message, MessageId, Plan};

use super::Engine;
use super::rig::{KEEP, Rig, deliver, keyed, plan, take_all};
use crate::accept::{self, Error};
use crate::lookup::Found;

const HOUR: Duration = Duration::from_secs(3600);

async fn accept<E: Engine>(rig: &Rig<E>, message: &Arc<Message>) -> Result<(), Error> {
    rig.store().accept(vec![Arc::clone(message)]).await
}

#[track_caller]
fn repeats(result: &Result<(), Error>, first: &Message) {
    let accepted = first.id;
    assert_eq!(*result, Err(Error::Repeated { accepted }));
}

/// Has some keys accepted, so that an engine whose memory for them is small no longer has them all.
async fn fill_memory<E: Engine>(rig: &mut Rig<E>, plan: &Plan) {
    for number in 0..5 {
        let earlier = keyed(rig.message(plan, "six"), &format!("earlier {number}"), HOUR);
        accept(rig, &earlier).await.expect("nobody has the key");
    }
    rig.engine.settle().await;
}

async fn is_known<E: Engine>(rig: &Rig<E>, id: MessageId) -> bool {
    let found = rig.store().message(id).await;
    matches!(found.expect("an open store looks"), Found::Message(_))
}

/// Many equal requests at once: one is accepted, and the others are told so, or to come again.
pub async fn of_equal_requests_at_once_one_is_accepted<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    fill_memory(&mut rig, &plan).await;
    let mut racing = Vec::new();
    for _ in 0..1000 {
        let message = keyed(rig.message(&plan, "seven"), "a key", HOUR);
        let accepting = rig.store().accept(vec![Arc::clone(&message)]);
        racing.push((message, Some(accepting), None));
    }
    std::future::poll_fn(|cx| {
        for (_, accepting, result) in &mut racing {
            if let Some(pending) = accepting
                && let Poll::Ready(ready) = pending.as_mut().poll(cx)
            {
                (*accepting, *result) = (None, Some(ready));
            }
        }
        if racing.iter().all(|(_, accepting, _)| accepting.is_none()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    let results = racing
        .into_iter()
        .map(|(message, _, result)| (message, result));
    let (won, lost): (Vec<_>, Vec<_>) = results.partition(|(_, result)| *result == Some(Ok(())));
    let [(winner, _)] = &won[..] else {
        panic!("{} were accepted", won.len());
    };
    for (message, result) in lost {
        let accepted = winner.id;
        let allowed = [Err(Error::KeyBusy), Err(Error::Repeated { accepted })];
        assert!(result.is_some_and(|result| allowed.contains(&result)));
        assert!(!is_known(&rig, message.id).await);
        repeats(&accept(&rig, &message).await, winner);
    }
    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 6).await;
    assert_eq!(work[5].delivery.message, winner.id);
}

/// The same request gets the same message, whatever has become of it, and another one is refused.
pub async fn a_repeated_request_is_told_what_it_was_accepted_as<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let first = keyed(rig.message(&plan, "seven"), "a key", HOUR);
    let again = keyed(rig.message(&plan, "seven"), "a key", HOUR);
    let other = keyed(rig.message(&plan, "eight"), "a key", HOUR);
    accept(&rig, &first).await.expect("nobody has the key");
    for round in 0..4 {
        match round {
            0 => {}
            1 => rig.engine.settle().await,
            2 => {
                let mut lane = rig.lane("stock");
                let work = take_all(&mut lane, rig.now(), 1).await;
                deliver(&mut lane, &work, rig.now());
                rig.engine.settle().await;
            }
            _ => rig.crash().await,
        }
        repeats(&accept(&rig, &again).await, &first);
        assert_eq!(accept(&rig, &other).await, Err(Error::KeyTaken));
        assert!(is_known(&rig, first.id).await, "in round {round}");
        for refused in [&again, &other] {
            assert!(!is_known(&rig, refused.id).await, "in round {round}");
        }
    }
}

/// What was acknowledged just before a crash isn't accepted again after it.
pub async fn a_key_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut accepted = Vec::new();
    for round in 0..4 {
        for number in 0..5 {
            let key = format!("{round} {number}");
            let first = keyed(rig.message(&plan, "seven"), &key, HOUR);
            accept(&rig, &first).await.expect("nobody has the key");
            accepted.push((key, first));
        }
        rig.crash().await;
        for (key, first) in &accepted {
            let again = keyed(rig.message(&plan, "seven"), key, HOUR);
            repeats(&accept(&rig, &again).await, first);
        }
    }
}

/// A key is its message's up to its time, and anybody's afterwards.
pub async fn a_key_whose_time_is_over_is_free<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    for round in 0..4 {
        let first = keyed(rig.message(&plan, "seven"), "a key", HOUR);
        accept(&rig, &first).await.expect("nobody has the key");
        if round % 2 == 1 {
            rig.engine.settle().await;
        }
        rig.turn_clock(HOUR - Duration::from_millis(1));
        // Another millisecond passes with the message.
        let again = keyed(rig.message(&plan, "seven"), "a key", HOUR);
        repeats(&accept(&rig, &again).await, &first);
        rig.turn_clock(Duration::from_millis(1));
        if round / 2 == 1 {
            rig.crash().await;
        }
    }
}

/// What wasn't accepted doesn't hold its key; what was accepted is repeated where nothing is
/// accepted.
pub async fn a_refused_message_leaves_its_key_free<E: Engine>() {
    let mut rig = Rig::<E>::with(KEEP, Some(ByteCount::new(1000))).await;
    let plan = rig.plan(&["stock"]).await;
    let large = keyed(rig.message(&plan, &"x".repeat(1000)), "large", HOUR);
    accept(&rig, &large).await.expect("there is room");
    rig.engine.settle().await;
    let refused = keyed(rig.message(&plan, "seven"), "a key", HOUR);
    for _ in 0..2 {
        let result = accept(&rig, &refused).await;
        assert!(matches!(result, Err(Error::Full { .. })), "{result:?}");
    }
    repeats(&accept(&rig, &large).await, &large);

    let mut lane = rig.lane("stock");
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    rig.engine.settle().await;
    accept(&rig, &refused).await.expect("the key is free");
    repeats(&accept(&rig, &refused).await, &refused);
}

/// The same text on another route is another key.
pub async fn keys_are_their_scopes_own<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut accepted = Vec::new();
    for route in ["orders", "returns"] {
        let plan = plan(route, &["stock"]);
        rig.keep(&plan).await;
        let message = keyed(rig.message(&plan, "seven"), "a key", HOUR);
        accept(&rig, &message).await.expect("it is the route's own");
        accepted.push(message);
    }
    for message in &accepted {
        repeats(&accept(&rig, message).await, message);
    }
}

/// Messages without keys, or with others, are accepted however equal they are.
pub async fn other_keys_and_none_are_no_concern<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let messages = [
        keyed(rig.message(&plan, "seven"), "a key", HOUR),
        keyed(rig.message(&plan, "seven"), "a key ", HOUR),
        rig.message(&plan, "seven"),
        rig.message(&plan, "seven"),
    ];
    for message in &messages {
        accept(&rig, message).await.expect("nothing is in its way");
    }
}

/// Where one key of a group is taken none of its messages is kept, and its other keys are free.
pub async fn a_group_with_a_taken_key_is_refused_whole<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let first = keyed(rig.message(&plan, "seven"), "taken", HOUR);
    accept(&rig, &first).await.expect("nobody has the key");
    let free = keyed(rig.message(&plan, "eight"), "free", HOUR);
    let twice = keyed(rig.message(&plan, "eight"), "free", HOUR);
    let taken = keyed(rig.message(&plan, "seven"), "taken", HOUR);
    let none = rig.message(&plan, "nine");
    let with_taken = vec![Arc::clone(&free), none.clone(), taken];
    let result = rig.store().accept(with_taken).await;
    repeats(&result, &first);
    let with_one_twice = vec![Arc::clone(&free), none.clone(), twice];
    let result = rig.store().accept(with_one_twice).await;
    assert_eq!(result, Err(Error::KeyTaken));
    rig.engine.settle().await;
    for refused in [free.id, none.id] {
        assert!(!is_known(&rig, refused).await);
    }
    let result = rig.store().accept(vec![free, none]).await;
    assert_eq!(result, Ok(()));
}

/// Whoever doesn't wait for the answer leaves a key that is free, or a message that has it.
pub async fn a_dropped_acceptance_leaves_no_key_behind<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    fill_memory(&mut rig, &plan).await;
    let mut accepted = 5;
    for polls in 0..6 {
        let key = format!("dropped after {polls} polls");
        let first = keyed(rig.message(&plan, "seven"), &key, HOUR);
        let mut accepting = rig.store().accept(vec![Arc::clone(&first)]);
        for _ in 0..polls {
            let mut context = Context::from_waker(Waker::noop());
            if accepting.as_mut().poll(&mut context).is_ready() {
                // It mustn't be polled again.
                accepting = Box::pin(std::future::pending());
            }
        }
        drop(accepting);
        rig.engine.settle().await;
        let again = keyed(rig.message(&plan, "seven"), &key, HOUR);
        match accept(&rig, &again).await {
            Ok(()) => assert!(!is_known(&rig, first.id).await),
            repeated => repeats(&repeated, &first),
        }
        repeats_any(&accept(&rig, &again).await, [first.id, again.id]);
        accepted += 1;
    }
    let mut lane = rig.lane("stock");
    take_all(&mut lane, rig.now(), accepted).await;
}

#[track_caller]
fn repeats_any(result: &Result<(), Error>, ids: [MessageId; 2]) {
    let Err(accept::Error::Repeated { accepted }) = result else {
        panic!("{result:?}");
    };
    assert!(ids.contains(accepted));
}
