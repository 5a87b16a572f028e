//! What counts: success by status and body, lists of what is retried, and a target that is gone.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use fanway_dispatch::Counts;
use fanway_dispatch::endpoints::Standing::{Ejected, Up};
use fanway_policy::exchange::{self, Otherwise, Rules};
use fanway_store::change::{Control, PauseCause};
use fanway_target::{Capture, Captured};
use fanway_testkit::ScriptedTarget;
use fanway_testkit::scripted_target::Reply;
use fanway_transform::Predicate;
use fanway_types::{
    AgainCause, DeadReason, DeliveryId, DeliveryState, End, HeldBy, Outcome, Verdict,
};

use crate::bench::{Bench, Running, millis, pass, secs};
use crate::endpoints::{in_turn, params};

/// Rules by what stands in a config.
fn rules(success: &[&str], on: &[&str], never: &[&str], otherwise: Otherwise) -> Rules {
    let statuses = |texts: &[&str]| {
        texts
            .iter()
            .map(|it| it.parse().expect("statuses"))
            .collect()
    };
    Rules::new(&exchange::Params {
        success: statuses(success),
        on: on.iter().map(|it| it.parse().expect("a word")).collect(),
        never: statuses(never),
        otherwise,
    })
}

/// What is asked for `.ok == true`, and what an answer else is.
fn ok(otherwise: Otherwise) -> Counts {
    Counts {
        rules: rules(&["2xx"], &["transient"], &[], otherwise),
        body: Some(Predicate::compile(".ok == true").expect("it compiles")),
    }
}

fn start(bench: &Bench, target: &ScriptedTarget, counts: Counts) -> Running {
    let mut params = bench.params(target);
    params.counts = counts;
    Running::start(params)
}

/// How the delivery ends that gets this answer where `.ok == true` is asked, and with what detail.
async fn check_failed(reply: Reply, expected: &str) {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(reply);
    let lane = start(&bench, &target, ok(Otherwise::Fail));
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    let outcome = bench.last_outcome(&message);
    let refused = Verdict::Ended(End::Dead(DeadReason::Refused));
    assert_eq!((outcome.verdict, outcome.status), (refused, Some(200)));
    assert_eq!(outcome.detail.as_deref(), Some(expected));
    assert_eq!((target.attempts(), outcome.used), (1, 1));
    drop(lane);
}

