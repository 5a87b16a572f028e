//! What jobs promise: they go on after a crash where they stood, and count what was done.

use std::time::Duration;

use fanway_types::{JobId, Plan};

use super::Engine;
use super::candidates::{candidates, die_at};
use super::rig::{Rig, assert_waits, both, deliver, take_all};
use crate::change::{Key, Redrive};
use crate::job::{Filter, Job, State};

/// A new job over all dead letters.
fn new_job<E: Engine>(rig: &mut Rig<E>) -> Job {
    let now = rig.now();
    Job {
        id: JobId::new(now, &mut rig.rng),
        filter: Filter {
            until: Some(now.saturating_add(Duration::from_millis(1))),
            ..Filter::default()
        },
        to: None,
        new_key: false,
        pace: None,
        state: State::Running,
        cursor: None,
        found: 0,
        redriven: 0,
        passed_over: 0,
        ended_at: None,
    }
}

/// Goes on with a job by one batch of two, as whoever runs it does; returns whether it has ended.
async fn go_on<E: Engine>(rig: &Rig<E>, job: &mut Job, plan: &Plan) -> bool {
    let page = candidates(rig, &job.filter, job.cursor, 2).await;
    let Some(last) = page.found.last() else {
        job.state = State::Done;
        job.ended_at = Some(rig.now());
        let kept = rig.store().keep_job(job.clone(), None).await;
        kept.expect("an open store keeps jobs");
        return true;
    };
    job.cursor = Some(last.place);
    job.redriven += page.found.len() as u64;
    let redrives = page.found.iter().map(|found| Redrive {
        old: found.place.delivery,
        plan: plan.hash(),
        step: 0,
        key: Key::Kept,
        body: None,
    });
    let store = rig.store();
    let results = store.redrive(redrives.collect(), Some(job.clone()), None, rig.now());
    let results = results.await.expect("an open store changes");
    job.pass_over(results.iter().filter(|result| result.is_err()).count() as u64);
    false
}

async fn kept_job<E: Engine>(rig: &Rig<E>) -> Option<Job> {
    let jobs = rig.store().jobs().await;
    jobs.expect("an open store lists jobs").pop()
}

/// Wherever a crash interrupts a job, it goes on behind its last batch: each letter is made anew
/// once, and the counts are those of a job that was never interrupted.
pub async fn a_job_goes_on_after_a_crash<E: Engine>() {
    for crash_after in 0..=5 {
        let mut rig = Rig::<E>::new().await;
        let plan = rig.plan(&["stock"]).await;
        let mut lane = rig.lane("stock");
        let now = rig.now();
        let letters = die_at(&mut rig, &mut lane, &plan, &[now; 7]).await;
        drop(lane);
        let mut job = new_job(&mut rig);
        let kept = rig.store().keep_job(job.clone(), None).await;
        kept.expect("an open store keeps jobs");
        for _ in 0..crash_after {
            go_on(&rig, &mut job, &plan).await;
        }
        rig.crash().await;
        assert_eq!(
            kept_job(&rig).await,
            Some(job.clone()),
            "after {crash_after} batches"
        );
        while !go_on(&rig, &mut job, &plan).await {}
        assert_eq!((job.redriven, job.passed_over), (7, 0));
        assert_eq!(kept_job(&rig).await, Some(job));
        let mut lane = rig.lane("stock");
        let work = take_all(&mut lane, rig.now(), 7).await;
        let mut taken: Vec<_> = work.iter().map(|work| work.delivery).collect();
        taken.sort();
        let mut expected: Vec<_> = letters.iter().filter_map(|old| old.next_run()).collect();
        expected.sort();
        assert_eq!(taken, expected);
        deliver(&mut lane, &work, rig.now());
        rig.engine.settle().await;
        assert_waits(&mut lane, rig.now());
    }
}

/// What somebody else has done to a letter meanwhile is passed over, whenever it turns out.
pub async fn a_job_s_counts_are_true_whoever_comes_in_between<E: Engine>() {
    let mut rig = Rig::<E>::new().await;
    let plan = rig.plan(&["stock"]).await;
    let mut lane = rig.lane("stock");
    let now = rig.now();
    let letters = die_at(&mut rig, &mut lane, &plan, &[now; 4]).await;
    let mut job = new_job(&mut rig);
    job.redriven = 4;
    let redrives = || {
        let redrives = letters.iter().map(|old| Redrive {
            old: *old,
            plan: plan.hash(),
            step: 0,
            key: Key::Kept,
            body: None,
        });
        redrives.collect::<Vec<_>>()
    };
    let mut other = new_job(&mut rig);
    other.redriven = 4;
    let discarded = rig.store().discard(letters[0], String::new(), None, now);
    discarded.await.expect("it is on the list");
    let (first, second) = both(
        rig.store().redrive(redrives(), Some(job), None, now),
        rig.store().redrive(redrives(), Some(other), None, now),
    )
    .await;
    let count = |results: Result<Vec<Result<_, _>>, _>| {
        let results = results.expect("an open store changes");
        results.iter().filter(|result| result.is_ok()).count() as u64
    };
    let mut done = [count(first), count(second)];
    done.sort_unstable();
    assert_eq!(done.iter().sum::<u64>(), 3);
    drop(lane);
    rig.crash().await;
    let jobs = rig.store().jobs().await.expect("an open store lists jobs");
    let mut counted: Vec<_> = jobs.iter().map(|job| job.redriven).collect();
    counted.sort_unstable();
    assert_eq!(counted, done);
    assert!(
        jobs.iter().all(|job| job.redriven + job.passed_over == 4),
        "{jobs:?}"
    );
}
