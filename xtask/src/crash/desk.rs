//! What the gateway's deliveries come to here: they are written into the book, then answered. Some
//! answers are slow, some are 503, so that retries are always under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::book::Book;
use super::request::Request;
use crate::sink::{Delivery, Desk, Reply};

/// What comes before a request's id in the path of its callback.
pub(crate) const DONE: &str = "/done/";

/// The desk of a target.
pub(crate) struct Target {
    index: usize,
    book: Arc<Book>,
    mood: Mood,
}

/// The desk of all callbacks.
pub(crate) struct Callbacks {
    book: Arc<Book>,
    mood: Mood,
}

impl Target {
    /// The `index`-th.
    pub(crate) fn new(index: usize, book: &Arc<Book>, seed: u64) -> Self {
        Self {
            index,
            book: Arc::clone(book),
            mood: Mood::new(seed),
        }
    }
}

impl Callbacks {
    /// The one there is.
    pub(crate) fn new(book: &Arc<Book>, seed: u64) -> Self {
        Self {
            book: Arc::clone(book),
            mood: Mood::new(seed),
        }
    }
}

impl Desk for Target {
    fn take(&self, delivery: &Delivery) -> Reply {
        match (Request::of_body(&delivery.body), delivery.lacks()) {
            (Some(request), None) => self.book.arrived(self.index, request, delivery),
            (None, _) => self.book.wrong("a delivery whose body isn't what was sent"),
            (_, Some(lacking)) => self
                .book
                .wrong(format_args!("a delivery without {lacking}")),
        }
        self.mood.reply()
    }

    fn answering(&self, delivery: &Delivery, status: StatusCode) {
        if let Some(request) = Request::of_body(&delivery.body) {
            self.book
                .answering(self.index, request, status.is_success());
        }
    }
}

impl Desk for Callbacks {
    fn take(&self, delivery: &Delivery) -> Reply {
        match (called_back(delivery), delivery.lacks()) {
            (Some(request), None) => self.book.called_back(request, delivery),
            (None, _) => self.book.wrong("a callback to where nobody asked for one"),
            (_, Some(lacking)) => self
                .book
                .wrong(format_args!("a callback without {lacking}")),
        }
        self.mood.reply()
    }

    fn answering(&self, delivery: &Delivery, status: StatusCode) {
        if let Some(request) = called_back(delivery) {
            self.book.answering_callback(request, status.is_success());
        }
    }
}

/// The request whose sender is told.
fn called_back(delivery: &Delivery) -> Option<Request> {
    delivery.path.strip_prefix(DONE)?.parse().ok()
}

/// How deliveries are answered.
struct Mood(Mutex<StdRng>);

impl Mood {
    fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    fn reply(&self) -> Reply {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slowest = Duration::from_millis(80);
        Reply {
            after: if rng.random_ratio(1, 20) {
                rng.random_range(Duration::ZERO..slowest)
            } else {
                Duration::ZERO
            },
            status: if rng.random_ratio(1, 12) {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            },
        }
    }
}