#[tokio::test]
async fn a_success_whose_body_says_otherwise_fails_with_what_it_said() {
    let body = br#"{"ok": false, "error": "no such sku"}"#;
    let said = r#"`success` refuses the answer: {"ok": false, "error": "no such sku"}"#;
    check_failed(Reply::status(200).with_whole_body(body), said).await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_told_is_refused_with_the_reason() {
    let reply = |body| Reply::status(200).with_whole_body(body);
    let no_json = "`success` can't tell: the answer is no JSON: the text ends where a value is \
                   expected at line 1, column 1";
    check_failed(reply(b""), no_json).await;
    let failed = "`success` can't tell: it failed: cannot index [] with \"ok\": []";
    check_failed(reply(b"[]"), failed).await;
    let long = Captured::TooLong(Bytes::from_static(b"{"));
    let too_long = "`success` can't tell: the answer is longer than 64 KiB: {";
    check_failed(Reply::status(200).with_captured(long), too_long).await;
}

/// How the first step's attempts end where `.ok == true` is asked, one after the other at once,
/// and two failures open the breaker for a moment.
async fn verdicts(script: impl IntoIterator<Item = Reply>) -> Vec<Outcome> {
    let mut bench = Bench::new().await;
    let good = Reply::status(200).with_whole_body(b"{\"ok\": true}");
    let target = ScriptedTarget::scripted(script, good);
    let mut params = bench.params(&target);
    params.counts = ok(Otherwise::Retry);
    params.retry.first = Duration::ZERO;
    params.breaker.consecutive = NonZeroU32::MIN.saturating_add(1);
    params.breaker.open_for = millis(1);
    params.breaker.probes = NonZeroU32::MIN;
    let _lane = Running::start(params);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    assert_eq!(target.seen()[0].request.capture, Capture::Whole);
    bench.outcomes_of(DeliveryId::first(message.id, 0))
}

fn causes(outcomes: &[Outcome]) -> Vec<Option<AgainCause>> {
    let cause = |outcome: &Outcome| match outcome.verdict {
        Verdict::Again { cause, .. } => Some(cause),
        Verdict::Ended(end) => {
            assert_eq!(end, End::Delivered);
            None
        }
    };
    outcomes.iter().map(cause).collect()
}

#[tokio::test]
async fn a_refused_answer_is_tried_again_and_counts() {
    let outcomes = verdicts([Reply::status(200).with_whole_body(b"{\"ok\": false}")]).await;
    assert_eq!(causes(&outcomes), [Some(AgainCause::Failed), None]);
    assert_eq!((outcomes[1].used, &outcomes[1].detail), (2, &None));
}

#[tokio::test]
async fn answers_that_are_refused_one_after_the_other_open_the_breaker() {
    let refused = Reply::status(200).with_whole_body(b"{}");
    let outcomes = verdicts(vec![refused; 3]).await;
    let failed = Some(AgainCause::Failed);
    let probe = Some(AgainCause::Probe);
    assert_eq!(causes(&outcomes), [failed, failed, probe, None]);
}

#[tokio::test]
async fn a_body_that_broke_off_is_an_attempt_without_an_answer() {
    let broken = Captured::Broken(Bytes::from_static(b"{\"ok\": tr"));
    let outcomes = verdicts([Reply::status(200).with_captured(broken)]).await;
    assert_eq!(causes(&outcomes), [Some(AgainCause::Failed), None]);
    let detail = "the answer's body broke off: {\"ok\": tr";
    assert_eq!(outcomes[0].detail.as_deref(), Some(detail));
}

#[tokio::test]
async fn only_answers_with_the_status_of_a_success_are_tested() {
    let mut bench = Bench::new().await;
    let body = Reply::status(422).with_whole_body(b"{\"ok\": false}");
    let target = ScriptedTarget::always(body);
    let _lane = start(&bench, &target, ok(Otherwise::Retry));
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].state, DeliveryState::Dead);
    let detail = bench.last_outcome(&message).detail;
    assert_eq!(detail.as_deref(), Some("{\"ok\": false}"));
}

#[tokio::test(start_paused = true)]
async fn statuses_are_a_success_retried_or_final_as_they_are_listed() {
    let mut bench = Bench::new().await;
    let script = [409, 503, 501].map(Reply::status);
    let target = ScriptedTarget::scripted(script, Reply::status(204));
    let listed = rules(&["409"], &["5xx", "2xx"], &["501"], Otherwise::Retry);
    let lane = start(
        &bench,
        &target,
        Counts {
            rules: listed,
            body: None,
        },
    );
    let mut verdicts = Vec::new();
    for _ in 0..2 {
        let message = bench.accept_one().await;
        bench.ended(&message).await;
        let outcomes = bench.outcomes_of(DeliveryId::first(message.id, 0));
        verdicts.extend(
            outcomes
                .iter()
                .map(|outcome| (outcome.status, outcome.verdict)),
        );
    }
    assert_eq!(verdicts[0], (Some(409), Verdict::Ended(End::Delivered)));
    assert_eq!(verdicts[1].0, Some(503));
    let refused = Verdict::Ended(End::Dead(DeadReason::Refused));
    assert_eq!(verdicts[2], (Some(501), refused));
    // What was answered is kept of any that is no success, a 204 included.
    assert_eq!(target.seen()[0].request.capture, Capture::Excerpt);
    drop(lane);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_configured_asks_for_no_more_of_a_body_than_before() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(200));
    let _lane = bench.start(&target);
    let message = bench.accept_one().await;
    bench.ended(&message).await;
    assert_eq!(target.seen()[0].request.capture, Capture::OnFailure);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_answer_is_unwell_also_where_that_is_final() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::broken());
    let listed = rules(&["2xx"], &["503"], &[], Otherwise::Retry);
    let lane = start(
        &bench,
        &target,
        Counts {
            rules: listed,
            body: None,
        },
    );
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].state, DeliveryState::Dead);
    let others = bench.accept(9).await;
    bench.all_ended(&others).await;
    bench.accept_one().await;
    pass(secs(1)).await;
    assert_eq!(lane.snapshot().held_by, Some(HeldBy::Breaker));
    assert_eq!(target.attempts(), 10);
}

