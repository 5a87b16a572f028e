//! What is counted.

use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;

use crate::bench::{Bench, millis, pass};

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_by_outcome() {
    let mut bench = Bench::new().await;
    let script = [
        Reply::status(503).after(millis(20)),
        Reply::status(422),
        Reply::status(429),
        Reply::status(401),
    ];
    let target = ScriptedTarget::scripted(script, Reply::status(200));
    let _lane = bench.start(&target);
    let messages = bench.accept(5).await;
    bench.all_ended(&messages).await;
    pass(millis(1)).await;
    let text = bench.counted();
    for line in [
        r#"fanway_target_attempts_total{target="inventory",outcome="failed"} 1"#,
        r#"fanway_target_attempts_total{target="inventory",outcome="refused"} 1"#,
        r#"fanway_target_attempts_total{target="inventory",outcome="pushback"} 1"#,
        r#"fanway_target_attempts_total{target="inventory",outcome="credentials"} 1"#,
        r#"fanway_target_attempts_total{target="inventory",outcome="delivered"} 4"#,
        r#"fanway_target_attempt_seconds_count{target="inventory"} 8"#,
        r#"fanway_target_in_flight{target="inventory"} 0"#,
        r#"fanway_target_window_waiting{target="inventory"} 0"#,
        r#"fanway_target_breaker_state{target="inventory"} 0"#,
        r#"fanway_target_paused{target="inventory"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
