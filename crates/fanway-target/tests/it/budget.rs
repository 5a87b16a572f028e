//! Connections that targets share.

use fanway_target::http::{ConnectionBudget, HttpTarget, Params};
use fanway_target::{FailureKind, Sent};
use tokio::join;
use tokio::time::{Duration, advance};

use crate::peer::{OK, Peer, StandingTime, attempt, expect_failure, expect_status, settle};

fn target(peer: &Peer, budget: &ConnectionBudget) -> HttpTarget {
    let params = Params {
        budget: budget.clone(),
        ..peer.params()
    };
    HttpTarget::try_new(params).expect("a target")
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_for_another_target() {
    let _time = StandingTime::new();
    let budget = ConnectionBudget::new(1);
    let (one, other) = (Peer::bind().await, Peer::bind().await);
    let (to_one, to_other) = (target(&one, &budget), target(&other, &budget));
    let (answer, idle) = join!(attempt(&to_one), async {
        let mut taken = one.accept().await;
        taken.serve(OK).await;
        taken
    });
    expect_status(&answer, 200);
    let (answer, _seen) = join!(attempt(&to_other), async {
        other.accept().await.serve(OK).await
    });
    expect_status(&answer, 200);
    idle.closed().await;
    let figures = budget.figures();
    assert_eq!((figures.open, figures.closed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_finds_all_in_use_waits_until_one_is_free_or_its_time_to_connect_is_up() {
    let _time = StandingTime::new();
    let budget = ConnectionBudget::new(1);
    let (one, other) = (Peer::bind().await, Peer::bind().await);
    let (to_one, to_other) = (target(&one, &budget), target(&other, &budget));
    let (first, second, third) = join!(
        attempt(&to_one),
        async {
            settle().await;
            attempt(&to_other).await
        },
        async {
            let mut taken = one.accept().await;
            taken.request().await;
            settle().await;
            other.expect_nobody().await;
            advance(Duration::from_secs(5)).await;
            settle().await;
            let late = attempt(&to_other);
            let (late, ()) = join!(late, async {
                settle().await;
                other.expect_nobody().await;
                taken.write(OK).await;
                other.accept().await.serve(OK).await;
            });
            late
        }
    );
    expect_status(&first, 200);
    let detail = expect_failure(&second, FailureKind::NoConnection, Sent::Nothing);
    assert_eq!(
        detail,
        "none of the connections of this process was free in time"
    );
    expect_status(&third, 200);
    assert_eq!(budget.figures().waited, 2);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_leaves_the_others_their_own_connections() {
    let _time = StandingTime::new();
    let budget = ConnectionBudget::new(8);
    let (hanging, well) = (Peer::bind().await, Peer::bind().await);
    let (to_hanging, to_well) = (target(&hanging, &budget), target(&well, &budget));
    let rush = futures_util::future::join_all((0..20).map(|_| attempt(&to_hanging)));
    let others = async {
        settle().await;
        assert_eq!(budget.figures().open, 6, "half of all and its own");
        for _ in 0..3 {
            let (one, other, ()) = join!(attempt(&to_well), attempt(&to_well), async {
                let (mut one, mut other) = (well.accept().await, well.accept().await);
                join!(one.serve(OK), other.serve(OK));
            });
            expect_status(&one, 200);
            expect_status(&other, 200);
        }
        advance(Duration::from_secs(31)).await;
    };
    let (answers, ()) = join!(rush, others);
    assert_eq!(answers.len(), 20);
}
