//! The states of deliveries and messages.

use std::fmt;

use crate::End;

macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word for it, as users see it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// Not attempted yet.
    Pending,
    /// Attempted without success, and to be attempted again.
    Retrying,
    /// The target has it.
    Delivered,
    /// It ended without success and is kept for a person.
    Dead,
    /// There was nothing to do.
    Skipped,
    /// It was called off.
    Cancelled,
}

words!(DeliveryState {
    Pending => "pending",
    Retrying => "retrying",
    Delivered => "delivered",
    Dead => "dead",
    Skipped => "skipped",
    Cancelled => "cancelled",
});

impl DeliveryState {
    /// Whether it stays as it is for ever.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Retrying)
    }
}

impl From<End> for DeliveryState {
    fn from(end: End) -> Self {
        match end {
            End::Delivered => Self::Delivered,
            End::Dead(_) => Self::Dead,
            End::Skipped => Self::Skipped,
            End::Cancelled => Self::Cancelled,
        }
    }
}

/// What keeps a pending delivery from being attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldBy {
    /// The target's concurrency or rate.
    Limit,
    /// The target's breaker is open.
    Breaker,
    /// The target refuses our credentials.
    Credentials,
    /// Somebody paused the target.
    Pause,
    /// An earlier delivery with the same order key.
    Order,
    /// Its due time.
    Schedule,
    /// The config no longer has the target.
    Target,
    /// The store can keep no outcomes.
    Store,
}

words!(HeldBy {
    Limit => "limit",
    Breaker => "breaker",
    Credentials => "credentials",
    Pause => "pause",
    Order => "order",
    Schedule => "schedule",
    Target => "target",
    Store => "store",
});

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Not all of its deliveries have ended.
    Pending,
    /// All delivered or skipped.
    Delivered,
    /// Only deliveries that aren't critical are dead.
    Partial,
    /// A critical delivery is dead.
    Failed,
    /// Deliveries were called off, and none is dead.
    Cancelled,
}

words!(MessageState {
    Pending => "pending",
    Delivered => "delivered",
    Partial => "partial",
    Failed => "failed",
    Cancelled => "cancelled",
});

impl MessageState {
    /// The state that follows from each step's latest delivery, with whether the step is critical.
    pub fn of(deliveries: impl IntoIterator<Item = (DeliveryState, bool)>) -> Self {
        let mut state = Self::Delivered;
        for (delivery, critical) in deliveries {
            state = match delivery {
                DeliveryState::Pending | DeliveryState::Retrying => return Self::Pending,
                DeliveryState::Dead if critical => Self::Failed,
                DeliveryState::Dead if state != Self::Failed => Self::Partial,
                DeliveryState::Cancelled if state == Self::Delivered => Self::Cancelled,
                _ => state,
            };
        }
        state
    }

    /// Whether all of its deliveries have ended.
    #[must_use]
    pub fn has_ended(self) -> bool {
        self != Self::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::DeliveryState::{self, Cancelled, Dead, Delivered, Pending, Skipped};
    use super::MessageState;

    #[track_caller]
    fn check(deliveries: &[(DeliveryState, bool)], expected: MessageState) {
        assert_eq!(MessageState::of(deliveries.iter().copied()), expected);
        let reversed = deliveries.iter().rev().copied();
        assert_eq!(
            MessageState::of(reversed),
            expected,
            "the order of steps plays no part"
        );
    }

    #[test]
    fn a_message_is_what_its_deliveries_make_it() {
        check(&[], MessageState::Delivered);
        check(
            &[(Delivered, true), (Skipped, true)],
            MessageState::Delivered,
        );
        check(
            &[(Delivered, true), (Pending, false)],
            MessageState::Pending,
        );
        check(&[(Dead, true), (Pending, true)], MessageState::Pending);
        check(&[(Delivered, true), (Dead, false)], MessageState::Partial);
        check(&[(Dead, true), (Dead, false)], MessageState::Failed);
        check(
            &[(Delivered, true), (Cancelled, true)],
            MessageState::Cancelled,
        );
        check(&[(Dead, false), (Cancelled, true)], MessageState::Partial);
    }
}
