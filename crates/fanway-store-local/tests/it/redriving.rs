//! A job, broken at each step of its batches: between any two operations of the journal, and
//! between any two steps of posting. Whatever is left of it, it goes on; each letter is made anew
//! once, and the job's count is that of the letters that were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanway_journal::faulty::{Crash, Keep};
use fanway_store::change::{Key, Redrive};
use fanway_store::job::{Filter, Job, State};
use fanway_store::lane::Hold;
use fanway_store::{Error, Store as _};
use fanway_store_local::{LocalStore, Step, Steps, Tuning};
use fanway_types::{DeliveryId, JobId};

use crate::folder::Folder;
use crate::scene::{NOW, Scene, dead, name, take, view};

const LETTERS: usize = 7;
const BATCH: usize = 3;

/// Which step of posting is never made, once it is armed.
struct Dies {
    at: Option<Step>,
    /// How many of these steps are made before; `u64::MAX` while it isn't armed.
    left: AtomicU64,
}

/// A data folder with dead letters, and what a job over them does.
struct Scenario {
    scene: Scene,
    letters: Vec<DeliveryId>,
    dies: Arc<Dies>,
}

impl Scenario {
    /// Letters that are on the list, in a store that posts in as many parts as it can.
    async fn new(at: Option<Step>) -> (Self, LocalStore) {
        let left = AtomicU64::new(u64::MAX);
        let dies = Arc::new(Dies { at, left });
        let of_thread = Arc::clone(&dies);
        let mut folder = Folder::faulty();
        folder.tuning = Tuning {
            rest: Duration::ZERO,
            prune: Duration::ZERO,
            steps: Steps::new(move |step| of_thread.makes(step)),
            ..Tuning::default()
        };
        let mut scene = Scene::new(folder);
        let store = scene.open().await;
        scene
            .accept(&store, LETTERS, 100)
            .await
            .expect("there is room");
        let mut lane = store.lane(&name("stock")).expect("the only lane");
        let mut letters = Vec::new();
        while letters.len() < LETTERS {
            for work in take(&mut *lane, NOW).await {
                lane.record(&work, dead(&work), Hold::LetGo);
                letters.push(work.delivery);
            }
        }
        store.posted().await.expect("nothing has failed yet");
        let scenario = Self {
            scene,
            letters,
            dies,
        };
        (scenario, store)
    }

    /// Goes on with the job, or begins it, until all is done or the store has failed. Somebody
    /// else discards the fourth letter at the same time as it is redriven.
    async fn work_off(&self, store: &LocalStore) -> Result<Job, Error> {
        let mut job = match store.jobs().await?.pop() {
            Some(job) => job,
            None => new_job(),
        };
        store.keep_job(job.clone(), None).await?;
        loop {
            let page = store
                .candidates(job.filter.clone(), job.cursor, BATCH)
                .await?;
            let Some(last) = page.found.last() else { break };
            job.cursor = Some(last.place);
            job.redriven += page.found.len() as u64;
            let redrives = page.found.iter().map(|found| Redrive {
                old: found.place.delivery,
                plan: self.scene.plan.hash(),
                step: found.place.delivery.step,
                key: Key::Kept,
                body: None,
            });
            let redriven = store.redrive(redrives.collect(), Some(job.clone()), None, NOW);
            let fourth = self.letters[3];
            let discarded = async {
                if page
                    .found
                    .iter()
                    .any(|found| found.place.delivery == fourth)
                {
                    // It may have been redriven already, in a batch that a crash has broken off.
                    let _not_found = store.discard(fourth, String::new(), None, NOW).await;
                }
            };
            let ((), results) = tokio::join!(discarded, redriven);
            let refused = results?.iter().filter(|result| result.is_err()).count();
            job.pass_over(refused as u64);
        }
        job.state = State::Done;
        job.ended_at = Some(NOW);
        store.keep_job(job.clone(), None).await?;
        Ok(job)
    }

    /// How many letters were made anew; none twice.
    async fn redriven(&self, store: &LocalStore) -> u64 {
        let mut redriven = 0;
        for letter in &self.letters {
            let view = view(store, letter.message).await;
            let view = view.expect("it was acknowledged");
            let run = view.deliveries[usize::from(letter.step)].id.run;
            assert!(run <= 1, "{letter} was made anew {run} times");
            redriven += u64::from(run);
        }
        redriven
    }

    /// Opens what a crash has left, checks that the job fits the letters, and brings it to its
    /// end.
    async fn check(mut self, store: LocalStore, leaves: &Crash) {
        self.scene.folder.crash(leaves);
        drop(store);
        self.dies.left.store(u64::MAX, Ordering::SeqCst);
        let store = self.scene.folder.open();
        let jobs = store.jobs().await.expect("it has just been opened");
        let counted = jobs.first().map_or(0, |job| job.redriven);
        assert_eq!(self.redriven(&store).await, counted, "{jobs:?}");
        let job = self
            .work_off(&store)
            .await
            .expect("nothing is broken any more");
        assert_eq!(self.redriven(&store).await, job.redriven);
        assert!(
            (LETTERS as u64 - 1..=LETTERS as u64).contains(&job.redriven),
            "{job:?}"
        );
        let jobs = store.jobs().await.expect("nothing is broken any more");
        assert_eq!(jobs, [job]);
        store.close().await.expect("nothing keeps it from closing");
        drop(store);
        let left = self.scene.folder.check_ledger();
        assert_eq!(left.dead, 0);
    }
}

impl Dies {
    fn makes(&self, step: Step) -> bool {
        if Some(step) != self.at {
            return true;
        }
        let count = |left: u64| (left != u64::MAX).then(|| left.saturating_sub(1));
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        left != Ok(0)
    }
}

fn new_job() -> Job {
    Job {
        id: JobId::from_bytes([7; 16]),
        filter: Filter::default(),
        to: None,
        new_key: false,
        pace: None,
        state: State::Running,
        cursor: None,
        found: LETTERS as u64,
        redriven: 0,
        passed_over: 0,
        ended_at: None,
    }
}

#[tokio::test]
async fn a_power_loss_between_any_two_operations_of_a_job_makes_no_letter_twice() {
    let (scenario, store) = Scenario::new(None).await;
    let begun = scenario.scene.folder.fs().steps();
    scenario.work_off(&store).await.expect("nothing is broken");
    let steps = scenario.scene.folder.fs().steps() - begun;
    assert!(steps > 5, "a batch is written and synced");
    for step in 0..=steps {
        let leaves = match step % 3 {
            0 => Crash::LoseUnsynced,
            1 => Crash::KeepAll,
            _ => Crash::Sectors {
                size: 512,
                keep: Keep::Seed(step),
            },
        };
        let (scenario, store) = Scenario::new(None).await;
        let fs = scenario.scene.folder.fs();
        fs.freeze_after(fs.steps() + step);
        // It fails, or has come to its end before.
        let _broken = scenario.work_off(&store).await;
        scenario.check(store, &leaves).await;
    }
}

#[tokio::test]
async fn a_death_between_any_two_steps_of_posting_a_job_makes_no_letter_twice() {
    let steps = [Step::Post, Step::Trim, Step::Forget, Step::Tell];
    for (at, nth) in steps
        .into_iter()
        .flat_map(|step| (0..8).map(move |nth| (step, nth)))
    {
        let (scenario, store) = Scenario::new(Some(at)).await;
        scenario.dies.left.store(nth, Ordering::SeqCst);
        let _broken = scenario.work_off(&store).await;
        scenario.check(store, &Crash::LoseUnsynced).await;
    }
}
