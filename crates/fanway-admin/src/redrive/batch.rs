//! One batch of a job: what its filter finds next, which steps that runs, and making it anew.

use std::collections::HashMap;
use std::time::Duration;

use fanway_store::change::{Key, Redrive};
use fanway_store::dead;
use fanway_store::job::{Candidate, Job, State};
use fanway_types::{RouteName, StepName};

use crate::redrive::Params;
use crate::resolve::{self, Resolver, Run, may_be_notice};

/// New deliveries in a batch at most.
const MOST: usize = 500;
/// What is looked at for a batch at least, so that what has to be passed over is passed over
/// quickly even where the pace is slow.
const LEAST_FOUND: usize = 50;
/// So many batches a second are made where a job has a pace.
const BATCHES: u32 = 10;

/// A batch that can be made.
#[derive(Debug)]
pub(crate) struct Batch {
    redrives: Vec<Redrive>,
    /// The job as it stands when all of them have been made.
    job: Job,
    /// Whether there is nothing behind them.
    is_last: bool,
}

/// Why a batch wasn't made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing of it was kept.
    #[error("the store has no room")]
    NoRoom,
    #[error(transparent)]
    Store(#[from] fanway_store::Error),
}

impl Batch {
    /// What the job goes on with.
    pub(crate) async fn find(params: &Params, mut job: Job) -> Result<Self, Error> {
        let size = size(job.pace);
        let candidates =
            params
                .store
                .candidates(job.filter.clone(), job.cursor, size.max(LEAST_FOUND));
        let candidates = candidates.await?;
        let mut is_last = !candidates.more || candidates.found.is_empty();
        let to = job.to.clone();
        let mut steps = Steps::new(params, to.as_ref());
        let mut redrives = Vec::new();
        for candidate in candidates.found {
            if redrives.len() == size {
                is_last = false;
                break;
            }
            match steps.of(&candidate).await? {
                Some(run) => redrives.push(redrive(&job, &candidate, run)),
                None => job.passed_over += 1,
            }
            job.cursor = Some(candidate.place);
        }
        job.redriven += count(redrives.len());
        Ok(Self {
            redrives,
            job,
            is_last,
        })
    }

    /// How long from this batch to the next one, so that the job keeps its pace.
    pub(crate) fn wait(&self) -> Duration {
        match self.job.pace {
            None => Duration::ZERO,
            Some(pace) => Duration::from_secs(count(self.redrives.len())) / pace.max(1),
        }
    }

    /// Makes the batch; returns the job as it stands afterwards.
    ///
    /// The progress that is kept with it takes all for made. What turns out to have been redriven
    /// or discarded by somebody else meanwhile is passed over, which is kept with the next batch.
    pub(crate) async fn make(self, params: &Params) -> Result<Job, Error> {
        let Self {
            redrives,
            mut job,
            is_last,
        } = self;
        let now = params.clock.now();
        let is_empty = redrives.is_empty();
        if !is_empty {
            let made = params.store.redrive(redrives, Some(job.clone()), None, now);
            let failed = failed(made.await?)?;
            job.redriven -= failed;
            job.passed_over += failed;
        }
        if is_last {
            job.state = State::Done;
            job.ended_at = Some(now);
            tracing::info!(redrive = %job.id, redriven = job.redriven, passed_over = job.passed_over, "redrive done");
        }
        if is_last || is_empty {
            params.store.keep_job(job.clone(), None).await?;
        }
        Ok(job)
    }
}

/// How many could not be made.
fn failed<T>(made: Vec<Result<T, dead::Error>>) -> Result<u64, Error> {
    let mut failed = 0;
    for error in made.into_iter().filter_map(Result::err) {
        match error {
            dead::Error::Full => return Err(Error::NoRoom),
            dead::Error::Store(error) => return Err(error.into()),
            dead::Error::NotFound(_) | dead::Error::NoBody(_) | dead::Error::NoStep => failed += 1,
        }
    }
    Ok(failed)
}

