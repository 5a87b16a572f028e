//! Targets that say how much they still take.

use std::sync::{Arc, Mutex, PoisonError};

use fanway_dispatch::Addresses;
use fanway_target::{Answer, AttemptRequest, Captured, Exchange, Limits, Target};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{DeliveryId, HeldBy, Verdict};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::bench::{Bench, Running, fixed, millis, pass, secs};

fn limit(text: &str) -> Limits {
    Limits {
        limit: Some(text.into()),
        ..Limits::default()
    }
}

/// An answer that says what remains and for how many seconds.
fn says(status: u16, remaining: u64, reset: u64) -> Reply {
    Reply::status(status).with_limits(limit(&format!("\"default\";r={remaining};t={reset}")))
}

/// A target that takes so many requests in each of its windows, says so, and answers 429 beyond.
#[derive(Clone)]
struct Counting {
    most: u64,
    window: u64,
    began: Instant,
    shared: Arc<Mutex<Vec<Instant>>>,
}

impl Counting {
    fn new(most: u64, window: u64) -> Self {
        Self {
            most,
            window,
            began: Instant::now(),
            shared: Arc::default(),
        }
    }

    fn seen(&self) -> Vec<Instant> {
        let seen = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Which of its windows a moment is in.
    fn number(&self, at: Instant) -> u64 {
        (at - self.began).as_secs() / self.window
    }

    fn answer(&self) -> Exchange {
        let now = Instant::now();
        let mut seen = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(now);
        let number = self.number(now);
        let taken = seen.iter().filter(|at| self.number(**at) == number).count();
        let taken = u64::try_from(taken).expect("few");
        let end = self.began + secs((number + 1) * self.window);
        // Told in whole seconds, rounded up.
        let reset = (end - now + millis(999)).as_secs();
        let remaining = self.most.saturating_sub(taken);
        Exchange::Answered {
            status: if taken > self.most { 429 } else { 200 },
            retry_after: None,
            limits: Some(Box::new(limit(&format!("\"a\";r={remaining};t={reset}")))),
            body: Captured::Nothing,
        }
    }
}

impl Target for Counting {
    fn attempt(&self, _: AttemptRequest) -> BoxFuture<'static, Answer> {
        let target = self.clone();
        Box::pin(async move {
            tokio::time::sleep(millis(5)).await;
            let exchange = target.answer();
            tokio::time::sleep(millis(5)).await;
            Answer {
                exchange,
                took: millis(10),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_from_which_nothing_remains_is_left_alone_until_its_reset() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([says(200, 0, 30)], says(200, 50, 60));
    let lane = bench.start(&target);
    let first = bench.accept_one().await;
    bench.ended(&first).await;
    let later = bench.accept(3).await;
    pass(secs(29)).await;
    assert_eq!(target.attempts(), 1);
    let snapshot = lane.snapshot();
    assert_eq!(
        (snapshot.held_by, snapshot.waiting),
        (Some(HeldBy::Limit), 3)
    );
    let until = snapshot.held_until.expect("it is known");
    assert_eq!(until.since(first.received_at()), secs(30));
    bench.all_ended(&later).await;
    let seen = target.seen();
    assert!(seen[1].at - seen[0].at >= secs(30), "it was called early");
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_over_for_those_who_look_though_nothing_waits() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(says(200, 0, 30));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    pass(secs(29)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Limit));
    pass(secs(2)).await;
    assert_eq!(lane.snapshot().held_by, None);
}

#[tokio::test(start_paused = true)]
async fn no_hold_is_longer_than_the_longest_pause() {
    let mut bench = Bench::new().await;
    let script = [says(200, 0, 999_999_999_999)];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = bench.start(&target);
    let messages = bench.accept(1).await;
    bench.all_ended(&messages).await;
    let later = bench.accept(1).await;
    bench.all_ended(&later).await;
    let seen = target.seen();
    let gap = seen[1].at - seen[0].at;
    assert!(gap >= secs(3600) && gap < secs(3601), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn what_remains_is_spread_over_the_time_that_it_has_to_last() {
    let mut bench = Bench::new().await;
    let target = Counting::new(10, 60);
    let mut params = bench.params(&ScriptedTarget::always(Reply::hang()));
    params.target = Addresses::One(Arc::new(target.clone()));
    params.concurrency = fixed(1);
    let _lane = Running::start(params);
    let messages = bench.accept(30).await;
    bench.all_ended(&messages).await;
    let seen = target.seen();
    assert_eq!(seen.len(), 30, "none was answered by 429");
    for pair in seen[1..10].windows(2) {
        let gap = pair[1] - pair[0];
        assert!(gap >= secs(5) && gap <= secs(9), "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_runs_into_no_429_once_the_target_is_known() {
    let mut bench = Bench::new().await;
    let target = Counting::new(100, 10);
    let mut params = bench.params(&ScriptedTarget::always(Reply::hang()));
    params.target = Addresses::One(Arc::new(target.clone()));
    let _lane = Running::start(params);
    let messages = bench.accept(1000).await;
    bench.all_ended(&messages).await;
    let seen = target.seen();
    assert_eq!(seen.len(), 1000, "some were answered by 429");
    let took = *seen.last().expect("many") - seen[0];
    assert!(took >= secs(90) && took <= secs(115), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_429_without_retry_after_holds_until_the_reset_that_it_tells() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([says(429, 0, 40)], Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let seen = target.seen();
    assert_eq!(seen[1].at - seen[0].at, secs(40));
    let outcomes = bench.outcomes_of(DeliveryId::first(message.id, 0));
    let Verdict::Again { due, .. } = outcomes[0].verdict else {
        panic!("it ended");
    };
    assert_eq!(due.since(outcomes[0].at), secs(40));
    assert_eq!(outcomes[1].used, 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_wins_over_what_else_is_said() {
    let mut bench = Bench::new().await;
    let busy = Reply::retry_after(429, "5").with_limits(limit("\"a\";r=0;t=600"));
    let target = ScriptedTarget::scripted([busy], Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let seen = target.seen();
    assert_eq!(seen[1].at - seen[0].at, secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_understood_holds_nothing() {
    let mut bench = Bench::new().await;
    for said in [
        "r=0;t=60",
        "\"a\";r=0",
        "\"a\";r=-5;t=9",
        "",
        "\"a\";r=0;t=0",
    ] {
        let target = ScriptedTarget::always(Reply::status(200).with_limits(limit(said)));
        let lane = bench.start(&target);
        let began = Instant::now();
        let messages = bench.accept(100).await;
        bench.all_ended(&messages).await;
        assert!(began.elapsed() < secs(1), "{said}");
        lane.kill().await;
    }
}
