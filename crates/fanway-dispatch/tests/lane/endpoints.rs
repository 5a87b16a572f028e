//! A target with more than one address.

use std::num::NonZeroU32;
use std::sync::Arc;

use fanway_dispatch::endpoints::Standing::{Down, Ejected, Up};
use fanway_dispatch::endpoints::{Check, Endpoint, Params};
use fanway_dispatch::handle::Breaker;
use fanway_dispatch::{Addresses, lane};
use fanway_policy::endpoints::{self as policy, Balance, eject, health};
use fanway_target::FailureKind;
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_types::MessageState;

use crate::bench::{Bench, Running, fixed, healthy, millis, pass, secs};

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not 0")
}

/// These endpoints, in turn.
pub(crate) fn in_turn(targets: &[&ScriptedTarget]) -> Params {
    let endpoint = |(at, target): (usize, &&ScriptedTarget)| Endpoint {
        name: format!("http://e{at}").into(),
        weight: count(1),
        target: Arc::new((*target).clone()),
        check: None,
    };
    Params {
        endpoints: targets.iter().enumerate().map(endpoint).collect(),
        policy: policy::Params {
            balance: Balance::RoundRobin,
            eject: eject::Params::default(),
            health: None,
        },
        check_every: secs(10),
        hedge_after: None,
    }
}

/// The same, each checked by the target of the same place.
fn checked(targets: &[&ScriptedTarget], checks: &[&ScriptedTarget]) -> Params {
    let mut params = in_turn(targets);
    for (endpoint, check) in params.endpoints.iter_mut().zip(checks) {
        endpoint.check = Some(Check {
            target: Arc::new((*check).clone()),
            path: "/health".into(),
        });
    }
    params.policy.health = Some(health::Params {
        healthy: count(2),
        unhealthy: count(3),
    });
    params
}

