//! What lists for jobs promise: what ended first comes first, and a filter finds what fits in all.

use std::time::Duration;

use fanway_types::{
    DeadReason, DeliveryId, DeliveryState, End, MessageId, Outcome, Plan, Timestamp,
};

use super::Engine;
use super::rig::{BoxLane, Rig, deliver, ended, name, plan, take_all};
use crate::dead;
use crate::job::{Candidate, Candidates, Count, Cursor, Filter, Include, Reason};
use crate::lane::Hold;

pub(super) async fn candidates<E: Engine>(
    rig: &Rig<E>,
    filter: &Filter,
    after: Option<Cursor>,
    limit: usize,
) -> Candidates {
    let found = rig.store().candidates(filter.clone(), after, limit).await;
    found.expect("an open store finds")
}

async fn found<E: Engine>(rig: &Rig<E>, filter: &Filter) -> Vec<DeliveryId> {
    let all = candidates(rig, filter, None, 1000).await;
    assert!(!all.more);
    all.found.iter().map(|found| found.place.delivery).collect()
}

/// Checks how much a filter finds that can be made anew, and that can't.
async fn check_count<E: Engine>(rig: &Rig<E>, filter: &Filter, sendable: u64, not_kept: u64) {
    let count = rig.store().count(filter.clone()).await;
    let count = count.expect("an open store counts");
    assert_eq!(count, Count { sendable, not_kept }, "{filter:?}");
}

/// Accepts messages of a plan with one target, those with the latest ids first, and lets the
/// delivery of each die at its time.
pub(super) async fn die_at<E: Engine>(
    rig: &mut Rig<E>,
    lane: &mut BoxLane,
    plan: &Plan,
    times: &[Timestamp],
) -> Vec<DeliveryId> {
    let messages = times.iter().map(|_| rig.message(plan, "seven"));
    let mut messages: Vec<_> = messages.collect();
    messages.reverse();
    rig.accept_group(messages).await;
    let work = take_all(lane, rig.now(), times.len()).await;
    for (work, at) in work.iter().zip(times) {
        let outcome = ended(work, End::Dead(DeadReason::Exhausted), *at);
        lane.record(work, outcome, Hold::LetGo);
    }
    for work in &work {
        rig.wait_for(work.delivery, DeliveryState::Dead).await;
    }
    work.iter().map(|work| work.delivery).collect()
}

/// They come in the order in which they ended, page by page; those of one millisecond by their ids.
pub async fn what_ended_first_comes_first_page_by_page<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let begin = rig.now();
    let times = [5, 3, 3, 9, 3, 5, 5, 1, 5, 3, 2]
        .map(|after| begin.saturating_add(Duration::from_secs(60 + after)));
    let letters = die_at(&mut rig, &mut lane, &plan, &times).await;
    let letters = letters.into_iter().zip(times);
    let mut expected: Vec<_> = letters
        .map(|(delivery, at)| Cursor { at, delivery })
        .collect();
    expected.sort();
    for limit in [1, 2, 3, 5, 11, 12] {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = candidates(&rig, &Filter::default(), after, limit).await;
            assert!(page.found.len() <= limit);
            listed.extend(page.found.iter().map(|found| found.place));
            assert_eq!(page.more, listed.len() < expected.len());
            after = listed.last().copied();
            if !page.more {
                break;
            }
        }
        assert_eq!(listed, expected, "{limit} at a time");
    }
    let last = expected.last().copied();
    assert_eq!(
        candidates(&rig, &Filter::default(), last, 5).await,
        Candidates::default()
    );
}

/// A page begins where the one before ended, though what was there has gone meanwhile.
pub async fn a_place_stays_when_what_was_there_has_gone<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let at = rig.now().saturating_add(Duration::from_secs(60));
    let mut letters = die_at(&mut rig, &mut lane, &plan, &[at; 6]).await;
    letters.sort();
    let mut after = None;
    for pair in letters.chunks(2) {
        let page = candidates(&rig, &Filter::default(), after, 2).await;
        let places: Vec<_> = page.found.iter().map(|found| found.place).collect();
        assert_eq!(
            places
                .iter()
                .map(|place| place.delivery)
                .collect::<Vec<_>>(),
            pair
        );
        after = places.last().copied();
        // The first of each two is left where it is.
        rig.redrive(pair[1], plan.hash(), 0)
            .await
            .expect("it is on the list");
        let work = take_all(&mut lane, rig.now(), 1).await;
        deliver(&mut lane, &work, rig.now());
        rig.engine.settle().await;
    }
}

/// Four letters that differ in all that filters look at, and when they died.
async fn four<E: Engine>(rig: &mut Rig<E>) -> Vec<Cursor> {
    let refused = DeadReason::Refused;
    let exhausted = DeadReason::Exhausted;
    let mut made = Vec::new();
    for (route, target, reason, detail) in [
        ("orders", "stock", refused, Some("409: Out of STOCK")),
        ("orders", "shipping", exhausted, Some("no answer")),
        ("returns", "stock", exhausted, None),
        ("returns", "shipping", refused, Some("no stock: 100%_")),
    ] {
        let plan = plan(route, &[target]);
        rig.keep(&plan).await;
        rig.accept(&plan, 1).await;
        let mut lane = rig.lane(target);
        let work = take_all(&mut lane, rig.now(), 1).await;
        let outcome = Outcome {
            detail: detail.map(Into::into),
            ..ended(&work[0], End::Dead(reason), rig.now())
        };
        let (at, delivery) = (outcome.at, outcome.delivery);
        lane.record(&work[0], outcome, Hold::LetGo);
        rig.wait_for(delivery, DeliveryState::Dead).await;
        made.push(Cursor { at, delivery });
    }
    made
}

