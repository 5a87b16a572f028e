//! What is asked of a runner, and how.

use fanway_store::job::{Filter, Job, State};
use fanway_types::{JobId, TargetName};
use tokio::sync::{mpsc, oneshot};

use crate::actor::Actor;

/// Asks things of a runner. Clones ask the same one.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Command>);

/// A redrive that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Which deliveries: only such as have ended by now.
    pub(crate) filter: Filter,
    pub(crate) to: Option<TargetName>,
    pub(crate) new_key: bool,
    pub(crate) pace: Option<u32>,
    /// How many the filter has found.
    pub(crate) found: u64,
}

impl Order {
    pub(crate) fn job(self, id: JobId) -> Job {
        Job {
            id,
            filter: self.filter,
            to: self.to,
            new_key: self.new_key,
            pace: self.pace,
            state: State::Running,
            cursor: None,
            found: self.found,
            redriven: 0,
            passed_over: 0,
            ended_at: None,
        }
    }
}

/// What can be done with a job that hasn't ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Pause,
    Resume,
    Cancel,
}

impl Change {
    /// The state that it leads to.
    pub(crate) fn state(self) -> State {
        match self {
            Self::Pause => State::Paused,
            Self::Resume => State::Running,
            Self::Cancel => State::Cancelled,
        }
    }

    /// The word for it in the audit record.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Pause => "redrive.pause",
            Self::Resume => "redrive.resume",
            Self::Cancel => "redrive.cancel",
        }
    }
}

/// Why a runner doesn't do what it is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no redrive {0}")]
    Unknown(JobId),
    #[error("the redrive {0} is {state}", state = .1.as_str())]
    Ended(JobId, State),
    #[error("{0} redrives haven't ended")]
    TooMany(usize),
    #[error("redrives are carried out no more")]
    Stopped,
    #[error(transparent)]
    Store(#[from] fanway_store::Error),
}

/// Something asked of a runner.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) wish: Wish,
    pub(crate) actor: Actor,
    pub(crate) answer: oneshot::Sender<Result<Job, Error>>,
}

#[derive(Debug)]
pub(crate) enum Wish {
    Start(Box<Order>),
    Change(JobId, Change),
}

impl Handle {
    pub(crate) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self(commands)
    }

    /// Starts a redrive. Resolves when it is durable.
    pub(crate) async fn start(&self, order: Order, actor: Actor) -> Result<Job, Error> {
        self.ask(Wish::Start(Box::new(order)), actor).await
    }

    /// Changes a redrive. Resolves when that is durable and has taken effect.
    pub(crate) async fn change(
        &self,
        id: JobId,
        change: Change,
        actor: Actor,
    ) -> Result<Job, Error> {
        self.ask(Wish::Change(id, change), actor).await
    }

    async fn ask(&self, wish: Wish, actor: Actor) -> Result<Job, Error> {
        let (answer, told) = oneshot::channel();
        let command = Command {
            wish,
            actor,
            answer,
        };
        let sent = self.0.send(command).await;
        sent.map_err(|_| Error::Stopped)?;
        told.await.map_err(|_| Error::Stopped)?
    }
}
