//! The numbers that stand for states in the ledger.

use fanway_types::{DeadReason, DeliveryState, MessageState};

use super::Error;

/// A delivery's `state`.
pub(super) mod delivery {
    /// Never attempted and due at once: read by `seq`.
    pub(crate) const FRESH: u8 = 0;
    /// To be attempted at its `due`.
    pub(crate) const SCHEDULED: u8 = 1;
    /// The target has it.
    pub(crate) const DELIVERED: u8 = 2;
    /// Dead, and on the list of dead letters.
    pub(crate) const DEAD: u8 = 3;
    /// There was nothing to do.
    pub(crate) const SKIPPED: u8 = 4;
    /// Called off.
    pub(crate) const CANCELLED: u8 = 5;
    /// Dead, and no longer on the list: discarded, or redriven.
    pub(crate) const DEAD_OFF_LIST: u8 = 6;
    /// Called off, and not ended: no lane is given it any more. One that has it, or the store, ends it.
    pub(crate) const CALLED_OFF: u8 = 7;
    /// Another one of its order key has its turn: no lane is given it.
    pub(crate) const IN_LINE: u8 = 8;
}

/// The state that a row shows.
pub(super) fn shown(state: u8, attempts: u32) -> Result<DeliveryState, Error> {
    match state {
        delivery::FRESH => Ok(DeliveryState::Pending),
        delivery::SCHEDULED | delivery::CALLED_OFF | delivery::IN_LINE if attempts == 0 => {
            Ok(DeliveryState::Pending)
        }
        delivery::SCHEDULED | delivery::CALLED_OFF | delivery::IN_LINE => {
            Ok(DeliveryState::Retrying)
        }
        delivery::DELIVERED => Ok(DeliveryState::Delivered),
        delivery::DEAD | delivery::DEAD_OFF_LIST => Ok(DeliveryState::Dead),
        delivery::SKIPPED => Ok(DeliveryState::Skipped),
        delivery::CANCELLED => Ok(DeliveryState::Cancelled),
        _ => Err(Error::Row {
            table: "deliveries",
            what: "unknown state",
        }),
    }
}

/// The number of a state that a delivery ended in, or has while it is pending.
pub(super) fn number(state: DeliveryState) -> u8 {
    match state {
        DeliveryState::Pending => delivery::FRESH,
        DeliveryState::Retrying => delivery::SCHEDULED,
        DeliveryState::Delivered => delivery::DELIVERED,
        DeliveryState::Dead => delivery::DEAD,
        DeliveryState::Skipped => delivery::SKIPPED,
        DeliveryState::Cancelled => delivery::CANCELLED,
    }
}

const REASONS: [(u8, DeadReason); 7] = [
    (1, DeadReason::Refused),
    (2, DeadReason::Exhausted),
    (3, DeadReason::Expression),
    (4, DeadReason::Crash),
    (5, DeadReason::Expired),
    (6, DeadReason::Order),
    (7, DeadReason::Egress),
];

/// The number of a reason.
pub(super) fn reason_number(reason: DeadReason) -> u8 {
    let found = REASONS.iter().find(|(_, known)| *known == reason);
    found
        .expect("the table has every reason: a test counts them")
        .0
}

/// The reason that has this number.
pub(super) fn reason(number: u8) -> Result<DeadReason, Error> {
    let found = REASONS
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, reason)| *reason);
    found.ok_or(Error::Row {
        table: "deliveries",
        what: "unknown reason",
    })
}

const MESSAGES: [(u8, MessageState); 4] = [
    (1, MessageState::Delivered),
    (2, MessageState::Partial),
    (3, MessageState::Failed),
    (4, MessageState::Cancelled),
];

/// The number of a state that a message ended in; 0 while it is pending.
pub(super) fn message_number(state: MessageState) -> u8 {
    MESSAGES
        .iter()
        .find(|(_, known)| *known == state)
        .map_or(0, |(number, _)| *number)
}

/// The state that has this number.
pub(super) fn message(number: u8) -> Result<MessageState, Error> {
    let found = MESSAGES
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, state)| *state);
    found.ok_or(Error::Row {
        table: "history",
        what: "unknown state",
    })
}

#[cfg(test)]
mod tests {
    use fanway_types::{DeadReason, MessageState};

    #[test]
    fn reasons_and_states_keep_their_numbers() {
        for reason in DeadReason::ALL {
            assert_eq!(
                super::reason(super::reason_number(reason)).expect("just given"),
                reason
            );
        }
        for state in [
            MessageState::Delivered,
            MessageState::Partial,
            MessageState::Failed,
            MessageState::Cancelled,
        ] {
            assert_eq!(
                super::message(super::message_number(state)).expect("just given"),
                state
            );
        }
        assert_eq!(super::message_number(MessageState::Pending), 0);
    }
}
