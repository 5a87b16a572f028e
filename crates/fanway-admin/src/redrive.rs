//! Redrives of many deliveries: durable jobs, and what carries them out.
//!
//! The [`Runner`] owns all jobs that run: whoever wants one started, held or ended asks it through
//! its [`Handle`], and it obeys between two batches. A batch and the job's progress are kept in
//! one step, and what an operator has asked for is durable before it takes effect; so that a job
//! goes on after a restart behind the last delivery that it made anew.
//!
//! One batch is made at a time, and jobs take turns: of those that may go on, the one that has
//! waited longest. Memory is bounded by one batch and 100 jobs.
//!
//! Where the store has no room, nothing of the batch was kept, and it is made a second later.
//! Where it failed, the job is read again a second later and goes on from what is kept: the batch
//! with the progress, or neither.

mod batch;
mod handle;
#[cfg(test)]
mod tests;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanway_dispatch::Clock;
use fanway_store::Store;
use fanway_store::job::{Job, State};
use fanway_types::JobId;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

pub use crate::redrive::handle::Handle;

use crate::actor::Actor;
use crate::current::{Lanes, Plans};
use crate::redrive::batch::Batch;
pub(crate) use crate::redrive::handle::{Change, Error, Order};
use crate::redrive::handle::{Command, Wish};
use crate::redrive::turns::{Turn, Turns};

/// Jobs that haven't ended, at most.
pub(crate) const MOST: usize = 100;
/// How long a store that has no room, or has failed, is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// Commands that may wait.
const COMMANDS: usize = 16;

/// What a runner is told.
pub struct Params {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What each route does now.
    pub plans: Arc<dyn Plans>,
    /// The lanes that are open now.
    pub lanes: Arc<dyn Lanes>,
    /// The wall clock.
    pub clock: Clock,
    /// For jobs' ids.
    pub rng: StdRng,
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Params")
    }
}

/// Carries out jobs.
#[derive(Debug)]
pub struct Runner {
    params: Params,
    commands: mpsc::Receiver<Command>,
    turns: Turns,
}

impl Runner {
    /// A runner, and what asks things of it.
    #[must_use]
    pub fn new(params: Params) -> (Self, Handle) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let runner = Self {
            params,
            commands,
            turns: Turns::default(),
        };
        (runner, Handle::new(sender))
    }

    /// Takes up all jobs that run, and carries out those and later ones until `shutdown` resolves.
    /// A batch that has begun is finished.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            () = self.take_up() => {}
        }
        loop {
            let due = self.turns.due();
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                Some(command) = self.commands.recv() => self.obey(command).await,
                () = at(due) => self.go_on().await,
            }
        }
    }

    /// Takes up the jobs that ran when the process before ended.
    async fn take_up(&mut self) {
        let jobs = loop {
            match self.params.store.jobs().await {
                Ok(jobs) => break jobs,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "redrives can't be read"
                    );
                    sleep(PAUSE).await;
                }
            }
        };
        let running = jobs.into_iter().filter(|job| job.state == State::Running);
        for job in running {
            tracing::info!(redrive = %job.id, redriven = job.redriven, found = job.found, "redrive goes on");
            self.turns.add(Turn::of(job, Instant::now()));
        }
    }

    /// Makes the next batch of the job whose turn it is.
    async fn go_on(&mut self) {
        let Some(turn) = self.turns.next() else {
            return;
        };
        let (id, began) = (turn.id, Instant::now());
        match self.batch(turn).await {
            Ok(Some((job, wait))) => self.turns.add(Turn::of(job, began + wait)),
            Ok(None) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(redrive = %id, error, "redrive waits for the store");
                self.turns.add(Turn::to_read(id, Instant::now() + PAUSE));
            }
        }
    }

    /// Makes a batch. Returns the job as it stands afterwards, and how long it waits for the next
    /// one from the beginning of this one; nothing where it doesn't run any more.
    async fn batch(&self, turn: Turn) -> Result<Option<(Job, Duration)>, batch::Error> {
        let job = match turn.job {
            Some(job) => Some(job),
            None => self.kept(turn.id).await?,
        };
        let Some(job) = job.filter(|job| job.state == State::Running) else {
            return Ok(None);
        };
        let batch = Batch::find(&self.params, job.clone()).await?;
        let wait = batch.wait();
        match batch.make(&self.params).await {
            Ok(job) => Ok((job.state == State::Running).then_some((job, wait))),
            Err(batch::Error::NoRoom) => {
                tracing::warn!(redrive = %job.id, "redrive waits until the store has room");
                Ok(Some((job, PAUSE)))
            }
            Err(error) => Err(error),
        }
    }

    /// A job as it is kept.
    async fn kept(&self, id: JobId) -> Result<Option<Job>, fanway_store::Error> {
        let jobs = self.params.store.jobs().await?;
        Ok(jobs.into_iter().find(|job| job.id == id))
    }

    async fn obey(&mut self, command: Command) {
        let Command {
            wish,
            actor,
            answer,
        } = command;
        let done = match wish {
            Wish::Start(order) => self.start(*order, &actor).await,
            Wish::Change(id, change) => self.change(id, change, &actor).await,
        };
        // Whoever has asked may have gone.
        let _told = answer.send(done);
    }

    async fn start(&mut self, order: Order, actor: &Actor) -> Result<Job, Error> {
        let jobs = self.params.store.jobs().await?;
        if jobs.iter().filter(|job| !job.state.has_ended()).count() >= MOST {
            return Err(Error::TooMany(MOST));
        }
        let now = self.params.clock.now();
        let job = order.job(JobId::new(now, &mut self.params.rng));
        let audit = actor.did(now, "redrive.start", &job.id, Some(&detail(&job)));
        let keep = self.params.store.keep_job(job.clone(), Some(audit));
        keep.await?;
        tracing::info!(redrive = %job.id, found = job.found, "redrive started");
        self.turns.add(Turn::of(job.clone(), Instant::now()));
        Ok(job)
    }

    async fn change(&mut self, id: JobId, change: Change, actor: &Actor) -> Result<Job, Error> {
        let job = match self.turns.job(id) {
            Some(job) => Some(job.clone()),
            None => self.kept(id).await?,
        };
        let mut job = job.ok_or(Error::Unknown(id))?;
        if job.state == change.state() {
            return Ok(job);
        }
        if job.state.has_ended() {
            return Err(Error::Ended(id, job.state));
        }
        let now = self.params.clock.now();
        job.state = change.state();
        job.ended_at = job.state.has_ended().then_some(now);
        let audit = actor.did(now, change.action(), &id, None);
        let keep = self.params.store.keep_job(job.clone(), Some(audit));
        let kept = keep.await;
        self.turns.remove(id);
        match &kept {
            // Whether it was kept shows when it is read again.
            Err(_) => self.turns.add(Turn::to_read(id, Instant::now() + PAUSE)),
            Ok(()) if job.state == State::Running => {
                self.turns.add(Turn::of(job.clone(), Instant::now()));
            }
            Ok(()) => {}
        }
        kept?;
        tracing::info!(redrive = %id, state = job.state.as_str(), "redrive changed");
        Ok(job)
    }
}

/// When it is due; never where nothing is.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What a job was asked for, for the audit record.
fn detail(job: &Job) -> String {
    let to = job.to.as_ref().map(|to| format!(" to {to}"));
    let filter = serde_json::to_string(&job.filter).expect("a filter has only text keys");
    format!("{} found{}: {filter}", job.found, to.unwrap_or_default())
}
