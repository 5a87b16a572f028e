//! Ids of messages and deliveries, and their text.

mod text;

use std::fmt;
use std::str::FromStr;

use rand::CryptoRng;
use rand::RngExt;

use crate::{Timestamp, base32};

pub use text::IdText;

/// The id of a message: 48 bits of milliseconds since 1970 and 80 random bits.
///
/// Its text is `msg_` and 26 characters of base 32, in the order of time, and can't be guessed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

impl MessageId {
    const PREFIX: &'static str = "msg_";

    /// A new id for a message accepted at `now`.
    pub fn new(now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        Self(u128::from(now.as_millis()) << 80 | rng.random::<u128>() >> 48)
    }

    /// The smallest id that a message accepted at `at` can have: for ranges.
    #[must_use]
    pub fn first_at(at: Timestamp) -> Self {
        Self(u128::from(at.as_millis()) << 80)
    }

    /// When the message was accepted, to the millisecond.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millis((self.0 >> 80) as u64)
    }

    /// The id as sixteen bytes whose order is the ids' order.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Its text.
    #[must_use]
    pub fn text(self) -> IdText {
        IdText::new(Self::PREFIX, self.0)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|digits| base32::decode(digits.as_bytes()))
            .map(Self)
            .ok_or(IdError {
                expected: "msg_ and 26 characters of base 32",
            })
    }
}

/// The id of a redrive of many deliveries. Its text is `job_` and 26 characters of base 32, in the
/// order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u128);

impl JobId {
    const PREFIX: &'static str = "job_";

    /// A new id for a job that is made at `now`.
    pub fn new(now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        Self(MessageId::new(now, rng).0)
    }

    /// When the job was made, to the millisecond.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        MessageId(self.0).timestamp()
    }

    /// The id as sixteen bytes whose order is the ids' order.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IdText::new(Self::PREFIX, self.0).fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|digits| base32::decode(digits.as_bytes()))
            .map(Self)
            .ok_or(IdError {
                expected: "job_ and 26 characters of base 32",
            })
    }
}

/// A step's place in its plan, from 0.
pub type StepIndex = u16;

/// Whether a delivery does what its step says, or takes it back (sagas).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The step itself.
    #[default]
    Forward,
    /// Its compensation.
    Undo,
}

/// The id of a delivery: one run of one step for one message.
///
/// Its text is `dlv_`, the message's 26 characters, `_` and the step's index, then `.iN` for the
/// N-th item of a step that fans out, `.rN` for the N-th redrive and `.undo` for a compensation,
/// each only where it isn't 0 or forward. It stays the same over all attempts, and is what they
/// carry as their `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The message.
    pub message: MessageId,
    /// The step within the message's plan.
    pub step: StepIndex,
    /// The item, for a step that is run once for each of many; otherwise 0.
    pub item: u32,
    /// 0 for the first delivery, counted up by each redrive.
    pub run: u16,
    /// Forward, or undoing.
    pub direction: Direction,
}

impl DeliveryId {
    const PREFIX: &'static str = "dlv_";

    /// The first delivery of a step for a message.
    #[must_use]
    pub fn first(message: MessageId, step: StepIndex) -> Self {
        Self {
            message,
            step,
            item: 0,
            run: 0,
            direction: Direction::Forward,
        }
    }

    /// The delivery that a redrive of this one makes; `None` after 65,535 of them.
    #[must_use]
    pub fn next_run(self) -> Option<Self> {
        Some(Self {
            run: self.run.checked_add(1)?,
            ..self
        })
    }

    /// Its text.
    #[must_use]
    pub fn text(self) -> IdText {
        let mut text = IdText::new(Self::PREFIX, self.message.0);
        text.push_number("_", self.step);
        if self.item != 0 {
            text.push_number(".i", self.item);
        }
        if self.run != 0 {
            text.push_number(".r", self.run);
        }
        if self.direction == Direction::Undo {
            text.push(b".undo");
        }
        text
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl FromStr for DeliveryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = IdError {
            expected: "dlv_, 26 characters of base 32, _ and the step's index",
        };
        let parse = || {
            let (digits, rest) = text.strip_prefix(Self::PREFIX)?.split_once('_')?;
            let message = MessageId(base32::decode(digits.as_bytes())?);
            let mut parts = rest.split('.');
            let mut id = Self::first(message, parts.next()?.parse().ok()?);
            for part in parts {
                if part == "undo" {
                    id.direction = Direction::Undo;
                } else if let Some(item) = part.strip_prefix('i') {
                    id.item = item.parse().ok()?;
                } else {
                    id.run = part.strip_prefix('r')?.parse().ok()?;
                }
            }
            // One id has one spelling: `_01`, `.i0` or `.r1.i1` are none.
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or(refused)
    }
}

/// Ids are written as their text wherever they are written.
macro_rules! as_text {
    ($($id:ty),+) => {$(
        impl serde::Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

as_text!(MessageId, DeliveryId, JobId);

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {expected}")]
pub struct IdError {
    expected: &'static str,
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::{DeliveryId, Direction, MessageId};
    use crate::Timestamp;

    fn id(millis: u64) -> MessageId {
        MessageId::new(
            Timestamp::from_millis(millis),
            &mut StdRng::seed_from_u64(7),
        )
    }

    #[test]
    fn message_ids_keep_their_time_and_order() {
        let early = id(1_790_000_000_000);
        let late = id(1_790_000_000_001);
        assert_eq!(early.timestamp(), Timestamp::from_millis(1_790_000_000_000));
        assert!(early < late && early.to_string() < late.to_string());
        assert!(MessageId::first_at(early.timestamp()) <= early);
        assert_eq!(early.to_string().len(), 30);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(MessageId::from_bytes(early.to_bytes()), early);
    }

    #[test]
    fn delivery_ids_are_read_back_in_every_form() {
        let plain = DeliveryId::first(id(1), 3);
        let full = DeliveryId {
            item: 12,
            run: 2,
            direction: Direction::Undo,
            ..plain
        };
        assert!(plain.to_string().ends_with("_3"));
        assert!(full.to_string().ends_with("_3.i12.r2.undo"));
        let longest = DeliveryId {
            step: u16::MAX,
            item: u32::MAX,
            run: u16::MAX,
            ..full
        };
        assert!(
            longest
                .to_string()
                .ends_with("_65535.i4294967295.r65535.undo")
        );
        let next = plain.next_run().expect("far from the end");
        for id in [plain, full, longest, next] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn other_spellings_of_a_delivery_id_are_refused() {
        let text = DeliveryId::first(id(1), 3).to_string();
        for wrong in [
            format!("{text}.r0"),
            format!("{text}.x"),
            text.replace("_3", "_03"),
        ] {
            assert!(wrong.parse::<DeliveryId>().is_err(), "{wrong}");
        }
    }
}