/// Jobs, counts and the list of dead letters go by the same conditions.
pub async fn a_filter_finds_what_fits_in_all<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let made = four(&mut rig).await;
    let all = Filter::default;
    let stock = |filter| Filter {
        target: Some(name("stock")),
        ..filter
    };
    let returns = |filter| Filter {
        route: "returns".parse().ok(),
        ..filter
    };
    let refused = |filter| Filter {
        reason: Some(Reason(DeadReason::Refused)),
        ..filter
    };
    let text = |text: &str| Filter {
        text: Some(text.to_owned()),
        ..all()
    };
    let between = Filter {
        since: Some(made[1].at),
        until: Some(made[3].at),
        ..all()
    };
    let delivered_too = Filter {
        include: Include::All,
        ..all()
    };
    let nowhere = Filter {
        target: Some(name("nowhere")),
        ..all()
    };
    let cases: [(Filter, &[usize]); 11] = [
        (all(), &[0, 1, 2, 3]),
        (stock(all()), &[0, 2]),
        (returns(all()), &[2, 3]),
        (refused(all()), &[0, 3]),
        (between, &[1, 2]),
        (text("stOck"), &[0, 3]),
        (text("100%_"), &[3]),
        (text("%"), &[3]),
        (stock(returns(all())), &[2]),
        (refused(returns(delivered_too)), &[3]),
        (nowhere, &[]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|place| made[*place].delivery).collect();
        check_filter(&rig, filter, expected).await;
    }
}

async fn check_filter<E: Engine>(rig: &Rig<E>, filter: Filter, mut expected: Vec<DeliveryId>) {
    assert_eq!(found(rig, &filter).await, expected, "{filter:?}");
    check_count(rig, &filter, expected.len() as u64, 0).await;
    let query = dead::Query {
        filter,
        after: None,
        limit: 10,
    };
    let page = rig.store().dead_letters(query).await;
    let letters = page.expect("an open store lists").letters.into_iter();
    let letters: Vec<_> = letters.map(|letter| letter.delivery).collect();
    expected.reverse();
    assert_eq!(letters, expected);
}

/// Three messages for two targets, all delivered to the first: of the second's, one is delivered,
/// one is dead, one waits.
async fn three<E: Engine>(rig: &mut Rig<E>, lane: &mut BoxLane) -> Vec<MessageId> {
    let plan = rig.plan(&["stock", "shipping"]).await;
    let mut shipping = rig.lane("shipping");
    let ids = rig.accept(&plan, 3).await;
    for work in take_all(lane, rig.now(), 3).await {
        rig.turn_clock(Duration::from_millis(1));
        deliver(lane, &[work], rig.now());
    }
    let work = take_all(&mut shipping, rig.now(), 3).await;
    deliver(&mut shipping, &work[..1], rig.now());
    let outcome = ended(&work[1], End::Dead(DeadReason::Refused), rig.now());
    shipping.record(&work[1], outcome, Hold::LetGo);
    rig.engine.settle().await;
    ids
}

fn delivered_too() -> Filter {
    Filter {
        include: Include::All,
        ..Filter::default()
    }
}

fn of_stock() -> Filter {
    Filter {
        target: Some(name("stock")),
        ..delivered_too()
    }
}

/// What was delivered is found too where it is asked for; in the place of what was made anew is
/// its successor.
pub async fn what_was_delivered_is_found_while_its_request_is_kept<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    let ids = three(&mut rig, &mut lane).await;
    let plan = plan("orders", &["stock", "shipping"]);
    let first = |number: usize, step| DeliveryId::first(ids[number], step);
    let page = candidates(&rig, &delivered_too(), None, 10).await;
    let listed: Vec<_> = page
        .found
        .iter()
        .map(|found| (found.place.delivery, found.reason))
        .collect();
    let refused = Some(DeadReason::Refused);
    let expected = [
        (first(1, 0), None),
        (first(1, 1), refused),
        (first(2, 0), None),
    ];
    assert_eq!(listed, expected);
    let expected = Candidate {
        place: page.found[0].place,
        route: plan.route.clone(),
        step: plan.steps[0].name.clone(),
        target: name("stock"),
        reason: None,
        is_kept: true,
    };
    assert_eq!(page.found[0], expected);

    let new = rig.redrive(first(1, 0), plan.hash(), 0).await;
    let new = new.expect("its request is kept");
    assert_eq!(found(&rig, &of_stock()).await, [first(2, 0)]);
    rig.turn_clock(Duration::from_millis(1));
    let work = take_all(&mut lane, rig.now(), 1).await;
    deliver(&mut lane, &work, rig.now());
    rig.wait_for(new, DeliveryState::Delivered).await;
    assert_eq!(found(&rig, &of_stock()).await, [first(2, 0), new]);
}

/// What was delivered and isn't kept any more is counted as such, where a filter can tell.
pub async fn what_only_history_tells_of_is_counted<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut lane = rig.lane("stock");
    three(&mut rig, &mut lane).await;
    // Both deliveries of the first message.
    check_count(&rig, &delivered_too(), 3, 2).await;
    check_count(&rig, &of_stock(), 2, 1).await;
    check_count(&rig, &Filter::default(), 1, 0).await;
    let refused = Filter {
        reason: Some(Reason(DeadReason::Refused)),
        ..delivered_too()
    };
    check_count(&rig, &refused, 1, 0).await;
    let kept = candidates(&rig, &of_stock(), None, 1).await.found;
    let later = Filter {
        since: Some(kept[0].place.at),
        ..of_stock()
    };
    check_count(&rig, &later, 2, 0).await;
    let earlier = Filter {
        until: Some(kept[0].place.at),
        ..of_stock()
    };
    check_count(&rig, &earlier, 0, 1).await;
}
