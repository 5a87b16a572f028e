//! What answers mean, by example.

use fanway_types::Timestamp;

use super::{Body, Class, Exchange, Otherwise, Params, Rules, Worth, parse_retry_after};
use crate::retry::Preset::{self, Knative, StandardWebhooks, Transient};

/// 2026-11-22T10:07:07Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_342_027_000);

const AGAIN: Class = Class::Transient { asked: None };
const PUSHBACK: Class = Class::Pushback { asked: None };

fn preset(preset: Preset) -> Rules {
    rules(&[&preset.to_string()], &[])
}

/// Rules by what stands in a config under `retry`.
fn rules(on: &[&str], never: &[&str]) -> Rules {
    Rules::new(&params(&["2xx"], on, never))
}

fn params(success: &[&str], on: &[&str], never: &[&str]) -> Params {
    let statuses = |texts: &[&str]| {
        texts
            .iter()
            .map(|it| it.parse().expect("statuses"))
            .collect()
    };
    let worth = |text: &&str| text.parse().expect("what is worth another attempt");
    Params {
        success: statuses(success),
        on: on.iter().map(worth).collect(),
        never: statuses(never),
        otherwise: Otherwise::Retry,
    }
}

fn class(status: u16, rules: &Rules) -> Class {
    with_body(status, Body::Good, rules)
}

fn with_body(status: u16, body: Body, rules: &Rules) -> Class {
    let answer = Exchange::Answered {
        status,
        retry_after: None,
        body,
    };
    answer.classify(rules, NOW)
}

/// The statuses that are retried, of all there are.
#[track_caller]
fn check_retried(rules: &Rules, expected: &[u16]) {
    let retried: Vec<u16> = (200..=599)
        .filter(|status| class(*status, rules) == AGAIN)
        .collect();
    assert_eq!(retried, expected);
}

#[test]
fn each_preset_retries_what_its_table_says() {
    check_retried(&preset(Transient), &[408, 425, 500, 502, 503, 504]);
    let knative: Vec<u16> = [404, 409].into_iter().chain(500..=599).collect();
    check_retried(&preset(Knative), &knative);
    let not_retried = [401, 407, 410, 429];
    let webhooks: Vec<u16> = (300..=599).filter(|it| !not_retried.contains(it)).collect();
    check_retried(&preset(StandardWebhooks), &webhooks);
    for one in [Transient, Knative, StandardWebhooks] {
        let unanswered = Exchange::Unanswered.classify(&preset(one), NOW);
        assert_eq!(unanswered, AGAIN, "{one}");
    }
}

#[test]
fn no_preset_changes_what_success_pushback_and_refused_credentials_are() {
    for one in [Transient, Knative, StandardWebhooks].map(preset) {
        assert_eq!(class(204, &one), Class::Success);
        assert_eq!(class(429, &one), PUSHBACK);
        assert_eq!(class(401, &one), Class::CredentialsRefused);
        assert_eq!(class(407, &one), Class::CredentialsRefused);
    }
}

#[test]
fn a_410_disables_under_standard_webhooks_alone() {
    assert_eq!(class(410, &preset(Transient)), Class::Final);
    assert_eq!(class(410, &preset(Knative)), Class::Final);
    let webhooks = preset(StandardWebhooks);
    assert_eq!(class(410, &webhooks), Class::Gone);
    assert_eq!(class(410, &webhooks.from_data()), Class::Final);
    assert_eq!(class(410, &preset(StandardWebhooks).of_several()), AGAIN);
    assert_eq!(class(410, &preset(Transient).of_several()), Class::Final);
    let among_others = rules(&["409", "standard-webhooks"], &[]);
    assert_eq!(class(410, &among_others), Class::Gone);
}

#[test]
fn a_410_that_is_named_is_what_is_said() {
    let never = rules(&["standard-webhooks"], &["410"]);
    assert_eq!(class(410, &never), Class::Final);
    let again = rules(&["standard-webhooks", "410"], &[]);
    assert_eq!(class(410, &again), AGAIN);
    let success = Rules::new(&params(&["2xx", "410"], &["standard-webhooks"], &[]));
    assert_eq!(class(410, &success), Class::Success);
}

#[test]
fn a_redirect_and_a_single_403_are_final() {
    for status in [301, 302, 307, 308, 403, 400, 422] {
        assert_eq!(class(status, &preset(Transient)), Class::Final, "{status}");
    }
}

#[test]
fn a_list_adds_up_and_never_wins() {
    let listed = rules(&["transient", "409", "520-522"], &[]);
    check_retried(&listed, &[408, 409, 425, 500, 502, 503, 504, 520, 521, 522]);
    let without = rules(&["transient", "5xx"], &["501", "505-599"]);
    check_retried(&without, &[408, 425, 500, 502, 503, 504]);
    assert_eq!(class(501, &without), Class::Final);
}

