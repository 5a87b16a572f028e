//! The seam between what Fanway does and where it keeps it: what a store promises.
//!
//! [`Store`] has few, deep methods: accept messages; hand a target's deliveries to its lane and
//! take back their outcomes; look up; change state by an operator's hand. Nothing in it assumes
//! one process, SQL, or memory shared with the caller, so that a database or a broker can stand
//! behind it as well as a data folder.
//!
//! What every engine owes:
//!
//! 1. When [`Store::accept`] resolves with `Ok`, the messages are durable, all of them, with all
//!    their deliveries. When it resolves with an error other than
//!    [`Unknown`](accept::Error::Unknown), none of them is kept.
//! 2. Each delivery of an accepted message is handed to its target's lane, never before the
//!    message is durable, in the order of acceptance, and never twice at once: a delivery that a
//!    lane holds isn't handed out again before it is let go or the process has died.
//! 3. An outcome is durable before anything shows what it says. It need not be when
//!    [`Lane::record`] returns: a crash can lose those of the last few milliseconds, and the
//!    attempts are then made again.
//! 4. A delivery ends exactly once; what is recorded of it after its end is ignored.

pub mod accept;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dead;
pub mod lane;
pub mod lookup;

use std::pin::Pin;
use std::sync::Arc;

use fanway_types::{
    ByteCount, DeliveryId, Message, MessageId, Plan, PlanHash, StepIndex, TargetName, Timestamp,
};

pub use lane::Lane;

/// A future on the heap, so that [`Store`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where messages and outcomes are kept.
pub trait Store: Send + Sync + 'static {
    /// Keeps `plan`, so that messages can name it by its hash. Resolves when it is durable.
    /// Messages of the plan are accepted only afterwards.
    fn keep_plan(&self, plan: Arc<Plan>) -> BoxFuture<'_, Result<PlanHash, Error>>;

    /// The plan that has this hash, where one is kept.
    fn plan(&self, hash: PlanHash) -> BoxFuture<'_, Result<Option<Arc<Plan>>, Error>>;

    /// Accepts messages as one group: all or none. Resolves when they are durable.
    ///
    /// The future may be dropped: the messages may then be accepted or not.
    fn accept(&self, messages: Vec<Arc<Message>>) -> BoxFuture<'static, Result<(), accept::Error>>;

    /// Opens the reading end of a target's deliveries. A target has one lane at a time.
    ///
    /// # Errors
    /// [`Error::LaneTaken`] while an earlier lane of this target lives.
    fn lane(&self, target: &TargetName) -> Result<Box<dyn Lane>, Error>;

    /// What is known of a message.
    fn message(&self, id: MessageId) -> BoxFuture<'_, Result<lookup::Found, Error>>;

    /// Resolves when something about the message has changed since this call. May resolve
    /// without a change.
    fn changed(&self, id: MessageId) -> BoxFuture<'static, ()>;

    /// A page of dead letters, latest first. A delivery that was shown as dead before the call is
    /// among them.
    fn dead_letters(&self, query: dead::Query) -> BoxFuture<'_, Result<dead::Page, Error>>;

    /// One dead letter with its request; `None` where there is none of this id.
    fn dead_letter(&self, id: DeliveryId) -> BoxFuture<'_, Result<Option<dead::Opened>, Error>>;

    /// Makes a new delivery for a dead letter, due at `now`. Resolves when it is durable and
    /// can be looked up.
    ///
    /// The step is looked up in `plan`, which need not be the message's own. The new delivery has
    /// a budget of its own.
    fn redrive(
        &self,
        redrive: Redrive,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<DeliveryId, dead::Error>>;

    /// Takes a dead letter off the list, for a reason. It stays dead in its message's history.
    fn discard(
        &self,
        id: DeliveryId,
        reason: String,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>>;

    /// What waits for each target that anything waits for or is dead for. May be behind by what a
    /// look-up already shows, for a second at most.
    fn backlog(&self) -> BoxFuture<'_, Result<Vec<Backlog>, Error>>;

    /// Whether it can accept, and what an operator should know.
    fn health(&self) -> Health;

    /// Makes everything durable that was accepted or recorded, and closes. What comes later is
    /// refused.
    fn close(&self) -> BoxFuture<'_, Result<(), Error>>;
}

/// A dead letter and the step of a plan that its new delivery runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The dead letter.
    pub dead: DeliveryId,
    /// A plan that is kept.
    pub plan: PlanHash,
    /// The step in that plan.
    pub step: StepIndex,
}

/// What waits for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The target.
    pub target: TargetName,
    /// Deliveries that haven't ended.
    pub pending: u64,
    /// When the oldest message of those was accepted.
    pub oldest: Option<Timestamp>,
    /// Dead letters.
    pub dead: u64,
}

/// Whether a store can accept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it accepts nothing now; empty where it does.
    pub problems: Vec<Problem>,
    /// What an operator should know all the same, such as an fsync that is switched off.
    pub notes: Vec<String>,
    /// Bytes that the backlog takes, where the store counts them.
    pub backlog: Option<ByteCount>,
}

/// Something that keeps a store from accepting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable word for it, such as `journal_poisoned` or `disk_full`.
    pub code: &'static str,
    /// What happened, in words.
    pub detail: String,
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// The target has a lane already.
    #[error("target `{0}` has a lane already")]
    LaneTaken(TargetName),
    /// Something in the engine failed.
    #[error("the store failed")]
    Engine(#[source] Arc<dyn std::error::Error + Send + Sync>),
}
