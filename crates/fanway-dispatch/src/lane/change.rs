//! What a change of a breaker means to who reads the logs.
//!
//! A lane tells of its breaker when it comes to rest, so a state may pass unseen: what counts is
//! whether the breaker was closed, and whether it is.

use crate::handle::Breaker;

/// A change of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It was closed, and is not.
    Opened,
    /// A probe begins, or has failed: an outage goes on.
    Probed,
    /// It is closed again.
    Closed,
}

impl Change {
    /// What has changed, where something has.
    pub(super) fn between(before: Breaker, now: Breaker) -> Option<Self> {
        match (before, now) {
            _ if before == now => None,
            (Breaker::Closed, _) => Some(Self::Opened),
            (_, Breaker::Closed) => Some(Self::Closed),
            _ => Some(Self::Probed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Change;
    use crate::handle::Breaker::{self, Closed, HalfOpen, Open};

    #[track_caller]
    fn check(states: &[Breaker], expected: &[Change]) {
        let pairs = states.windows(2);
        let changes = pairs.filter_map(|pair| Change::between(pair[0], pair[1]));
        assert_eq!(changes.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_outage_opens_once_and_closes_once_however_many_probes_fail() {
        use Change::{Opened, Probed};
        check(
            &[Closed, Open, HalfOpen, Open, Open, HalfOpen, Closed, Closed],
            &[Opened, Probed, Probed, Probed, Change::Closed],
        );
    }

    #[test]
    fn a_state_that_passed_unseen_hides_neither_beginning_nor_end() {
        check(&[Closed, HalfOpen], &[Change::Opened]);
        check(&[Open, Closed], &[Change::Closed]);
    }
}
