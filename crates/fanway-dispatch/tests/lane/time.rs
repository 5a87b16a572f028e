//! A wall clock that jumps.

use std::num::NonZeroU32;

use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::{MessageState, Terms};

use crate::bench::{Bench, Running, START, healthy, millis, pass, secs};

const YEAR: i64 = 365 * 24 * 3600 * 1000;

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_delays_a_retry_no_longer_than_the_longest_wait() {
    let mut bench = Bench::new().await;
    let script = [Reply::retry_after(503, "1800")];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    lane.kill().await;
    bench.clock.jump(-YEAR);
    let _lane = bench.start(&target);
    bench.ended(&message).await;
    let seen = target.seen();
    let gap = seen[1].at - seen[0].at;
    assert!(gap >= secs(3600) && gap < secs(3602), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn many_due_times_beyond_the_horizon_keep_their_distances() {
    let mut bench = Bench::new().await;
    let script = (0..5).map(|number| Reply::retry_after(503, &(60 * (number + 1)).to_string()));
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let mut params = bench.params(&target);
    params.breaker.consecutive = NonZeroU32::MAX;
    let lane = Running::start(params);
    let messages = bench.accept(5).await;
    pass(secs(1)).await;
    bench.clock.jump(-YEAR);
    lane.kill().await;
    let _lane = bench.start(&target);
    bench.all_ended(&messages).await;
    let seen = target.seen();
    let gaps: Vec<u64> = seen[5..]
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_secs())
        .collect();
    assert_eq!(gaps, [60, 60, 60, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_or_back_doesnt_stop_what_waits_within_the_lane() {
    for jump in [YEAR, -YEAR] {
        let mut bench = Bench::new().await;
        let script = [Reply::retry_after(503, "4")];
        let target = ScriptedTarget::scripted(script, Reply::status(200));
        let _lane = bench.start(&target);
        let message = bench.accept_one().await;
        pass(secs(1)).await;
        bench.clock.jump(jump);
        bench.ended(&message).await;
        let seen = target.seen();
        let gap = seen[1].at - seen[0].at;
        assert!(gap >= secs(4) && gap < secs(5), "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_attempted_before_its_time_though_that_is_beyond_the_longest_wait() {
    let mut bench = Bench::new().await;
    let target = healthy();
    let lane = bench.start(&target);
    let days = secs(30 * 24 * 3600);
    let terms = Terms {
        not_before: Some(START.saturating_add(days)),
        ..Terms::default()
    };
    let messages = bench.accept_with(2, &terms).await;
    pass(secs(3 * 24 * 3600)).await;
    lane.kill().await;
    let _lane = bench.start(&target);
    let other = bench.accept_one().await;
    bench.ended(&other).await;
    pass(days - secs(3 * 24 * 3600) - millis(10)).await;
    assert_eq!(target.attempts(), 1);
    for message in &messages {
        let view = bench.ended(message).await;
        assert_eq!(view.state, MessageState::Delivered);
        let at = view.ended_at.expect("it has ended");
        assert_eq!(at, START.saturating_add(days + millis(1)));
    }
}