fn webhooks() -> Counts {
    Counts {
        rules: rules(&["2xx"], &["standard-webhooks"], &[], Otherwise::Retry),
        body: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_410_disables_a_webhook_and_its_delivery_waits_with_the_others() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::scripted([Reply::status(410)], Reply::status(200));
    let lane = start(&bench, &target, webhooks());
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    let later = bench.accept(3).await;
    pass(secs(24 * 3600)).await;
    assert_eq!(target.attempts(), 1);
    let snapshot = lane.snapshot();
    assert_eq!(snapshot.held_by, Some(HeldBy::Pause));
    assert_eq!(
        (snapshot.pause, snapshot.waiting),
        (Some(PauseCause::Gone), 4)
    );
    assert_eq!(
        bench.first_step(&message).await.state,
        DeliveryState::Retrying
    );
    let outcome = bench.last_outcome(&message);
    assert_eq!((outcome.attempts, outcome.used), (1, 0));

    lane.control(Control::default());
    bench.ended(&message).await;
    bench.all_ended(&later).await;
    assert_eq!(target.attempts(), 5);
    assert_eq!(lane.snapshot().pause, None);
}

#[tokio::test(start_paused = true)]
async fn a_410_from_before_a_new_config_disables_nothing() {
    let mut bench = Bench::new().await;
    let old = ScriptedTarget::always(Reply::status(410).after(secs(2)));
    let new = ScriptedTarget::always(Reply::status(200));
    let lane = start(&bench, &old, webhooks());
    let message = bench.accept_one().await;
    pass(secs(1)).await;
    lane.reconfigure(&new, |settings| settings.counts = webhooks());
    bench.ended(&message).await;
    assert_eq!((old.attempts(), new.attempts()), (1, 1));
    assert_eq!(lane.snapshot().pause, None);
}

#[tokio::test(start_paused = true)]
async fn a_410_of_any_other_target_ends_its_delivery() {
    let mut bench = Bench::new().await;
    let target = ScriptedTarget::always(Reply::status(410));
    let lane = bench.start(&target);
    let message = bench.accept_one().await;
    let view = bench.ended(&message).await;
    assert_eq!(view.deliveries[0].state, DeliveryState::Dead);
    assert_eq!(lane.snapshot().pause, None);
}

/// A lane of two endpoints in turn, of which the first answers so.
fn start_two(bench: &Bench, first: Reply, good: Reply, counts: Counts) -> Running {
    let targets = [first, good].map(ScriptedTarget::always);
    let mut params = params(bench, in_turn(&[&targets[0], &targets[1]]));
    params.counts = counts;
    params.retry.first = Duration::ZERO;
    Running::start(params)
}

// The clock runs: while it is paused it jumps ahead of whoever evaluates on a thread.
#[tokio::test]
async fn a_body_is_asked_about_at_each_of_several_endpoints() {
    let mut bench = Bench::new().await;
    let refused = Reply::status(200).with_whole_body(b"{\"ok\": false}");
    let good = Reply::status(200).with_whole_body(b"{\"ok\": true}");
    let lane = start_two(&bench, refused, good, ok(Otherwise::Retry));
    let messages = bench.accept(12).await;
    bench.all_ended(&messages).await;
    for message in &messages {
        let outcome = bench.last_outcome(message);
        assert_eq!(outcome.verdict, Verdict::Ended(End::Delivered));
    }
    assert_eq!(lane.endpoints(), [Ejected, Up]);
}

#[tokio::test(start_paused = true)]
async fn a_410_of_one_of_several_endpoints_sets_that_one_aside() {
    let mut bench = Bench::new().await;
    let counts = Counts {
        rules: rules(&["2xx"], &["standard-webhooks"], &[], Otherwise::Retry),
        body: None,
    };
    let lane = start_two(&bench, Reply::status(410), Reply::status(200), counts);
    for _ in 0..4 {
        let message = bench.accept_one().await;
        bench.ended(&message).await;
        let outcome = bench.last_outcome(&message);
        assert_eq!(outcome.verdict, Verdict::Ended(End::Delivered));
    }
    assert_eq!(lane.endpoints(), [Ejected, Up]);
    assert_eq!(lane.snapshot().pause, None);
}
