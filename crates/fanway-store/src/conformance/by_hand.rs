//! What is kept of what operators do: jobs, what is set for targets, audit records; and of what
//! lanes have learnt of their targets.

use std::time::Duration;

use fanway_types::{DeliveryId, JobId, Timestamp};

use super::rig::{DAY, KEEP, Rig, name};
use super::{Engine, Keep};
use crate::change::{Audit, AuditPage, Control, Force, Key, Pause, PauseCause, Redrive};
use crate::dead;
use crate::job::{Filter, Job, State};
use crate::trouble::{Cause, Open, Trouble};

fn job<E: Engine>(rig: &mut Rig<E>, state: State) -> Job {
    rig.turn_clock(Duration::from_millis(1));
    let now = rig.now();
    Job {
        id: JobId::new(now, &mut rig.rng),
        filter: Filter {
            target: Some(name("stock")),
            text: Some("no answer".to_owned()),
            since: Some(now),
            ..Filter::default()
        },
        to: Some(name("archive")),
        new_key: true,
        pace: Some(50),
        state,
        cursor: None,
        found: 9,
        redriven: 3,
        passed_over: 1,
        ended_at: state.has_ended().then_some(now),
    }
}

async fn keep_job<E: Engine>(rig: &Rig<E>, job: &Job, audit: Option<Audit>) {
    let kept = rig.store().keep_job(job.clone(), audit).await;
    kept.expect("an open store keeps jobs");
}

async fn jobs<E: Engine>(rig: &Rig<E>) -> Vec<Job> {
    rig.store().jobs().await.expect("an open store lists jobs")
}

/// A job is listed as it stood last, the latest job first.
pub async fn jobs_outlive_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let mut first = job(&mut rig, State::Running);
    let second = job(&mut rig, State::Paused);
    for job in [&first, &second] {
        keep_job(&rig, job, None).await;
    }
    first.state = State::Cancelled;
    first.ended_at = Some(rig.now());
    keep_job(&rig, &first, None).await;
    let expected = [second, first];
    assert_eq!(jobs(&rig).await, expected);
    rig.crash().await;
    assert_eq!(jobs(&rig).await, expected);
}

/// What is set for a target stays set until it is set otherwise.
pub async fn what_is_set_for_a_target_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let paused = Control {
        pause: Some(Pause {
            since: rig.now(),
            reason: "moving house".to_owned(),
            cause: PauseCause::Gone,
            address: Some("2b3f".to_owned()),
        }),
        breaker: Force::Auto,
    };
    let open = Control {
        pause: None,
        breaker: Force::Open,
    };
    for (target, control) in [("stock", &open), ("shipping", &open), ("stock", &paused)] {
        let kept = rig
            .store()
            .keep_control(name(target), control.clone(), None);
        kept.await.expect("an open store keeps what is set");
    }
    let controls = async |rig: &Rig<E>| {
        let mut controls = rig.store().controls().await.expect("an open store tells");
        controls.sort_by(|(left, _), (right, _)| left.cmp(right));
        controls
    };
    let both = [(name("shipping"), open), (name("stock"), paused)];
    assert_eq!(controls(&rig).await, both);
    rig.crash().await;
    assert_eq!(controls(&rig).await, both);
    let cleared = rig
        .store()
        .keep_control(name("shipping"), Control::default(), None);
    cleared.await.expect("an open store keeps what is set");
    assert_eq!(controls(&rig).await, both[1..]);
    rig.crash().await;
    assert_eq!(controls(&rig).await, both[1..]);
}

/// What isn't well with a target is kept until it is kept otherwise.
pub async fn what_is_not_well_with_a_target_outlives_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let until = rig.now().saturating_add(Duration::from_secs(30));
    let open = |cause| Trouble {
        breaker: Some(Open { cause, until }),
        pushback: None,
    };
    let pushed_back = Trouble {
        pushback: Some(until),
        ..open(Cause::Slow)
    };
    let kept = [
        ("stock", open(Cause::Failures)),
        ("shipping", open(Cause::Credentials)),
        ("stock", pushed_back),
    ];
    for (target, trouble) in kept {
        let kept = rig.store().keep_trouble(name(target), trouble).await;
        kept.expect("an open store keeps it");
    }
    let troubles = async |rig: &Rig<E>| {
        let mut troubles = rig.store().troubles().await.expect("an open store tells");
        troubles.sort_by(|(left, _), (right, _)| left.cmp(right));
        troubles
    };
    let shipping = (name("shipping"), open(Cause::Credentials));
    let both = [shipping, (name("stock"), pushed_back)];
    assert_eq!(troubles(&rig).await, both);
    rig.crash().await;
    assert_eq!(troubles(&rig).await, both);
    let well = rig
        .store()
        .keep_trouble(name("shipping"), Trouble::default());
    well.await.expect("an open store keeps it");
    assert_eq!(troubles(&rig).await, both[1..]);
    rig.crash().await;
    assert_eq!(troubles(&rig).await, both[1..]);
}

