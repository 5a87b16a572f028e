//! 429: the target asks for time.

use std::time::Duration;

use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{AgainCause, DeliveryId, HeldBy, Verdict};

use crate::bench::{Bench, Running, fixed, millis, pass, secs};

#[tokio::test(start_paused = true)]
async fn a_429_holds_the_lane_and_uses_no_attempt() {
    let mut bench = Bench::new().await;
    let script = [Reply::retry_after(429, "120")];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    let later = bench.accept(10).await;
    pass(secs(118)).await;
    assert_eq!(target.attempts(), 1);
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Limit));
    assert_eq!(lane.snapshot().waiting, 11);
    bench.all_ended(&later).await;
    bench.ended(&message).await;
    let outcomes = bench.outcomes_of(DeliveryId::first(message.id, 0));
    let Verdict::Again { due, cause } = outcomes[0].verdict else {
        panic!("it ended");
    };
    assert_eq!(cause, AgainCause::Pushback);
    assert_eq!(due.since(outcomes[0].at), secs(120));
    assert_eq!((outcomes[0].attempts, outcomes[0].used), (1, 0));
    assert_eq!((outcomes[1].attempts, outcomes[1].used), (2, 1));
    assert_eq!(outcomes[1].spent, secs(0));
    assert_eq!(lane.snapshot().held_by, None);
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_no_longer_than_the_longest_pause() {
    let mut bench = Bench::new().await;
    let script = [Reply::retry_after(429, "99999999999")];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let seen = target.seen();
    let gap = seen[1].at - seen[0].at;
    assert!(gap >= secs(3600) && gap < secs(3601), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_only_ever_says_429_is_called_ever_more_rarely() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::retry_after(429, "0").after(millis(5)));
    let mut params = bench.params(&target);
    params.concurrency = fixed(1);
    let lane = Running::start(params);
    bench.accept(100).await;
    pass(secs(24 * 3600)).await;
    // 12 pauses of 1 s to 2048 s, then one call an hour.
    let attempts = target.attempts();
    assert!((30..=40).contains(&attempts), "{attempts}");
    assert!(bench.store.outcomes().iter().all(|it| it.used == 0));
    assert_eq!(lane.snapshot().breaker.as_str(), "closed");
}

#[tokio::test(start_paused = true)]
async fn many_429s_at_once_are_one_pause() {
    let mut bench = Bench::new().await;
    let script = vec![Reply::status(429).after(millis(5)); 64];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = bench.start(&target);
    let messages = bench.accept(64).await;
    bench.all_ended(&messages).await;
    let seen = target.seen();
    let gap = seen[64].at - seen[0].at;
    assert!(gap >= secs(1) && gap < millis(1100), "{gap:?}");
}

/// How long a lane is held by a 429 with this `Retry-After`. The bench begins at 22:13:20.
async fn held_by(retry_after: &str) -> Duration {
    let mut bench = Bench::new().await;
    let script = [Reply::retry_after(429, retry_after)];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    assert_eq!(bench.last_outcome(&message).used, 1);
    let seen = target.seen();
    seen[1].at - seen[0].at
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_until_the_date_that_it_names() {
    for date in [
        "Tue, 14 Nov 2023 22:15:20 GMT",
        "Tuesday, 14-Nov-23 22:15:20 GMT",
        "Tue Nov 14 22:15:20 2023",
    ] {
        assert_eq!(held_by(date).await, secs(120), "{date}");
    }
    let far = held_by("Fri, 14 Nov 2053 22:15:20 GMT").await;
    assert_eq!(far, secs(3600));
}

#[tokio::test(start_paused = true)]
async fn a_429_that_names_no_time_to_come_holds_as_one_that_names_none() {
    for absurd in [
        "Tue, 14 Nov 2023 22:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "-1",
        "1.5",
        "soon",
        "",
    ] {
        assert_eq!(held_by(absurd).await, secs(1), "{absurd:?}");
    }
}
