//! An attempt's time: one timer, set for whichever limit comes next. The whole bounds them all.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

use super::upload::Progress;
use crate::Begun;

/// How long an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For finding the address, connecting and the TLS handshake; over all addresses together.
    pub connect: Duration,
    /// From when the request has been sent until the answer's head is there. While a long body is
    /// still being taken it counts from the last 64 KiB taken.
    pub first_byte: Duration,
    /// For all of it, the answer's body included.
    pub whole: Duration,
}

/// Which limit has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elapsed {
    /// That of the phase.
    Phase,
    /// That of the attempt.
    Whole,
}

/// The time of one attempt.
pub(super) struct Clock<'a> {
    timer: Pin<&'a mut Sleep>,
    whole: Instant,
    /// Who wants to know when the answer begins, where somebody does.
    begun: Option<Begun>,
}

impl<'a> Clock<'a> {
    /// A clock whose whole time is up when `timer` is.
    pub(super) fn new(timer: Pin<&'a mut Sleep>, begun: Option<Begun>) -> Self {
        let whole = timer.deadline();
        Self {
            timer,
            whole,
            begun,
        }
    }

    /// The answer's head is there.
    pub(super) fn note_begin(&self) {
        if let Some(begun) = &self.begun {
            begun.note();
        }
    }

    /// When the whole time is up.
    pub(super) fn whole(&self) -> Instant {
        self.whole
    }

    /// Runs `work` until `deadline`, or until the whole time is up. Work that is done at the same
    /// moment as its time wins.
    pub(super) async fn until<F: Future>(
        &mut self,
        deadline: Instant,
        work: F,
    ) -> Result<F::Output, Elapsed> {
        let mut work = pin!(work);
        let deadline = deadline.min(self.whole);
        poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if self.timer.deadline() != deadline {
                self.timer.as_mut().reset(deadline);
            }
            // A peer that always has bytes ready uses up the task's budget in each poll, and a
            // timer within that budget would never be seen to have fired.
            let timer = pin!(unconstrained(self.timer.as_mut()));
            timer.poll(cx).map(|()| {
                Err(if deadline == self.whole {
                    Elapsed::Whole
                } else {
                    Elapsed::Phase
                })
            })
        })
        .await
    }

    /// Runs `work` until an answer begins: `limit` after the request's last piece was taken, or
    /// until the whole time is up.
    pub(super) async fn first_byte<F: Future>(
        &mut self,
        limit: Duration,
        progress: &Progress,
        work: F,
    ) -> Result<F::Output, Elapsed> {
        let mut work = pin!(work);
        loop {
            let deadline = progress.last() + limit;
            match self.until(deadline, work.as_mut()).await {
                Err(Elapsed::Phase) if progress.last() + limit > deadline => {}
                over => return over,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use tokio::join;
    use tokio::task::consume_budget;
    use tokio::time::{advance, sleep};

    use super::{Clock, Elapsed};

    #[tokio::test(start_paused = true)]
    async fn work_that_is_never_idle_is_cut_off() {
        let timer = pin!(sleep(Duration::from_secs(1)));
        let mut clock = Clock::new(timer, None);
        let whole = clock.whole();
        let end = clock.until(whole, async {
            loop {
                consume_budget().await;
            }
        });
        let (end, ()): (Result<(), Elapsed>, ()) = join!(end, advance(Duration::from_secs(1)));
        assert_eq!(end, Err(Elapsed::Whole));
    }
}
