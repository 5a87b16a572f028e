//! What a target's deliveries share: breaker, limits, and the time that it asks for.

use std::num::{NonZeroU32, NonZeroUsize};

use fanway::{Concurrency, End, Hold, Message, Request, Target, breaker, rate};
use fanway_testkit::scripted_target::{Reply, ScriptedTarget};
use futures_util::future::join_all;
use tokio::time::{Instant, advance, timeout};

use crate::scene::{SECOND, built, scripted, sent};

fn three() -> breaker::Params {
    breaker::Params {
        consecutive: NonZeroU32::new(3).expect("3 is not 0"),
        ..breaker::Params::default()
    }
}

fn at_a_time(count: usize) -> Concurrency {
    Concurrency::Fixed(NonZeroUsize::new(count).expect("not 0"))
}

#[track_caller]
fn check_held(end: &End, expected: Hold) {
    assert!(
        matches!(end, End::Held { by, .. } if *by == expected),
        "{end:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_and_holds_for_all_clones() {
    let wire = ScriptedTarget::always(Reply::status(500));
    let (target, wire) = built("stock", wire, |it| it.breaker(three()));
    let outcome = sent(&target, 20 * SECOND).await;
    check_held(&outcome.end, Hold::Breaker);
    assert_eq!((outcome.status(), wire.attempts()), (Some(500), 3));
    let began = Instant::now();
    let outcome = sent(&target.clone(), 20 * SECOND).await;
    check_held(&outcome.end, Hold::Breaker);
    assert_eq!((outcome.attempts, wire.attempts()), (0, 3));
    assert!(began.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn probes_close_the_breaker_again() {
    let wire = ScriptedTarget::scripted([(); 3].map(|()| Reply::status(500)), Reply::status(200));
    let (target, wire) = built("stock", wire, |it| it.breaker(three()));
    let outcome = sent(&target, 60 * SECOND).await;
    assert!(outcome.is_delivered(), "{outcome}");
    assert_eq!((outcome.attempts, wire.attempts()), (4, 4));
    assert!(sent(&target, SECOND).await.is_delivered());
}

#[tokio::test(start_paused = true)]
async fn failed_probes_use_nothing_up() {
    let wire = ScriptedTarget::scripted([(); 9].map(|()| Reply::status(500)), Reply::status(200));
    let (target, _) = built("stock", wire, |it| it.breaker(three()));
    let outcome = sent(&target, 3600 * SECOND).await;
    assert!(outcome.is_delivered(), "{outcome}");
    assert_eq!(outcome.attempts, 10);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_hold_what_comes_after() {
    let (target, wire) = scripted("stock", [], Reply::status(401));
    check_held(&sent(&target, 10 * SECOND).await.end, Hold::Credentials);
    check_held(&sent(&target, 10 * SECOND).await.end, Hold::Credentials);
    assert_eq!(wire.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pushback_holds_the_target_and_uses_nothing_up() {
    let script = (0..6).map(|_| Reply::retry_after(429, "2"));
    let (target, wire) = scripted("stock", script, Reply::status(200));
    let outcome = sent(&target, 60 * SECOND).await;
    assert!(outcome.is_delivered(), "{outcome}");
    assert_eq!(wire.attempts(), 7);
    let (target, _) = scripted("stock", [], Reply::retry_after(429, "90"));
    check_held(&sent(&target, 60 * SECOND).await.end, Hold::Pushback);
}

#[tokio::test(start_paused = true)]
async fn attempts_keep_to_concurrency_over_all_sends() {
    let wire = ScriptedTarget::always(Reply::status(200).after(SECOND));
    let (target, wire) = built("stock", wire, |it| it.concurrency(at_a_time(2)));
    let began = Instant::now();
    let outcomes = join_all((0..6).map(|_| sent(&target, 10 * SECOND))).await;
    assert!(outcomes.iter().all(fanway::Outcome::is_delivered));
    assert_eq!((began.elapsed(), wire.peak()), (3 * SECOND, 2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_limit_is_held_by_it_at_the_deadline() {
    let wire = ScriptedTarget::always(Reply::status(200).after(5 * SECOND));
    let (target, wire) = built("stock", wire, |it| it.concurrency(at_a_time(1)));
    let sends = [8, 2, 3].map(|seconds| sent(&target, seconds * SECOND));
    let outcomes = join_all(sends).await;
    assert!(outcomes[0].is_delivered());
    check_held(&outcomes[1].end, Hold::Limit);
    check_held(&outcomes[2].end, Hold::Limit);
    assert_eq!(wire.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_keep_to_the_rate() {
    let one = NonZeroU32::MIN;
    let wire = ScriptedTarget::always(Reply::status(200));
    let (target, wire) = built("stock", wire, |it| it.rate(rate::Params::new(one, SECOND)));
    let outcomes = join_all((0..4).map(|_| sent(&target, 10 * SECOND))).await;
    assert!(outcomes.iter().all(fanway::Outcome::is_delivered));
    let seen = wire.seen();
    assert!(seen.windows(2).all(|two| two[1].at - two[0].at >= SECOND));
}

/// Breaks a send off after a while.
async fn broken_off(target: &Target, requests: usize) {
    let message = (0..requests).fold(Message::new(), |message, _| {
        message.to(target, Request::post())
    });
    let sending = message.deadline(3600 * SECOND).send();
    assert!(timeout(SECOND, sending).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_gives_back_what_it_held() {
    let (target, wire) = built("stock", ScriptedTarget::always(Reply::hang()), |it| {
        it.concurrency(at_a_time(2))
    });
    broken_off(&target, 5).await;
    assert_eq!((target.in_flight(), wire.peak()), (0, 2));
    wire.reply_from_now_on(Reply::status(200));
    let outcomes = join_all((0..5).map(|_| sent(&target, SECOND))).await;
    assert!(outcomes.iter().all(fanway::Outcome::is_delivered));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_leaves_the_breaker_to_the_next() {
    let script = [(); 3].map(|()| Reply::status(500));
    let (target, wire) = built(
        "stock",
        ScriptedTarget::scripted(script, Reply::hang()),
        |it| it.breaker(three()),
    );
    check_held(&sent(&target, 10 * SECOND).await.end, Hold::Breaker);
    advance(31 * SECOND).await;
    broken_off(&target, 2).await;
    assert_eq!(wire.attempts(), 4);
    wire.reply_from_now_on(Reply::status(200));
    assert!(sent(&target, SECOND).await.is_delivered());
}
