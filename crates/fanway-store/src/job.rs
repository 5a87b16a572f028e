//! Jobs: redrives of many deliveries, which go on over a restart.
//!
//! A job goes through what its filter finds, the oldest first. What it has done is kept with what
//! it did: after a crash it goes on behind the last delivery that it made anew.
//!
//! Its counts stay true whatever comes in between. Whoever runs it hands
//! [`redrive`](crate::Store::redrive) a batch and the job as it stands when all of that batch is
//! done. Where one turns out not to be possible, be it that somebody else has redriven or
//! discarded it a moment before, the engine counts it over in what it keeps
//! ([`Job::pass_over`]), in the same step; whoever runs the job does so too, by the results.

use fanway_types::{DeadReason, DeliveryId, JobId, RouteName, StepName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id, which also holds when it was made.
    pub id: JobId,
    /// What it goes through. What ends after the job was made isn't part of it.
    pub filter: Filter,
    /// The target that the new deliveries go to, where it isn't the step's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TargetName>,
    /// Whether the new deliveries of dead letters carry keys of their own. Those of what was
    /// delivered always do.
    #[serde(default)]
    pub new_key: bool,
    /// New deliveries a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<u32>,
    /// Where it stands.
    pub state: State,
    /// Where it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What its filter found when it was made, as far as its request was kept.
    pub found: u64,
    /// New deliveries so far.
    pub redriven: u64,
    /// What could not be made anew so far: the request is no longer kept, today's config has no
    /// such route or step, or somebody else has redriven or discarded it meanwhile.
    pub passed_over: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Job {
    /// Counts so many over that were counted as redriven, and were not: they are passed over.
    pub fn pass_over(&mut self, count: u64) {
        self.redriven = self.redriven.saturating_sub(count);
        self.passed_over = self.passed_over.saturating_add(count);
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on.
    Running,
    /// An operator holds it.
    Paused,
    /// It has gone through all.
    Done,
    /// An operator ended it.
    Cancelled,
}

impl State {
    /// The word for it, as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it stays so for ever.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// Which deliveries. Every condition that is there has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Whether those that were delivered are meant too, as far as their messages' bodies are kept.
    #[serde(default)]
    pub include: Include,
    /// Of this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// Of messages of this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteName>,
    /// Dead for this reason, by its word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Ended at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Ended before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whose detail has this text in it, capitals or not (ASCII).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Which ends a filter means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// Dead letters that are on the list.
    #[default]
    Dead,
    /// Those, and what was delivered.
    All,
}

/// A reason by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub DeadReason);

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let unknown = || serde::de::Error::custom(format!("`{word}` is no reason"));
        DeadReason::from_word(&word).map(Self).ok_or_else(unknown)
    }
}

/// A place among what a filter finds, in the order in which deliveries ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// When the delivery at this place ended.
    pub at: Timestamp,
    /// The delivery.
    pub delivery: DeliveryId,
}

/// A delivery that a filter finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place.
    pub place: Cursor,
    /// The route of its message.
    pub route: RouteName,
    /// Its step.
    pub step: StepName,
    /// Its target.
    pub target: TargetName,
    /// Why it is dead; `None` for what was delivered.
    pub reason: Option<DeadReason>,
    /// Whether its request is still kept.
    pub is_kept: bool,
}

/// What a filter finds, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The deliveries.
    pub found: Vec<Candidate>,
    /// Whether there is more behind the last one.
    pub more: bool,
}

/// What a job would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Deliveries that can be made anew.
    pub sendable: u64,
    /// Those whose request is no longer kept.
    pub not_kept: u64,
}
