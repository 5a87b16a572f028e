//! What is changed by a hand: an operator's, or a sender's that calls its message off.

use std::sync::Arc;

use bytes::Bytes;
use fanway_types::{DeliveryId, MessageId, PlanHash, Request, StepIndex, Timestamp};
use serde::{Deserialize, Serialize};

/// A delivery that has ended, and the step of a plan that its new delivery runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// A dead letter, or a delivery that was delivered and whose message's body is kept.
    pub old: DeliveryId,
    /// A plan that is kept.
    pub plan: PlanHash,
    /// The step in that plan.
    pub step: StepIndex,
    /// Which key the attempts carry.
    pub key: Key,
    /// A body in place of the message's, for this delivery and those that are made anew of it.
    /// Without one, the old delivery's: a key goes with what was sent under it.
    pub body: Option<Edited>,
}

/// Which `Idempotency-Key` the attempts of a redriven delivery carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The old delivery's: a target that has done its work already says so.
    Kept,
    /// Its own: the target is to do the work, whatever it did before.
    New,
}

/// A body that somebody has edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The body.
    pub body: Bytes,
    /// Its media type, where it isn't the message's own.
    pub content_type: Option<Box<str>>,
}

impl Edited {
    /// A request with this body in place of its own, which is as it is: it isn't compressed,
    /// whatever the request's own was.
    #[must_use]
    pub fn in_place_of(&self, request: &Request) -> Request {
        const TYPE: &str = "content-type";
        let replaced = |name: &str| match name {
            "content-encoding" => true,
            TYPE => self.content_type.is_some(),
            _ => false,
        };
        let kept = request.headers.iter().filter(|(name, _)| !replaced(name));
        let media_type = self.content_type.iter();
        let media_type = media_type.map(|media_type| (TYPE, media_type.as_bytes()));
        Request {
            headers: kept.chain(media_type).collect(),
            body: self.body.clone(),
            ..request.clone()
        }
    }
}

/// Why a message could not be called off.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CancelError {
    /// There is no message of this id.
    #[error("there is no message {0}")]
    NotFound(MessageId),
    /// It has ended.
    #[error("the message {0} has ended")]
    Ended(MessageId),
    /// The store can keep no changes now.
    #[error("the store can keep no changes now")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::Error),
}

/// What an operator has set for a target. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Nothing is attempted, where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// What its breaker does.
    #[serde(default)]
    pub breaker: Force,
}

/// A pause of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why, in words; may be empty.
    pub reason: String,
    /// What it came from.
    #[serde(default, skip_serializing_if = "PauseCause::is_operator")]
    pub cause: PauseCause,
    /// A fingerprint of the target's address as it was then, where another address ends the pause.
    /// Not the address, which may be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What a pause came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// An operator has set it.
    #[default]
    Operator,
    /// The target has answered 410, by which it says that it wants nothing any more.
    Gone,
}

impl PauseCause {
    /// The word for it, as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Gone => "gone",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    fn is_operator(&self) -> bool {
        *self == Self::Operator
    }
}

/// What a breaker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// What follows from the target's answers.
    #[default]
    Auto,
    /// It is open, whatever the target answers.
    Open,
    /// It is closed, whatever the target answers.
    Closed,
}

impl Force {
    /// The word for it, as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// Who changed what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Who, as far as it is known.
    pub actor: Arc<str>,
    /// What was done: a stable word such as `target.pause`.
    pub action: Arc<str>,
    /// To what: an id or a name.
    pub subject: Arc<str>,
    /// More about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Arc<str>>,
}

/// Audit records, latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Each with its number, which counts up.
    pub records: Vec<(u64, Audit)>,
    /// Below which number the next page begins, where there is one.
    pub next: Option<u64>,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fanway_types::Request;

    use super::Edited;

    #[track_caller]
    fn check(content_type: Option<&str>, expected: &[(&str, &[u8])]) {
        let headers = [
            ("content-type", &b"text/plain"[..]),
            ("content-encoding", b"gzip"),
            ("x-order", b"7"),
        ];
        let request = Request {
            path: "/orders".into(),
            headers: headers.into_iter().collect(),
            body: Bytes::from_static(b"compressed"),
            ..Request::default()
        };
        let edited = Edited {
            body: Bytes::from_static(b"{}"),
            content_type: content_type.map(Into::into),
        };
        let sent = edited.in_place_of(&request);
        assert_eq!(sent.headers.iter().collect::<Vec<_>>(), expected);
        assert_eq!((&*sent.path, &sent.body[..]), ("/orders", &b"{}"[..]));
    }

    #[test]
    fn an_edited_body_is_not_compressed_and_may_be_of_another_type() {
        check(None, &[("content-type", b"text/plain"), ("x-order", b"7")]);
        let json = "application/json";
        check(
            Some(json),
            &[("x-order", b"7"), ("content-type", json.as_bytes())],
        );
    }
}