pub(crate) fn params(bench: &Bench, endpoints: Params) -> lane::Params {
    lane::Params {
        target: Addresses::Many(endpoints),
        ..bench.params(&healthy())
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_spread_over_the_endpoints() {
    let mut bench = Bench::new().await;
    let targets = [healthy(), healthy(), healthy()];
    let [one, two, three] = &targets;
    let mut endpoints = in_turn(&[one, two, three]);
    endpoints.endpoints[2].weight = count(2);
    let lane = Running::start(params(&bench, endpoints));
    let messages = bench.accept(40).await;
    bench.all_ended(&messages).await;
    let attempts = targets.each_ref().map(ScriptedTarget::attempts);
    assert_eq!(attempts, [10, 10, 20]);
    assert_eq!(lane.endpoints(), [Up, Up, Up]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_failed_is_made_again_at_another_endpoint() {
    let mut bench = Bench::new().await;
    let (failing, well) = (ScriptedTarget::always(Reply::status(503)), healthy());
    let mut endpoints = in_turn(&[&failing, &well]);
    endpoints.endpoints[0].weight = count(9);
    let mut params = params(&bench, endpoints);
    params.concurrency = fixed(1);
    let _lane = Running::start(params);
    for _ in 0..8 {
        let message = bench.accept_one().await;
        let view = bench.ended(&message).await;
        assert_eq!(view.state, MessageState::Delivered);
        assert!(bench.last_outcome(&message).attempts <= 2);
    }
    assert!(failing.attempts() > 1);
}

#[tokio::test(start_paused = true)]
async fn one_dead_endpoint_of_two_is_left_out_and_the_breaker_stays_closed() {
    let mut bench = Bench::new().await;
    let dead = ScriptedTarget::always(Reply::broken().after(millis(1)));
    let well = healthy();
    let lane = Running::start(params(&bench, in_turn(&[&dead, &well])));
    let messages = bench.accept(64).await;
    pass(millis(10)).await;
    assert_eq!(lane.endpoints(), [Ejected, Up]);
    assert_eq!(lane.snapshot().breaker, Breaker::Closed);
    assert_eq!(dead.attempts(), 32);
    bench.all_ended(&messages).await;
    assert_eq!((dead.attempts(), well.attempts()), (32, 64));
    let text = bench.counted();
    for line in [
        r#"endpoint_state{target="inventory",endpoint="http://e0"} 1"#,
        r#"endpoint_state{target="inventory",endpoint="http://e1"} 0"#,
        r#"endpoint_in_flight{target="inventory",endpoint="http://e1"} 0"#,
        r#"endpoint_attempts_total{target="inventory",endpoint="http://e0",outcome="failed"} 32"#,
        r#"endpoint_attempts_total{target="inventory",endpoint="http://e1",outcome="answered"} 64"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_all_endpoints_fail_the_breaker_opens_as_for_one() {
    let mut bench = Bench::new().await;
    let dead = ScriptedTarget::always(Reply::status(502));
    let lane = Running::start(params(&bench, in_turn(&[&dead, &dead])));
    bench.accept(64).await;
    pass(millis(10)).await;
    assert_eq!(lane.snapshot().breaker, Breaker::Open);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_checks_fail_is_left_out_until_they_pass() {
    let mut bench = Bench::new().await;
    let (first, second) = (healthy(), healthy());
    let sick = ScriptedTarget::always(Reply::status(500));
    let well = ScriptedTarget::always(Reply::status(204));
    let endpoints = checked(&[&first, &second], &[&sick, &well]);
    let lane = Running::start(params(&bench, endpoints));
    pass(secs(45)).await;
    assert_eq!(lane.endpoints(), [Down, Up]);
    assert_eq!(sick.seen()[0].request.path_and_query.as_ref(), "/health");
    let messages = bench.accept(10).await;
    bench.all_ended(&messages).await;
    assert_eq!((first.attempts(), second.attempts()), (0, 10));
    sick.reply_from_now_on(Reply::status(200));
    pass(secs(25)).await;
    assert_eq!(lane.endpoints(), [Up, Up]);
    let text = bench.counted();
    let attempts = r#"fanway_target_attempts_total{target="inventory",outcome="failed"} 0"#;
    assert!(text.contains(attempts), "checks count against nothing");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_token_says_nothing_of_an_endpoint() {
    let mut bench = Bench::new().await;
    let none = Reply::failed(FailureKind::Token, "no token");
    let (first, second) = (
        ScriptedTarget::scripted(vec![none.clone(); 32], Reply::status(200)),
        healthy(),
    );
    let check = ScriptedTarget::always(none);
    let endpoints = checked(&[&first, &second], &[&check, &check]);
    let lane = Running::start(params(&bench, endpoints));
    let messages = bench.accept(64).await;
    pass(millis(10)).await;
    assert_eq!(lane.endpoints(), [Up, Up]);
    bench.all_ended(&messages).await;
    pass(secs(45)).await;
    assert!(check.attempts() > 3);
    assert_eq!(lane.endpoints(), [Up, Up]);
}

#[tokio::test(start_paused = true)]
async fn checks_come_at_their_interval_and_end_with_the_lane() {
    let bench = Bench::new().await;
    let (target, check) = (healthy(), ScriptedTarget::always(Reply::status(200)));
    let lane = Running::start(params(&bench, checked(&[&target], &[&check])));
    pass(secs(1000)).await;
    let checks = check.attempts();
    assert!((91..=111).contains(&checks), "{checks}");
    lane.kill().await;
    pass(secs(100)).await;
    assert_eq!(check.attempts(), checks);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_known_of_endpoints_that_stay_and_forgets_the_others() {
    let mut bench = Bench::new().await;
    let (dead, well) = (ScriptedTarget::always(Reply::broken()), healthy());
    let check = ScriptedTarget::always(Reply::status(200));
    let lane = Running::start(params(&bench, checked(&[&dead, &well], &[&check, &check])));
    bench.accept(64).await;
    pass(millis(10)).await;
    assert_eq!(lane.endpoints(), [Ejected, Up]);
    let (same, new) = (healthy(), healthy());
    let mut endpoints = in_turn(&[&same, &well, &new]);
    endpoints.endpoints.remove(1);
    lane.reconfigure(&healthy(), |settings| {
        settings.target = Addresses::Many(endpoints);
    });
    pass(millis(1)).await;
    assert_eq!(lane.endpoints(), [Ejected, Up]);
    let checks = check.attempts();
    let later = bench.accept(4).await;
    bench.all_ended(&later).await;
    pass(secs(60)).await;
    assert_eq!(same.attempts(), 0, "it is still left out");
    assert_eq!(check.attempts(), checks, "nothing is checked any more");
    let text = bench.counted();
    assert!(!text.contains("http://e1"), "it is gone from\n{text}");
    lane.reconfigure(&well, |_| {});
    pass(millis(1)).await;
    assert!(lane.endpoints().is_empty());
}