fn redrive(job: &Job, candidate: &Candidate, run: Run) -> Redrive {
    // What was delivered has been done under the old key.
    let was_delivered = candidate.reason.is_none();
    Redrive {
        old: candidate.place.delivery,
        plan: run.plan,
        step: run.step,
        key: if job.new_key || was_delivered {
            Key::New
        } else {
            Key::Kept
        },
        body: None,
    }
}

/// New deliveries in a batch of a job with this pace.
fn size(pace: Option<u32>) -> usize {
    let Some(pace) = pace else { return MOST };
    usize::try_from(pace / BATCHES)
        .unwrap_or(MOST)
        .clamp(1, MOST)
}

fn count(length: usize) -> u64 {
    length.try_into().unwrap_or(u64::MAX)
}

/// What a route does today with a step of a name.
#[derive(Clone, Copy)]
enum Today {
    Run(Run),
    NoStep,
    NoRoute,
}

/// Finds what a batch's redrives run; asks once for each step.
struct Steps<'a> {
    resolver: Resolver<'a>,
    /// Whether they go to a target that the config doesn't have any more.
    is_lost: bool,
    known: HashMap<(RouteName, StepName), Today>,
}

impl<'a> Steps<'a> {
    fn new(params: &'a Params, to: Option<&'a fanway_types::TargetName>) -> Self {
        let resolver = Resolver {
            store: &*params.store,
            plans: &*params.plans,
            lanes: &*params.lanes,
            to,
        };
        Self {
            resolver,
            is_lost: resolver.check().is_err(),
            known: HashMap::new(),
        }
    }

    /// What a delivery's redrive runs; `None` where it is passed over.
    async fn of(&mut self, candidate: &Candidate) -> Result<Option<Run>, Error> {
        if self.is_lost || !candidate.is_kept {
            return Ok(None);
        }
        if may_be_notice(&candidate.step)
            && let Some(run) = self.pinned(candidate, true).await?
        {
            return Ok(Some(run));
        }
        match self.today(candidate).await? {
            Today::Run(run) => Ok(Some(run)),
            Today::NoStep => Ok(None),
            Today::NoRoute => self.pinned(candidate, false).await,
        }
    }

    async fn today(&mut self, candidate: &Candidate) -> Result<Today, Error> {
        let step = (candidate.route.clone(), candidate.step.clone());
        if let Some(today) = self.known.get(&step) {
            return Ok(*today);
        }
        let today = match self.resolver.today(&step.0, &step.1).await {
            Ok(run) => Today::Run(run),
            Err(resolve::Error::Route(_)) => Today::NoRoute,
            Err(resolve::Error::Store(error)) => return Err(error.into()),
            Err(_) => Today::NoStep,
        };
        self.known.insert(step, today);
        Ok(today)
    }

    /// The step in the plan that the message was accepted with, where that is kept: a dead
    /// letter's is found with its request. Where `only_notice`, only if it is a notice's.
    async fn pinned(&self, candidate: &Candidate, only_notice: bool) -> Result<Option<Run>, Error> {
        let delivery = candidate.place.delivery;
        let opened = self.resolver.store.dead_letter(delivery).await?;
        let Some(message) = opened.and_then(|opened| opened.message) else {
            return Ok(None);
        };
        let run = async {
            if only_notice && !self.resolver.is_notice(&message, &candidate.step).await? {
                return Ok(None);
            }
            let run = self.resolver.pinned(&message, delivery.step).await?;
            Ok(Some(run))
        };
        match run.await {
            Ok(run) => Ok(run),
            Err(resolve::Error::Store(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[track_caller]
    fn check(pace: Option<u32>, expected: usize) {
        assert_eq!(size(pace), expected, "{pace:?}");
    }

    #[test]
    fn a_batch_is_a_tenth_of_a_second_at_the_jobs_pace() {
        check(None, 500);
        check(Some(1), 1);
        check(Some(9), 1);
        check(Some(25), 2);
        check(Some(1_000), 100);
        check(Some(1_000_000), 500);
    }
}