fn audit(at: Timestamp, action: &str) -> Audit {
    Audit {
        at,
        actor: "127.0.0.1:4000".into(),
        action: action.into(),
        subject: "stock".into(),
        detail: None,
    }
}

async fn page<E: Engine>(rig: &Rig<E>, below: Option<u64>, limit: usize) -> AuditPage {
    let page = rig.store().audit(below, limit).await;
    page.expect("an open store lists audit records")
}

async fn actions<E: Engine>(rig: &Rig<E>) -> Vec<String> {
    let page = page(rig, None, 100).await;
    let records = page.records.iter();
    records.map(|(_, audit)| audit.action.to_string()).collect()
}

/// They are listed latest first, page by page, under numbers that count up.
pub async fn audit_records_outlive_a_crash<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    for action in ["a", "b", "c", "d", "e"] {
        let noted = rig.store().note(audit(rig.now(), action)).await;
        noted.expect("an open store notes");
    }
    rig.crash().await;
    let detailed = Audit {
        detail: Some("again".into()),
        ..audit(rig.now(), "f")
    };
    let noted = rig.store().note(detailed.clone()).await;
    noted.expect("an open store notes");
    let (mut listed, mut below) = (Vec::new(), None);
    for expected in [4, 2] {
        let page = page(&rig, below, 4).await;
        assert_eq!(page.records.len(), expected);
        listed.extend(page.records);
        below = page.next;
    }
    assert_eq!((below, &listed[0].1), (None, &detailed));
    let numbers: Vec<_> = listed.iter().map(|(number, _)| *number).collect();
    assert!(
        numbers.is_sorted_by(|later, earlier| later > earlier),
        "{numbers:?}"
    );
    assert_eq!(actions(&rig).await, ["f", "e", "d", "c", "b", "a"]);
}

/// A change and its record are kept together; what was refused is not noted.
pub async fn a_change_is_noted_where_it_is_made<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let (first, second) = (
        rig.dead_letter(&plan, &mut lane).await,
        rig.dead_letter(&plan, &mut lane).await,
    );
    let now = rig.now();
    let redrive = async |rig: &Rig<E>, old: DeliveryId, action: &str| {
        let redrive = Redrive {
            old,
            plan: plan.hash(),
            step: 0,
            key: Key::Kept,
            body: None,
        };
        let noted = Some(audit(now, action));
        let results = rig.store().redrive(vec![redrive], None, noted, now).await;
        results.expect("an open store changes").remove(0)
    };
    let discard = async |rig: &Rig<E>, id: DeliveryId, action: &str| {
        let noted = Some(audit(now, action));
        let reason = "a test order".to_owned();
        rig.store().discard(id, reason, noted, now).await
    };
    redrive(&rig, first, "redrive")
        .await
        .expect("it is on the list");
    discard(&rig, second, "discard")
        .await
        .expect("it is on the list");
    let again = redrive(&rig, first, "redrive again").await;
    assert!(matches!(again, Err(dead::Error::NotFound(_))), "{again:?}");
    let again = discard(&rig, second, "discard again").await;
    assert!(matches!(again, Err(dead::Error::NotFound(_))), "{again:?}");
    let job = job(&mut rig, State::Running);
    keep_job(&rig, &job, Some(audit(now, "job"))).await;
    let noted = Some(audit(now, "pause"));
    let set = rig
        .store()
        .keep_control(name("stock"), Control::default(), noted);
    set.await.expect("an open store keeps what is set");
    drop(lane);
    rig.crash().await;
    assert_eq!(actions(&rig).await, ["pause", "job", "discard", "redrive"]);
}

/// Ended jobs and audit records last as long as history; numbers aren't given twice.
pub async fn ended_jobs_and_audit_records_last_as_long_as_history<E: Engine>() {
    let keep = Keep {
        history: 10 * DAY,
        ..KEEP
    };
    let mut rig = Rig::<E>::with(keep, None).await;
    let running = job(&mut rig, State::Running);
    let done = job(&mut rig, State::Done);
    for job in [&running, &done] {
        keep_job(&rig, job, Some(audit(rig.now(), "job"))).await;
    }
    rig.turn_clock(9 * DAY);
    rig.engine.settle().await;
    assert_eq!(jobs(&rig).await, [done, running.clone()]);
    let last = page(&rig, None, 100).await.records[0].0;
    rig.turn_clock(2 * DAY);
    rig.engine.settle().await;
    assert_eq!(jobs(&rig).await, [running]);
    assert_eq!(page(&rig, None, 100).await, AuditPage::default());
    let noted = rig.store().note(audit(rig.now(), "later")).await;
    noted.expect("an open store notes");
    assert!(page(&rig, None, 100).await.records[0].0 > last);
}
