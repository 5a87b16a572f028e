//! Receipts: whoever waits for a commit is told by one.
//!
//! To wake a task of another thread costs a system call; one of the same thread costs next to nothing. So a commit
//! wakes one task of each thread, and that one, as it takes its receipt, wakes the others that wait there. Should it
//! never take it, they are woken as the receipt is dropped.
//!
//! Whoever awaits a receipt has to do so when it is woken, and not only when something else has happened too: others
//! wait behind it.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

/// The two ends of a receipt.
pub(crate) fn receipt() -> (Issuer, Receipt) {
    let slot = Arc::new(Slot {
        state: Mutex::new(State::Waiting(None)),
    });
    let issuer = Issuer {
        slot: Some(Arc::clone(&slot)),
    };
    (issuer, Receipt { slot })
}

/// Issues a receipt: that something is durable, or why that isn't known.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// Taken when it is issued.
    slot: Option<Arc<Slot>>,
}

/// Whoever waits for something to be durable awaits this.
#[derive(Debug)]
#[must_use]
pub(crate) struct Receipt {
    slot: Arc<Slot>,
}

/// Why something isn't known to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotDurable {
    /// It failed, in these words, and it may be durable all the same.
    Failed(String),
    /// No receipt was issued.
    Dropped,
}

#[derive(Debug)]
struct Slot {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nobody is told yet; who waits, once somebody does.
    Waiting(Option<Waiting>),
    /// It is issued.
    Issued(Result<(), NotDurable>, Others),
    /// It was taken.
    Taken,
}

/// A task that waits, and the thread on which it was last polled.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    thread: ThreadId,
    waker: Waker,
}

impl Waiting {
    /// The task that is polled now.
    pub(crate) fn new(cx: &Context<'_>) -> Self {
        Self {
            thread: thread::current().id(),
            waker: cx.waker().clone(),
        }
    }

    /// Wakes it by itself.
    pub(crate) fn wake(self) {
        self.waker.wake();
    }
}

/// Tasks that wait behind a receipt. Dropping this wakes them.
#[derive(Debug, Default)]
struct Others(Vec<Waker>);

impl Drop for Others {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what came of it; returns who waits for that.
    fn settle(&self, result: Result<(), NotDurable>) -> Option<Waiting> {
        let issued = State::Issued(result, Others::default());
        match mem::replace(&mut *self.state(), issued) {
            State::Waiting(waiting) => waiting,
            State::Issued(..) | State::Taken => unreachable!("a receipt is issued once"),
        }
    }

    /// Has whoever takes it wake these others.
    fn accompany(&self, others: Others) {
        let late = match &mut *self.state() {
            State::Issued(_, company) => mem::replace(company, others),
            State::Waiting(_) | State::Taken => others,
        };
        // Outside of the lock: they are woken here, where it was taken before this.
        drop(late);
    }
}

impl Issuer {
    /// Says that it is durable.
    pub(crate) fn issue(self) {
        self.settle(Ok(()));
    }

    /// Says that it failed, and why.
    pub(crate) fn fail(self, why: String) {
        self.settle(Err(NotDurable::Failed(why)));
    }

    fn settle(mut self, result: Result<(), NotDurable>) {
        let waiting = self.slot.take().and_then(|slot| slot.settle(result));
        waiting.into_iter().for_each(Waiting::wake);
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let waiting = slot.settle(Err(NotDurable::Dropped));
            waiting.into_iter().for_each(Waiting::wake);
        }
    }
}

/// Says of all of these that it is durable, then wakes these tasks too: with one wake-up for each thread on which
/// somebody waits for one of the receipts.
pub(crate) fn issue_all(issuers: impl IntoIterator<Item = Issuer>, then: Vec<Waiting>) {
    let mut first: Vec<(Arc<Slot>, Waiting, Others)> = Vec::new();
    for mut issuer in issuers {
        let Some(slot) = issuer.slot.take() else {
            continue;
        };
        let Some(waiting) = slot.settle(Ok(())) else {
            continue;
        };
        let of_thread = first.iter_mut().find(|it| it.1.thread == waiting.thread);
        match of_thread {
            Some((_, _, Others(others))) => others.push(waiting.waker),
            None => first.push((slot, waiting, Others::default())),
        }
    }
    for task in then {
        match first.iter_mut().find(|it| it.1.thread == task.thread) {
            Some((_, _, Others(others))) => others.push(task.waker),
            None => task.wake(),
        }
    }
    for (slot, waiting, others) in first {
        slot.accompany(others);
        waiting.wake();
    }
}

impl Future for Receipt {
    type Output = Result<(), NotDurable>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.state();
        if let State::Waiting(waiting) = &mut *state {
            *waiting = Some(Waiting::new(cx));
            return Poll::Pending;
        }
        let State::Issued(result, others) = mem::replace(&mut *state, State::Taken) else {
            panic!("a receipt is taken once");
        };
        drop(state);
        drop(others);
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests;