#[test]
fn no_answer_is_retried_where_it_is_named_or_a_preset_is() {
    let check = |on: &[&str], expected: Class| {
        let unanswered = Exchange::Unanswered.classify(&rules(on, &[]), NOW);
        assert_eq!(unanswered, expected, "{on:?}");
    };
    check(&["503"], Class::Final);
    check(&["5xx", "unanswered"], AGAIN);
    check(&["knative", "429"], AGAIN);
}

#[test]
fn what_is_about_the_sender_is_taken_in_by_its_number_only() {
    let broad = Rules::new(&params(&["2xx", "400-407"], &["5xx"], &["4xx"]));
    assert_eq!(class(400, &broad), Class::Success);
    assert_eq!(class(401, &broad), Class::CredentialsRefused);
    assert_eq!(class(407, &broad), Class::CredentialsRefused);
    assert_eq!(class(429, &broad), PUSHBACK);
    assert_eq!(class(409, &broad), Class::Final);
    let named = rules(&["transient", "407"], &["401", "403", "429"]);
    assert_eq!(class(401, &named), Class::Final);
    assert_eq!(class(407, &named), AGAIN);
    assert_eq!(class(429, &named), Class::Final);
    assert!(!named.concerns_credentials(401) && !named.concerns_credentials(403));
    assert!(broad.concerns_credentials(401) && broad.concerns_credentials(403));
}

#[test]
fn a_429_is_a_pushback_also_where_it_is_named_as_worth_a_retry() {
    assert_eq!(class(429, &rules(&["429", "503"], &[])), PUSHBACK);
}

#[test]
fn other_statuses_are_a_success_where_they_are_said_to_be() {
    let some = Rules::new(&params(&["200", "409"], &["transient"], &[]));
    assert_eq!(class(200, &some), Class::Success);
    assert_eq!(class(409, &some), Class::Success);
    assert_eq!(class(204, &some), Class::Final);
}

#[test]
fn a_success_whose_body_is_refused_is_what_is_said() {
    let retried = Rules::default();
    assert_eq!(with_body(200, Body::Refused, &retried), AGAIN);
    let failed = Rules::new(&Params {
        otherwise: Otherwise::Fail,
        ..Params::default()
    });
    assert_eq!(with_body(200, Body::Refused, &failed), Class::Final);
    for rules in [retried, failed] {
        assert_eq!(with_body(200, Body::Unknown, &rules), AGAIN);
        assert_eq!(with_body(404, Body::Refused, &rules), Class::Final);
        assert_eq!(with_body(503, Body::Refused, &rules), AGAIN);
    }
}

#[test]
fn what_a_busy_target_asks_for_is_passed_on() {
    let asked = Some(Timestamp::from_millis(NOW.as_millis() + 7_000));
    for (status, body, expected) in [
        (429, Body::Good, Class::Pushback { asked }),
        (503, Body::Good, Class::Transient { asked }),
        (200, Body::Refused, Class::Transient { asked }),
        (422, Body::Good, Class::Final),
    ] {
        let answer = Exchange::Answered {
            status,
            retry_after: Some("7"),
            body,
        };
        assert_eq!(answer.classify(&Rules::default(), NOW), expected);
    }
}

#[test]
fn what_is_worth_a_retry_is_written_as_it_is_read() {
    for text in [
        "transient",
        "knative",
        "standard-webhooks",
        "unanswered",
        "409",
        "5xx",
    ] {
        let worth: Worth = text.parse().expect("it may stand there");
        assert_eq!(worth.to_string(), text);
    }
    for text in ["", "Transient", "webhooks", "6", "1000", "no answer"] {
        assert!(text.parse::<Worth>().is_err(), "{text}");
    }
}

#[track_caller]
fn check_retry_after(value: &str, expected: Option<u64>) {
    let parsed = parse_retry_after(value, NOW).map(Timestamp::as_millis);
    assert_eq!(parsed, expected, "{value:?}");
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = NOW.as_millis();
    check_retry_after("120", Some(now + 120_000));
    check_retry_after(" 0 ", Some(now));
    check_retry_after("Sun, 22 Nov 2026 10:08:07 GMT", Some(now + 60_000));
    check_retry_after("Sunday, 22-Nov-26 10:08:07 GMT", Some(now + 60_000));
    check_retry_after("Sun Nov 22 10:08:07 2026", Some(now + 60_000));
    check_retry_after("Sun, 22 Nov 2026 10:06:07 GMT", Some(now - 60_000));
}

#[test]
fn absurd_retry_afters_do_no_harm() {
    check_retry_after("99999999999999999999999999", Some(u64::MAX));
    check_retry_after("18446744073709551615", Some(u64::MAX));
    for nonsense in ["", " ", "-1", "+5", "1.5", "soon", "12, 14", "١٢"] {
        check_retry_after(nonsense, None);
    }
}

#[test]
fn an_address_that_is_forbidden_ends_what_named_it_itself_and_waits_where_the_config_did() {
    let class = |rules: &Rules| Exchange::Forbidden.classify(rules, NOW);
    assert_eq!(class(&Rules::default()), AGAIN);
    assert_eq!(class(&rules(&["503"], &[])), Class::Final);
    assert_eq!(class(&Rules::default().from_data()), Class::Forbidden);
}
