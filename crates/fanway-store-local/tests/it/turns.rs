//! Routes that share a target have turns at a backlog on the disk.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use fanway_store::lane::Room;
use fanway_store::{Lane, Store as _};
use fanway_store_local::{LocalStore, Tuning};
use fanway_types::{ByteCount, MessageId, Plan};

use crate::folder::Folder;
use crate::scene::{NOW, PLENTY, Scene, TARGETS, name};

/// What a plan has of one turn.
const TURN: usize = 64;

/// A store whose lanes fall behind at once, and which posts at once.
async fn behind() -> (Scene, LocalStore) {
    let mut folder = Folder::new();
    folder.tuning = Tuning {
        feed: Room {
            deliveries: 1,
            bytes: ByteCount::new(1),
        },
        rest: Duration::ZERO,
        ..Tuning::default()
    };
    let scene = Scene::new(folder);
    let store = scene.open().await;
    (scene, store)
}

/// Accepts so many messages of a route, and waits until they are in the ledger.
async fn accept(
    scene: &mut Scene,
    store: &LocalStore,
    route: &str,
    count: usize,
) -> Vec<MessageId> {
    scene.plan = Arc::new(Plan {
        route: route.parse().expect("well-formed"),
        ..Plan::clone(&scene.plan)
    });
    let kept = store.keep_plan(Arc::clone(&scene.plan)).await;
    kept.expect("the journal has room for a plan");
    let messages: Vec<_> = (0..count).map(|_| scene.message(1)).collect();
    let ids = messages.iter().map(|message| message.id).collect();
    for group in messages.chunks(100) {
        store.accept(group.to_vec()).await.expect("there is room");
    }
    store.posted().await.expect("nothing fails here");
    ids
}

/// Takes so many deliveries at most; returns whose they are.
async fn take(lane: &mut dyn Lane, most: usize) -> Vec<MessageId> {
    let mut work = Vec::new();
    let room = Room {
        deliveries: most,
        ..PLENTY
    };
    let taken = poll_fn(|cx| lane.poll_take(cx, NOW, room, &mut work)).await;
    taken.expect("an open store hands out");
    work.iter().map(|work| work.delivery.message).collect()
}

#[tokio::test]
async fn what_a_route_floods_a_target_with_keeps_no_other_route_waiting() {
    let (mut scene, store) = behind().await;
    let flood = accept(&mut scene, &store, "flood", 1000).await;
    let mut lane = store.lane(&name(TARGETS[0])).expect("the only lane");
    let first = take(&mut *lane, TURN).await;
    assert_eq!(first, flood[..TURN]);
    let few = accept(&mut scene, &store, "few", 3).await;
    let next = take(&mut *lane, TURN).await;
    assert_eq!(next[..3], few);
    assert_eq!(next[3..], flood[TURN..2 * TURN - 3]);
    let more = accept(&mut scene, &store, "few", 2 * TURN).await;
    let next = take(&mut *lane, 3 * TURN).await;
    assert_eq!(next[..TURN], more[..TURN]);
    assert_eq!(next[TURN..2 * TURN], flood[2 * TURN - 3..3 * TURN - 3]);
    assert_eq!(next[2 * TURN..], more[TURN..]);
}

#[tokio::test]
async fn with_turns_each_comes_once_and_those_of_a_route_in_their_order() {
    let (mut scene, store) = behind().await;
    let mut lane = store.lane(&name(TARGETS[0])).expect("the only lane");
    let routes = ["a", "b", "c"];
    let mut accepted: [Vec<MessageId>; 3] = Default::default();
    let mut taken = Vec::new();
    // Some are read while others come, and each route is the last one read of at some time.
    for (round, most) in [70, 1, 63, 129, 5, 200].into_iter().enumerate() {
        for (index, route) in routes.iter().enumerate() {
            let count = 1 + 90 * ((round + index) % 3);
            accepted[index].extend(accept(&mut scene, &store, route, count).await);
        }
        taken.extend(take(&mut *lane, most).await);
    }
    let all: usize = accepted.iter().map(Vec::len).sum();
    while taken.len() < all {
        taken.extend(take(&mut *lane, 50).await);
    }
    assert_eq!(taken.len(), all);
    for of_route in &accepted {
        let of_route_taken = taken.iter().filter(|id| of_route.contains(id));
        assert!(of_route_taken.eq(of_route), "each once, in their order");
    }
}
