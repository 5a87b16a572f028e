//! What fields about limits say, by example, and for any text.

use std::time::Duration;

use fanway_types::Timestamp;
use proptest::prelude::{any, prop_assert, proptest};

use super::{Fields, Quota};

/// 2026-11-22T10:07:07Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_342_027_000);

fn quota(expected: Option<(u64, u64)>) -> Option<Quota> {
    expected.map(|(remaining, seconds)| Quota {
        remaining,
        reset: Duration::from_secs(seconds),
    })
}

#[track_caller]
fn check(limit: &str, policy: &str, expected: Option<(u64, u64)>) {
    let fields = Fields {
        limit: Some(limit),
        policy: Some(policy).filter(|it| !it.is_empty()),
        ..Fields::default()
    };
    assert_eq!(fields.quota(NOW), quota(expected), "{limit:?} {policy:?}");
}

#[test]
fn a_limit_says_how_much_remains_and_for_how_long() {
    check("\"default\";r=50;t=30", "", Some((50, 30)));
    check("default;r=0;t=1", "", Some((0, 1)));
    check(" \"a\"; t=5; r=7;pk=:cHNkZnM=: ", "", Some((7, 5)));
    check("\"a\";r=1;r=2;t=3", "", Some((2, 3)));
}

#[test]
fn without_a_time_the_window_of_its_policy_counts() {
    check(
        "\"a\";r=9",
        "\"b\";q=1;w=9, \"a\";q=100;w=60",
        Some((9, 60)),
    );
    check("\"a\";r=9", "\"b\";q=100;w=60", None);
    check("\"a\";r=9", "", None);
    check("\"a\";r=9;t=3", "garbage;;", Some((9, 3)));
}

#[test]
fn of_several_limits_the_tightest_counts() {
    check(
        "\"day\";r=100;t=86400, \"sec\";r=9;t=1",
        "",
        Some((100, 86_400)),
    );
    check(
        "\"a\";r=0;t=5,\"b\";r=0;t=9,\t\"c\";r=1;t=99999",
        "",
        Some((0, 9)),
    );
}

#[test]
fn what_is_not_counted_in_requests_says_nothing() {
    let bytes = "\"bytes\";q=1000;qu=\"content-bytes\";w=60";
    check("\"bytes\";r=0;t=30", bytes, None);
    check("\"bytes\";r=0;t=30, \"a\";r=5;t=9", bytes, Some((5, 9)));
    check("\"a\";r=5;t=9", "\"a\";q=9;qu=\"requests\"", Some((5, 9)));
}

#[test]
fn a_limit_that_breaks_the_rules_says_nothing() {
    for absurd in [
        "",
        " ",
        ",",
        "\"a\";r=5;t=9,",
        "\"a",
        "\"a\\",
        "\"a\\x\";r=1;t=1",
        "\"a\";r=-1;t=30",
        "\"a\";r=1.5;t=30",
        "\"a\";r=\"5\";t=30",
        "\"a\";r=5;t=-30",
        "\"a\";r=5;t=0",
        "\"a\";r=5;t",
        "\"a\";r=9999999999999999;t=30",
        "\"a\";r=5;t=9999999999999999",
        "\"a\";R=5;t=30",
        "\"a\";r=5;t=30 x",
        "50;r=5;t=30",
        "limit=100, remaining=50, reset=30",
        "\u{e9};r=5;t=30",
    ] {
        check(absurd, "", None);
    }
}

#[track_caller]
fn check_legacy(remaining: &str, reset: &str, expected: Option<(u64, u64)>) {
    let fields = Fields {
        remaining: Some(remaining),
        reset: Some(reset),
        ..Fields::default()
    };
    assert_eq!(
        fields.quota(NOW),
        quota(expected),
        "{remaining:?} {reset:?}"
    );
}

#[test]
fn a_reset_is_a_span_or_a_moment() {
    let seconds = NOW.as_millis() / 1000;
    check_legacy("5", "60", Some((5, 60)));
    check_legacy(" 5 ", "60.2", Some((5, 61)));
    check_legacy("0", &(seconds + 30).to_string(), Some((0, 30)));
    check_legacy("0", &format!("{}.000", seconds + 30), Some((0, 30)));
    check_legacy("0", &(NOW.as_millis() + 30_000).to_string(), Some((0, 30)));
    check_legacy("3", "Sun, 22 Nov 2026 10:08:07 GMT", Some((3, 60)));
}

#[test]
fn absurd_resets_do_no_harm() {
    let seconds = NOW.as_millis() / 1000;
    check_legacy("0", &(seconds - 1).to_string(), None);
    check_legacy("0", "Sun, 22 Nov 2020 10:08:07 GMT", None);
    check_legacy("0", "0", None);
    let end = u64::MAX - NOW.as_millis();
    let fields = Fields {
        remaining: Some("99999999999999999999999999"),
        reset: Some("99999999999999999999999999"),
        ..Fields::default()
    };
    let longest = Quota {
        remaining: u64::MAX,
        reset: Duration::from_millis(end),
    };
    assert_eq!(fields.quota(NOW), Some(longest));
    for absurd in ["", "-1", "+5", "soon", "1e9", "5, 6", "1.2.3", "0x5", "٥"] {
        check_legacy("0", absurd, None);
        check_legacy(absurd, "60", None);
    }
}

#[test]
fn the_older_fields_count_where_the_newer_cannot_be_used() {
    let older = |limit| Fields {
        limit: Some(limit),
        remaining: Some("5"),
        reset: Some("60"),
        ..Fields::default()
    };
    let newer = older("\"a\";r=7;t=9").quota(NOW);
    assert_eq!(newer, quota(Some((7, 9))));
    assert_eq!(older("garbage=").quota(NOW), quota(Some((5, 60))));
    let half = Fields {
        remaining: Some("5"),
        ..Fields::default()
    };
    assert_eq!(half.quota(NOW), None);
    assert_eq!(Fields::default().quota(NOW), None);
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(limit in any::<String>(), policy in any::<String>(), now in any::<u64>()) {
        let fields = Fields {
            limit: Some(&limit),
            policy: Some(&policy),
            remaining: Some(&policy),
            reset: Some(&limit),
        };
        if let Some(quota) = fields.quota(Timestamp::from_millis(now)) {
            prop_assert!(!quota.reset.is_zero());
        }
    }
}
