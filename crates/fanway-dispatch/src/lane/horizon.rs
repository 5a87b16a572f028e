//! Due times by the wall clock, as moments of the monotonic one that timers know.
//!
//! The wall clock can jump, back by years even. A retry is due within the policy's longest wait, and
//! a message that is not to be sent before a time within [`LONGEST_SCHEDULE`]; which of them is due
//! the store doesn't say. So what seems to be further away than both was written by another clock:
//! it is waited for no longer than the policy's longest wait, and the store is then told that its
//! time has come (design section 6, "Time").

use std::time::Duration;

use fanway_types::Timestamp;
use tokio::time::Instant;

/// How far ahead a sender may put the first attempt.
const LONGEST_SCHEDULE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Turns a store's due times into moments to wait for.
#[derive(Debug)]
pub(super) struct Horizon {
    /// The longest wait that the policy knows.
    longest: Duration,
    awaited: Option<Awaited>,
    /// By how much due times beyond the horizon are ahead of the wall clock, as the first of them
    /// has shown: the others come at their distance from it.
    ahead: Duration,
}

/// A due time that is waited for.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    due: Timestamp,
    until: Instant,
    /// Whether its time has come then. Else the wall clock is looked at again, which may have
    /// jumped forward by then.
    is_all: bool,
}

impl Horizon {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            awaited: None,
            ahead: Duration::ZERO,
        }
    }

    /// Takes over the longest wait of another policy.
    pub(super) fn set_longest(&mut self, longest: Duration) {
        self.longest = longest;
    }

    /// When to ask the store again, whose earliest due time is `due`.
    pub(super) fn moment(&mut self, due: Timestamp, wall: Timestamp, now: Instant) -> Instant {
        if let Some(awaited) = self.awaited
            && awaited.due == due
            && (awaited.is_all || awaited.until > now)
        {
            return awaited.until;
        }
        let rest = due.since(self.reckoned(due, wall));
        let until = now + rest.min(self.longest);
        self.awaited = Some(Awaited {
            due,
            until,
            is_all: rest <= self.longest || self.is_beyond(due, wall),
        });
        until
    }

    /// What time to tell the store, whose earliest due time is `due`.
    pub(super) fn store_time(
        &mut self,
        due: Option<Timestamp>,
        wall: Timestamp,
        now: Instant,
    ) -> Timestamp {
        let Some(due) = due else { return wall };
        let reckoned = self.reckoned(due, wall);
        let has_come = self.awaited.is_some_and(|awaited| {
            awaited.due == due && awaited.is_all && awaited.until <= now && due > reckoned
        });
        if !has_come {
            return reckoned;
        }
        if self.is_beyond(due, wall) {
            self.ahead = due.since(wall);
        }
        due
    }

    /// The time by which `due` is to be judged: the wall clock's, unless it lies beyond the
    /// horizon.
    fn reckoned(&self, due: Timestamp, wall: Timestamp) -> Timestamp {
        if self.is_beyond(due, wall) {
            wall.saturating_add(self.ahead)
        } else {
            wall
        }
    }

    fn is_beyond(&self, due: Timestamp, wall: Timestamp) -> bool {
        due.since(wall) > self.longest.max(LONGEST_SCHEDULE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanway_types::Timestamp;
    use tokio::time::Instant;

    use super::Horizon;

    const HOUR: Duration = Duration::from_secs(3600);
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    const WALL: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_due_time_within_the_horizon_is_waited_for_as_it_stands() {
        let (mut horizon, now) = (Horizon::new(HOUR), Instant::now());
        let due = WALL.saturating_add(HOUR / 2);
        assert_eq!(horizon.moment(due, WALL, now), now + HOUR / 2);
        assert_eq!(horizon.store_time(Some(due), WALL, now), WALL);
        let past = WALL.saturating_sub(HOUR);
        assert_eq!(horizon.moment(past, WALL, now), now);
    }

    #[test]
    fn a_due_time_beyond_the_horizon_comes_after_the_longest_wait() {
        let (mut horizon, now) = (Horizon::new(HOUR), Instant::now());
        let due = WALL.saturating_add(YEAR);
        assert_eq!(horizon.moment(due, WALL, now), now + HOUR);
        assert_eq!(horizon.store_time(Some(due), WALL, now), WALL);
        let (wall, now) = (WALL.saturating_add(HOUR), now + HOUR);
        assert_eq!(horizon.moment(due, wall, now), now, "it isn't put off");
        assert_eq!(horizon.store_time(Some(due), wall, now), due);
    }

    #[test]
    fn a_schedule_is_waited_for_to_its_end_with_a_look_at_the_clock_now_and_then() {
        let (mut horizon, now) = (Horizon::new(HOUR), Instant::now());
        let due = WALL.saturating_add(HOUR * 5 / 2);
        for hours in [0, 1] {
            let (wall, now) = (WALL.saturating_add(HOUR * hours), now + HOUR * hours);
            assert_eq!(horizon.moment(due, wall, now), now + HOUR);
            assert_eq!(horizon.store_time(Some(due), wall, now), wall);
        }
        let (wall, now) = (WALL.saturating_add(HOUR * 2), now + HOUR * 2);
        assert_eq!(horizon.store_time(Some(due), wall, now), wall, "not yet");
        assert_eq!(horizon.moment(due, wall, now), now + HOUR / 2);
        let (wall, now) = (wall.saturating_add(HOUR / 3), now + HOUR / 2);
        assert_eq!(horizon.store_time(Some(due), wall, now), due);
    }

    #[test]
    fn those_behind_it_keep_their_distance() {
        let (mut horizon, now) = (Horizon::new(HOUR), Instant::now());
        let first = WALL.saturating_add(YEAR);
        let second = first.saturating_add(HOUR / 60);
        horizon.moment(first, WALL, now);
        let (wall, now) = (WALL.saturating_add(HOUR), now + HOUR);
        horizon.store_time(Some(first), wall, now);
        assert_eq!(horizon.moment(second, wall, now), now + HOUR / 60);
        let (wall, now) = (wall.saturating_add(HOUR / 60), now + HOUR / 60);
        assert_eq!(horizon.store_time(Some(second), wall, now), second);
    }
}
