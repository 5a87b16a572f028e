//! One outcome for each delivery: attempts, retries, the deadline.

use fanway::seam::FailureKind;
use fanway::{Captured, End, Failure, Message, Outcomes, Request, Target};
use fanway_testkit::scripted_target::{Reply, ScriptedTarget};
use tokio::time::Instant;

use crate::scene::{SECOND, built, scripted, sent};

#[tokio::test(start_paused = true)]
async fn a_failed_delivery_does_not_end_the_wait_for_another() {
    let (quick, _) = scripted("quick", [], Reply::status(422));
    let (slow, _) = scripted("slow", [], Reply::status(201).after(5 * SECOND));
    let message = Message::new()
        .to(&quick, Request::post())
        .to(&slow, Request::put());
    let outcomes = message.send().await;
    let ends: Vec<_> = outcomes.iter().map(ToString::to_string).collect();
    assert_eq!(ends, ["quick: refused (422)", "slow: delivered (201)"]);
    assert!(!outcomes.all_delivered());
    assert_eq!(outcomes.failed().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn targets_are_called_at_the_same_time() {
    let names = ["one", "two", "three"];
    let targets = names.map(|name| scripted(name, [], Reply::status(200).after(3 * SECOND)));
    let began = Instant::now();
    let message = Message::new().to_each(targets.iter().map(|(target, _)| target), |target| {
        Request::post().path(&format!("/{}", target.name()))
    });
    let outcomes = message.send().await;
    assert!(outcomes.all_delivered());
    assert_eq!(began.elapsed(), 3 * SECOND);
    for (name, (_, wire)) in names.iter().zip(&targets) {
        let seen = wire.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(*seen[0].request.path_and_query, *format!("/{name}"));
        assert_eq!(seen[0].at, began);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_of_a_delivery_carry_the_same_key() {
    let script = [Reply::status(503), Reply::broken()];
    let (target, wire) = scripted("stock", script, Reply::status(200).with_whole_body(b"ok"));
    let message = Message::new().to(&target, Request::post());
    let id = message.id();
    let outcomes = message.send().await;
    let outcome = &outcomes["stock"];
    assert_eq!(outcome.attempts, 3);
    let End::Delivered(answer) = &outcome.end else {
        panic!("{outcome}");
    };
    assert_eq!(answer.body, Captured::Whole("ok".into()));
    let key = format!("\"{}\"", outcome.delivery);
    let seen = wire.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("idempotency-key") == key)
    );
    let numbers: Vec<_> = seen
        .iter()
        .map(|seen| seen.header("fanway-attempt"))
        .collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    // Sent again as the same message, it has the same key.
    let again = Message::new().with_id(id).to(&target, Request::post());
    assert!(again.send().await.all_delivered());
    assert_eq!(wire.seen()[3].header("idempotency-key"), key);
}

#[tokio::test(start_paused = true)]
async fn attempts_end_with_the_policys() {
    let (target, wire) = scripted("stock", [], Reply::status(503).with_whole_body(b"busy"));
    let outcome = sent(&target, 3600 * SECOND).await;
    let Some(Failure::Answered(answer)) = outcome.failure() else {
        panic!("{outcome}");
    };
    assert_eq!(answer.body, Captured::Whole("busy".into()));
    assert!(matches!(outcome.end, End::GaveUp(_)));
    assert_eq!((outcome.attempts, wire.attempts()), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_within_the_deadline() {
    let (target, wire) = scripted("stock", [Reply::retry_after(503, "7")], Reply::status(200));
    assert!(sent(&target, 30 * SECOND).await.is_delivered());
    let seen = wire.seen();
    assert!(seen[1].at - seen[0].at >= 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_the_deadline_comes_before_is_not_waited_for() {
    let (target, wire) = scripted("stock", [], Reply::retry_after(503, "60"));
    let began = Instant::now();
    let outcome = sent(&target, 30 * SECOND).await;
    assert!(began.elapsed().is_zero());
    assert!(matches!(
        outcome.end,
        End::Deadline {
            last: Some(_),
            is_broken_off: false
        }
    ));
    assert_eq!((outcome.status(), wire.attempts()), (Some(503), 1));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_breaks_off_what_is_in_flight() {
    let (hanging, wire) = scripted("hanging", [Reply::broken()], Reply::hang());
    let (well, _) = scripted("well", [], Reply::status(200));
    let began = Instant::now();
    let message = Message::new()
        .to(&hanging, Request::get())
        .to(&well, Request::get());
    let outcomes: Outcomes = message.deadline(9 * SECOND).send().await;
    assert_eq!(began.elapsed(), 9 * SECOND);
    assert!(outcomes["well"].is_delivered());
    let outcome = &outcomes["hanging"];
    assert!(matches!(
        outcome.end,
        End::Deadline {
            last: Some(Failure::Unanswered {
                kind: FailureKind::Io,
                ..
            }),
            is_broken_off: true
        }
    ));
    assert_eq!(outcome.attempts, 2);
    assert_eq!((hanging.in_flight(), wire.peak()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn requests_have_their_own_shape_and_attempts_their_own_headers() {
    let (target, wire) = scripted("stock", [], Reply::status(200));
    let request = Request::new("PURGE")
        .path("/a?b=c")
        .header("X-Own", "1")
        .header("Idempotency-Key", "mine")
        .json(r#"{"a":1}"#);
    assert!(
        Message::new()
            .to(&target, request)
            .send()
            .await
            .all_delivered()
    );
    let seen = &wire.seen()[0];
    assert_eq!(&*seen.request.method, "PURGE");
    assert_eq!(seen.body(), r#"{"a":1}"#);
    assert_eq!(seen.header("x-own"), "1");
    assert_eq!(seen.header("content-type"), "application/json");
    assert!(seen.header("idempotency-key").starts_with("\"dlv_"));
    assert!(seen.header("user-agent").starts_with("fanway/"));
    assert_eq!(seen.header("traceparent").len(), 55);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_refused_without_an_attempt() {
    let unsendable = Reply::failed(FailureKind::Request, "no method");
    let (target, _) = built("stock", ScriptedTarget::always(unsendable), |it| it);
    let outcome = sent(&target, SECOND).await;
    assert!(matches!(outcome.end, End::Refused(_)));
    assert_eq!((outcome.attempts, target.in_flight()), (0, 0));
    let long = Request::post().header("x-long", vec![b'x'; 65_536]);
    let outcomes = Message::new().to(&target, long).send().await;
    assert!(matches!(outcomes["stock"].end, End::Refused(_)));
}

#[test]
fn sending_can_move_between_threads() {
    fn check<T: Send>(_: T) {}
    let target = Target::builder("stock", "http://localhost")
        .build()
        .expect("fits");
    check(Message::new().to(&target, Request::get()).send());
}
