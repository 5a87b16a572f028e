//! The connections of the whole process: how many there may be, and who gets one where there are no
//! more.
//!
//! All pools share them. Half of them is for whoever comes first; the other half is shared out evenly,
//! so that each pool can always have its [own](ConnectionBudget::own), however many another one
//! holds on to: a target that hangs takes at most the one half and its own.
//!
//! Who wants a connection and gets none has one closed that another pool holds idle, and takes its
//! place. Where none is idle it waits, in order of asking, for one that is closed, or for one of its
//! own pool that becomes free. How long is for its caller to say.
//!
//! Nothing of this is on the way of an attempt whose connection is held, but for one look at whether
//! anybody waits.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::oneshot;

/// The connections that all targets may have together. Clones share them.
#[derive(Clone)]
pub struct ConnectionBudget(Arc<Shared>);

struct Shared {
    book: Mutex<Book>,
    /// As many as wait in the book.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Book {
    most: usize,
    accounts: Vec<Account>,
    /// The number of the last account.
    numbers: u64,
    waiting: VecDeque<Waiter>,
    figures: Figures,
}

/// What a pool has.
struct Account {
    number: u64,
    open: usize,
    /// Whether its pool is gone.
    is_closed: bool,
    holder: Weak<dyn Holder>,
}

struct Waiter {
    account: u64,
    given: oneshot::Sender<Given>,
}

/// What somebody who has waited gets.
enum Given {
    /// A connection may be opened.
    Slot(Slot),
    /// One of its own pool is free.
    Look,
}

/// What is seen of the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The most connections that there may be.
    pub most: usize,
    /// Connections that are open or being opened.
    pub open: usize,
    /// How often one had to be waited for.
    pub waited: u64,
    /// Idle connections that were closed for another target.
    pub closed: u64,
}

/// Who holds connections that nobody uses.
pub(super) trait Holder: Send + Sync {
    /// Closes one of them; returns whether there was one.
    fn close_one_idle(&self) -> bool;
}

/// The right to one connection, as long as it lives.
pub(super) struct Slot {
    account: u64,
    shared: Arc<Shared>,
}

/// A pool's part in the budget.
pub(super) struct Part {
    account: u64,
    shared: Arc<Shared>,
}

/// What becomes of a pool's connection that is free.
pub(super) enum Claim {
    /// It is the pool's own to hold.
    Nobody,
    /// It is to be closed, since somebody waits in another pool.
    Elsewhere,
    /// Somebody in the pool waits for it, and is to be [told](Told::look) once it is there.
    Own(Told),
}

/// Somebody who waits.
pub(super) struct Told(oneshot::Sender<Given>);

/// What a pool gets that asks for a connection.
pub(super) enum Asked {
    Slot(Slot),
    /// It has to wait: see [`Waiting::given`].
    Waiting(Waiting),
}

/// A place in the queue, given up by dropping it.
pub(super) struct Waiting(oneshot::Receiver<Given>);

impl Told {
    /// Tells that a connection of its own pool is free. Whoever has gone away leaves it to others.
    pub(super) fn look(self) {
        let _gone = self.0.send(Given::Look);
    }
}

impl Waiting {
    /// What there is at last: the right to open a connection, or `None` where one of the pool is free.
    pub(super) async fn given(self) -> Option<Slot> {
        match self.0.await {
            Ok(Given::Slot(slot)) => Some(slot),
            Ok(Given::Look) | Err(_) => None,
        }
    }
}

impl ConnectionBudget {
    /// So many connections at once, at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let book = Book {
            most: most.max(1),
            ..Book::default()
        };
        Self(Arc::new(Shared {
            book: Mutex::new(book),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// No bound that is ever reached.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Sets how many there may be. Those that are open beyond that stay as long as they are used.
    pub fn set(&self, most: usize) {
        self.0.lock().most = most.max(1);
        self.0.serve();
    }

    /// How many each target can always have: its part of the half that is shared out.
    #[must_use]
    pub fn own(&self) -> usize {
        self.0.lock().own()
    }

    /// How it stands.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let book = self.0.lock();
        Figures {
            most: book.most,
            open: book.open(),
            ..book.figures
        }
    }

    /// Opens an account for a pool.
    pub(super) fn join(&self, holder: Weak<dyn Holder>) -> Part {
        let mut book = self.0.lock();
        book.numbers += 1;
        let number = book.numbers;
        book.accounts.push(Account {
            number,
            open: 0,
            is_closed: false,
            holder,
        });
        Part {
            account: number,
            shared: Arc::clone(&self.0),
        }
    }
}

impl fmt::Debug for ConnectionBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionBudget")
            .field(&self.figures())
            .finish()
    }
}

