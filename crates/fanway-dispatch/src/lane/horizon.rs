//! Due times by the wall clock, as moments of the monotonic one that timers know.
//!
//! The wall clock can jump, back by years even, while a due time is only ever written within the
//! policy's longest wait. So what seems to be further away than that is waited for no longer than
//! that, and the store is then told that its time has come (design section 6, "Time").

use std::time::Duration;

use fanway_types::Timestamp;
use tokio::time::Instant;

/// Turns a store's due times into moments to wait for.
#[derive(Debug)]
pub(super) struct Horizon {
    /// The longest wait that the policy knows.
    longest: Duration,
    /// The due time that is waited for, and until when.
    awaited: Option<(Timestamp, Instant)>,
    /// By how much due times beyond the horizon are ahead of the wall clock, as the first of them
    /// has shown: the others come at their distance from it.
    ahead: Duration,
}

impl Horizon {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            awaited: None,
            ahead: Duration::ZERO,
        }
    }

    /// When to ask the store again, whose earliest due time is `due`.
    pub(super) fn moment(&mut self, due: Timestamp, wall: Timestamp, now: Instant) -> Instant {
        match self.awaited {
            Some((awaited, moment)) if awaited == due => moment,
            _ => {
                let wait = due.since(self.reckoned(due, wall)).min(self.longest);
                self.awaited = Some((due, now + wait));
                now + wait
            }
        }
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
        match self.awaited {
            Some((awaited, moment)) if awaited == due && moment <= now && due > reckoned => {
                if due.since(wall) > self.longest {
                    self.ahead = due.since(wall);
                }
                due
            }
            _ => reckoned,
        }
    }

    /// The time by which `due` is to be judged: the wall clock's, unless it lies beyond the
    /// horizon.
    fn reckoned(&self, due: Timestamp, wall: Timestamp) -> Timestamp {
        if due.since(wall) > self.longest {
            wall.saturating_add(self.ahead)
        } else {
            wall
        }
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
