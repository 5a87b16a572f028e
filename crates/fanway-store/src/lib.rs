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
//! 5. Of the messages with one idempotency key, whose time isn't over, exactly one is accepted.
//!    The key is durable in the message's own record.
//! 6. Of a message that is called off, every delivery that hasn't ended ends as cancelled, but
//!    that an attempt in flight decides. The engine ends what no lane holds; after a crash it ends
//!    what had not ended, and says that it may have been sent.
//! 7. With the end of a message, and with each dead letter, come the [`notice`]s that its plan or
//!    its sender asked for: exactly one for each, kept together with what it tells of.
//! 8. Of the deliveries to one target with the same [order key](fanway_types::Message::order_key),
//!    one at a time is handed out, and the next when the end of that one is durable: in the order
//!    in which their messages were accepted. What follows for the others when one is dead is as its
//!    step [says](fanway_types::WhenDead), durably with that end. What is made anew is handed out
//!    when none of its key is under way.
//! 9. A redrive takes the old delivery off the list and makes the new one in one step, and a
//!    job's progress is kept in the same step.

pub mod accept;
pub mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dead;
pub mod document;
pub mod event;
pub mod job;
pub mod lane;
pub mod lookup;
pub mod notice;
pub mod trouble;

use std::pin::Pin;
use std::sync::Arc;

use fanway_types::{
    ByteCount, DeliveryId, Message, MessageId, Plan, PlanHash, TargetName, Timestamp,
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

    /// Accepts messages as one group: all or none. Resolves when they are durable. One whose key
    /// is taken refuses the group, and so does a key that is in the group twice, as
    /// [`KeyTaken`](accept::Error::KeyTaken). A key is looked at before there is any question of
    /// room: what was accepted is [`Repeated`](accept::Error::Repeated) by a full store too.
    ///
    /// The future may be dropped: the messages may then be accepted or not. A key whose message was
    /// not accepted is free again, but after [`Unknown`](accept::Error::Unknown).
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

    /// Makes new deliveries, due at `now`, each with a budget of its own; says of each what became
    /// of it. Resolves when they are durable and can be looked up. Only a step's latest delivery
    /// can be made anew: of two redrives of the same one, one is done.
    ///
    /// Where they are part of a job, `job` is kept with them as it stands when all of them are
    /// done; those that are not are [counted over](job::Job::pass_over). Where an audit record is
    /// given, it is kept with them, if any is done. Where the store has no room nothing is kept,
    /// and those that would have been done are refused as [`Full`](dead::Error::Full).
    ///
    /// The step is looked up in the named plan, which need not be the message's own.
    fn redrive(
        &self,
        redrives: Vec<change::Redrive>,
        job: Option<job::Job>,
        audit: Option<change::Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Result<DeliveryId, dead::Error>>, Error>>;

    /// Takes a dead letter off the list, for a reason. It stays dead in its message's history. The
    /// audit record is kept with that.
    fn discard(
        &self,
        id: DeliveryId,
        reason: String,
        audit: Option<change::Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), dead::Error>>;

    /// Calls a message off. Resolves when that is durable, and the deliveries for targets that
    /// have no lane have ended durably too. Those for targets that have one end when the lane has
    /// come to it: at its next [`poll_cancelled`](Lane::poll_cancelled) the engine ends what the
    /// lane doesn't hold, and the lane's caller is told of what it does. From then on, and on any
    /// later lane, none of the message's deliveries is handed out.
    ///
    /// What a lane that is dropped leaves called off, the engine ends. What is made anew after
    /// this call isn't called off; where both are asked for at once, either may come first.
    ///
    /// The future may be dropped: the message may then be called off or not.
    fn cancel(
        &self,
        id: MessageId,
        audit: Option<change::Audit>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), change::CancelError>>;

    /// What a job would go through, the oldest first, behind `after`; at most `limit`, which is at
    /// least 1. What is known to have ended before the call is among it; what only history tells
    /// of is not, since nothing can be made anew of it.
    fn candidates(
        &self,
        filter: job::Filter,
        after: Option<job::Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<job::Candidates, Error>>;

    /// How much a job would go through, and of how much only history tells any more.
    fn count(&self, filter: job::Filter) -> BoxFuture<'_, Result<job::Count, Error>>;

    /// Keeps a job as it stands. Resolves when it is durable.
    fn keep_job(
        &self,
        job: job::Job,
        audit: Option<change::Audit>,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// All jobs that are kept, the latest first. Ended ones are kept as long as history is.
    fn jobs(&self) -> BoxFuture<'_, Result<Vec<job::Job>, Error>>;

    /// What operators have set, for each target for which it isn't the default.
    fn controls(&self) -> BoxFuture<'_, Result<Vec<(TargetName, change::Control)>, Error>>;

    /// Keeps what an operator has set for a target. Resolves when it is durable.
    fn keep_control(
        &self,
        target: TargetName,
        control: change::Control,
        audit: Option<change::Audit>,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// What isn't well with targets, for each with which something isn't, as lanes have kept it.
    fn troubles(&self) -> BoxFuture<'_, Result<Vec<(TargetName, trouble::Trouble)>, Error>>;

    /// Keeps what isn't well with a target, in place of what was. Resolves when it is durable; the
    /// future may be dropped once it was polled.
    fn keep_trouble(
        &self,
        target: TargetName,
        trouble: trouble::Trouble,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Keeps an audit record of a change that the store doesn't know of. Resolves when it is
    /// durable.
    fn note(&self, audit: change::Audit) -> BoxFuture<'_, Result<(), Error>>;

    /// Audit records, latest first, below the number `below`; at most `limit`. They are kept as
    /// long as history is.
    fn audit(
        &self,
        below: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<change::AuditPage, Error>>;

    /// Gives what waits, and what will wait, for `old` to `heir`. From then on `old` is but
    /// another name for `heir` while the store is open; to be asked for again after a restart.
    /// Nothing happens where the two are names of one target already.
    ///
    /// What is accepted from now on takes its place among the heir's own. What waits comes over
    /// little by little, in about the order of acceptance, beside what is the heir's own; dead
    /// letters do as well.
    ///
    /// # Errors
    /// [`Error::LaneTaken`] while `old` has a lane.
    fn adopt(&self, old: &TargetName, heir: &TargetName) -> Result<(), Error>;

    /// The origins that senders' callbacks have ever gone to, as far as anything is kept of them.
    /// Their notices wait for lanes of these names.
    fn origins(&self) -> Vec<notice::CallbackOrigin>;

    /// Everything that becomes durable from now on. Nobody waits for a watcher: one that is too
    /// slow is told how much it has missed.
    fn watch(&self) -> event::Events;

    /// What waits for each target that anything waits for or is dead for. May be behind by what a
    /// look-up already shows, for a second at most.
    fn backlog(&self) -> BoxFuture<'_, Result<Vec<Backlog>, Error>>;

    /// Whether it can accept, and what an operator should know.
    fn health(&self) -> Health;

    /// Makes everything durable that was accepted or recorded, and closes. What comes later is
    /// refused.
    fn close(&self) -> BoxFuture<'_, Result<(), Error>>;
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