impl Part {
    /// Asks for a connection. Whoever has to wait looks once more whether the pool has one that is
    /// free, and then [has one closed](Self::close_elsewhere) that another pool holds idle.
    pub(super) fn ask(&self) -> Asked {
        let mut book = self.shared.lock();
        if book.allows(self.account, None) {
            book.charge(self.account);
            drop(book);
            return Asked::Slot(self.shared.slot(self.account));
        }
        let (given, receiver) = oneshot::channel();
        book.figures.waited += 1;
        book.waiting.push_back(Waiter {
            account: self.account,
            given,
        });
        self.shared.note_waiting(&book);
        Asked::Waiting(Waiting(receiver))
    }

    /// Closes an idle connection of another pool, where that makes room for one of this.
    pub(super) fn close_elsewhere(&self) {
        // Not under the lock: a connection that is closed takes it.
        let holders = self.shared.lock().helpful(self.account);
        let mut holders = holders.iter().filter_map(Weak::upgrade);
        if holders.any(|holder| holder.close_one_idle()) {
            self.shared.lock().figures.closed += 1;
        }
    }

    /// What becomes of a connection of this pool that is free.
    pub(super) fn claim(&self) -> Claim {
        if self.shared.waiting.load(Ordering::Relaxed) == 0 {
            return Claim::Nobody;
        }
        let mut book = self.shared.lock();
        let Some(place) = book.next_served(Some(self.account)) else {
            return Claim::Nobody;
        };
        if book.waiting[place].account != self.account {
            book.figures.closed += 1;
            return Claim::Elsewhere;
        }
        let waiter = book.waiting.remove(place).expect("it was found there");
        self.shared.note_waiting(&book);
        Claim::Own(Told(waiter.given))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.shared.lock().close(self.account);
        self.shared.serve();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.lock().give_back(self.account);
        if self.shared.waiting.load(Ordering::Relaxed) > 0 {
            self.shared.serve();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics while it is held")
    }

    fn slot(self: &Arc<Self>, account: u64) -> Slot {
        Slot {
            account,
            shared: Arc::clone(self),
        }
    }

    fn note_waiting(&self, book: &Book) {
        self.waiting.store(book.waiting.len(), Ordering::Relaxed);
    }

    /// Gives those who wait what there is.
    fn serve(self: &Arc<Self>) {
        loop {
            let mut book = self.lock();
            book.waiting.retain(|waiter| !waiter.given.is_closed());
            let waiter = book
                .next_served(None)
                .and_then(|place| book.waiting.remove(place));
            self.note_waiting(&book);
            let Some(waiter) = waiter else { return };
            book.charge(waiter.account);
            drop(book);
            // Who has gone away meanwhile gives it back by that, and the next one is served.
            let slot = self.slot(waiter.account);
            let _gone = waiter.given.send(Given::Slot(slot));
        }
    }
}

impl Book {
    fn open(&self) -> usize {
        self.accounts.iter().map(|account| account.open).sum()
    }

    /// How many each account can always have.
    fn own(&self) -> usize {
        self.most / 2 / self.accounts.len().max(1)
    }

    /// Whether an account may have one more, were one of `without` closed.
    fn allows(&self, number: u64, without: Option<u64>) -> bool {
        let own = self.own();
        let (mut open, mut beyond, mut has) = (0, 0, 0);
        for account in &self.accounts {
            let closed = usize::from(Some(account.number) == without);
            let count = account.open.saturating_sub(closed);
            open += count;
            beyond += count.saturating_sub(own);
            if account.number == number {
                has = count;
            }
        }
        let common = self.most - own * self.accounts.len();
        open < self.most && (has < own || beyond < common)
    }

    /// Whose turn it is of those who wait, were one of `without` closed.
    fn next_served(&self, without: Option<u64>) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        waiting.position(|waiter| {
            !waiter.given.is_closed()
                && (without == Some(waiter.account) || self.allows(waiter.account, without))
        })
    }

    /// Whose idle connections would make room for an account.
    fn helpful(&self, number: u64) -> Vec<Weak<dyn Holder>> {
        let others = self.accounts.iter();
        let others = others.filter(|account| account.number != number && account.open > 0);
        others
            .filter(|account| self.allows(number, Some(account.number)))
            .map(|account| Weak::clone(&account.holder))
            .collect()
    }

    fn account(&mut self, number: u64) -> Option<&mut Account> {
        let mut accounts = self.accounts.iter_mut();
        accounts.find(|account| account.number == number)
    }

    fn charge(&mut self, number: u64) {
        if let Some(account) = self.account(number) {
            account.open += 1;
        }
    }

    fn give_back(&mut self, number: u64) {
        if let Some(account) = self.account(number) {
            account.open -= 1;
            if account.is_closed && account.open == 0 {
                self.accounts.retain(|account| account.number != number);
            }
        }
    }

    /// Closes an account: at once, or when the last of its connections is closed.
    fn close(&mut self, number: u64) {
        self.accounts
            .retain(|account| account.number != number || account.open > 0);
        if let Some(account) = self.account(number) {
            account.is_closed = true;
        }
    }
}

#[cfg(test)]
mod tests;
