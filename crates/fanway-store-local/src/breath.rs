//! Breathing: a thread that has much to do at a time stops now and then, so that others get the processor.
//!
//! What posting does in one go would keep whoever shares its processor waiting for milliseconds, an accept among them,
//! and a scheduler moves nobody to another processor for so short a time. It is a sleep and no yield: who yields is
//! still there to be chosen.

use std::thread;
use std::time::{Duration, Instant};

/// What is done in one go at most.
const PIECE: Duration = Duration::from_micros(200);
/// So often a look at the clock is worth its while.
const LOOK: u32 = 16;
/// How long the thread stops then.
const PAUSE: Duration = Duration::from_micros(200);
/// A turn that has more to do doesn't stop: so much is only brought by a machine at its limits, where each stop is
/// paid for by everybody.
const MUCH: usize = 4096;

/// One thread's breath.
#[derive(Debug)]
pub(crate) struct Breath {
    /// Since when the thread hasn't stopped; `None` where it doesn't.
    since: Option<Instant>,
    /// Things done since the last look at the clock.
    done: u32,
}

impl Breath {
    /// At the beginning of a turn with so many things to do.
    pub(crate) fn new(things: usize) -> Self {
        Self {
            since: (things <= MUCH).then(Instant::now),
            done: 0,
        }
    }

    /// Between two things that take microseconds: stops where that is due.
    pub(crate) fn take(&mut self) {
        self.done += 1;
        if self.done < LOOK {
            return;
        }
        self.done = 0;
        if self.since.is_some_and(|since| since.elapsed() >= PIECE) {
            thread::sleep(PAUSE);
            self.since = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Breath, LOOK, MUCH, PIECE};

    /// Whether a thread that hasn't stopped since then does so now.
    #[track_caller]
    fn check(since: Option<Instant>, expected: bool) {
        let mut breath = Breath { since, done: 0 };
        (0..LOOK).for_each(|_| breath.take());
        assert_eq!(breath.since != since, expected);
    }

    #[test]
    fn a_thread_stops_after_a_piece_of_its_work() {
        let now = Instant::now();
        let a_piece_ago = now.checked_sub(PIECE).expect("the machine runs for longer");
        check(Some(a_piece_ago), true);
        check(Some(now + Duration::from_secs(3600)), false);
    }

    #[test]
    fn one_with_much_to_do_goes_on() {
        assert!(Breath::new(MUCH).since.is_some());
        assert_eq!(Breath::new(MUCH + 1).since, None);
        check(None, false);
    }
}
