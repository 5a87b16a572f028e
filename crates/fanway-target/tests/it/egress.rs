//! Where a target may not connect to, whatever its URL calls that place.
//!
//! Where nobody is to be connected to time isn't held, so that an attempt that is made all the same
//! fails instead of waiting for ever.

use fanway_target::http::{HttpTarget, Params};
use fanway_target::{FailureKind, Sent};
use fanway_types::{Egress, Network};
use tokio::join;

use crate::peer::{OK, Peer, StandingTime, attempt, expect_failure, expect_status, params};

fn network(text: &str) -> Network {
    text.parse().expect("a range")
}

fn target(host: &str, port: u16, egress: &Egress) -> HttpTarget {
    let params = Params {
        egress: egress.clone(),
        ..params(&format!("http://{host}:{port}/"))
    };
    HttpTarget::try_new(params).expect("a target")
}

/// Whether a peer on loopback is kept from being connected to by this name.
async fn check_refused(host: &str, address: &str) {
    let peer = Peer::bind().await;
    let port = peer.port();
    let answer = attempt(&target(host, port, &Egress::public(&[], &[]))).await;
    let detail = expect_failure(&answer, FailureKind::Egress, Sent::Nothing);
    let expected = format!("connect to {host}:{port}: {address} is ");
    assert!(detail.starts_with(&expected), "{detail}");
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_not_public_is_refused_in_every_notation() {
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"] {
        check_refused(host, "127.0.0.1").await;
    }
    check_refused("0", "0.0.0.0").await;
    check_refused("[::1]", "::1").await;
    check_refused("[::]", "::").await;
    check_refused("[::ffff:127.0.0.1]", "::ffff:127.0.0.1").await;
    check_refused("[::ffff:7f00:1]", "::ffff:127.0.0.1").await;
    check_refused("[64:ff9b::7f00:1]", "64:ff9b::7f00:1").await;
    check_refused("169.254.169.254", "169.254.169.254").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_refused_for_what_it_stands_for() {
    let peer = Peer::bind().await;
    let answer = attempt(&target("localhost", peer.port(), &Egress::public(&[], &[]))).await;
    let detail = expect_failure(&answer, FailureKind::Egress, Sent::Nothing);
    assert!(
        detail.contains(" is loopback (") && detail.ends_with("`egress.allow` doesn't have it"),
        "{detail}"
    );
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_names_addresses_those_that_are_allowed_are_connected_to_and_held() {
    let _time = StandingTime::new();
    let peer = Peer::bind().await;
    // Its other address, ::1, is refused.
    let egress = Egress::public(&[network("127.0.0.0/8")], &[]);
    let target = target("localhost", peer.port(), &egress);
    let (answer, mut taken) = join!(attempt(&target), async {
        let mut taken = peer.accept().await;
        taken.serve(OK).await;
        taken
    });
    expect_status(&answer, 200);
    let (answer, _request) = join!(attempt(&target), taken.serve(OK));
    expect_status(&answer, 200);
    peer.expect_nobody().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_refused_of_any_target() {
    let peer = Peer::bind().await;
    let port = peer.port();
    let answer = attempt(&target(
        "127.1",
        port,
        &Egress::any_but(&[network("127.0.0.1")]),
    ))
    .await;
    let detail = expect_failure(&answer, FailureKind::Egress, Sent::Nothing);
    assert_eq!(
        detail,
        format!("connect to 127.1:{port}: 127.0.0.1 is in 127.0.0.1/32, which `egress.deny` has")
    );
    peer.expect_nobody().await;
}
