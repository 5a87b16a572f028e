//! What was seen by senders and sinks, and what of it must not be.
//!
//! A life is the time between two kills. An attempt that comes to a sink a second time, with the
//! same number, was repeated by the kill that ended the life in which it came before. A retry has
//! a number of its own, and is none.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::request::Request;
use super::{Bound, CONCURRENCY, SINKS};

/// Two ticks of the journal.
const TICKS: Duration = Duration::from_millis(10);
/// What is added to them: an outcome is known to the gateway later than to the sink, the batch
/// that holds it has to be written and synced, and all have two cores between them.
pub(crate) const SLACK: Duration = Duration::from_millis(5);
/// How many wrongs are kept in words.
const WORDS: usize = 30;

/// The book. All write into it at the same time.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    life: usize,
    sinks: [Seen; SINKS.len()],
    accepted: Vec<(Request, String)>,
    shown: HashSet<Request>,
    given_up: u64,
    /// How much had arrived when the last request began that was accepted in this life.
    witness: Option<[u64; SINKS.len()]>,
    /// Accepted before this life.
    accepted_before: usize,
    kills: Vec<Kill>,
    wrongs: Vec<String>,
    more_wrongs: u64,
}

/// What a sink has seen.
#[derive(Debug, Default)]
struct Seen {
    deliveries: HashMap<String, Delivery>,
    /// The key that each request came with.
    keys: HashMap<Request, String>,
    attempts: u64,
    /// Attempts in this life.
    arrived: u64,
    /// When answers were given in this life.
    answered: Vec<Instant>,
}

#[derive(Debug)]
struct Delivery {
    request: Request,
    message: String,
    /// The life in which each attempt came last, by its number.
    attempts: Vec<(u32, usize)>,
    delivered: bool,
    /// Whether the last answer was a success. A repeated attempt may be refused where the first
    /// was not, and is then followed by another.
    succeeded: bool,
}

/// An attempt as it arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) key: String,
    pub(crate) message: String,
    pub(crate) attempt: u32,
    pub(crate) request: Request,
}

/// The delivery that an attempt belongs to.
#[derive(Debug)]
pub(crate) struct Place(String);

/// When a request began: the life, and what had arrived at each sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin {
    life: usize,
    arrived: [u64; SINKS.len()],
}

/// A kill, what it may have repeated, and what it has.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) moment: &'static str,
    accepted: usize,
    arrived: u64,
    by_clock: u64,
    by_order: u64,
    pub(crate) repeats: u64,
}

impl Kill {
    /// How many attempts it may repeat.
    pub(crate) fn limit(&self, bound: Bound) -> u64 {
        match bound {
            Bound::Clock => self.by_clock,
            Bound::Order => self.by_order,
        }
    }
}

impl Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            arrived,
            by_clock,
            by_order,
            ..
        } = self;
        write!(
            f,
            "{accepted} accepted, {arrived} attempts, may repeat {by_clock} by the clock, {by_order} by order"
        )
    }
}

/// What all came to.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) accepted: usize,
    pub(crate) shown: usize,
    pub(crate) given_up: u64,
    pub(crate) attempts: u64,
    pub(crate) deliveries: usize,
    pub(crate) kills: Vec<Kill>,
    pub(crate) wrongs: Vec<String>,
    pub(crate) more_wrongs: u64,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is as it must not be.
    pub(crate) fn wrong(&self, words: impl Display) {
        self.pages().wrong(words);
    }

    /// A sender begins a request.
    pub(crate) fn begin(&self) -> Begin {
        let pages = self.pages();
        Begin {
            life: pages.life,
            arrived: std::array::from_fn(|sink| pages.sinks[sink].arrived),
        }
    }

    /// A sender got its 202.
    pub(crate) fn accepted(&self, request: Request, message: &str, begin: Begin) {
        let mut pages = self.pages();
        pages.accepted.push((request, message.to_owned()));
        if begin.life != pages.life {
            return;
        }
        let before = pages.witness.unwrap_or_default();
        let latest = |sink: usize| before[sink].max(begin.arrived[sink]);
        pages.witness = Some(std::array::from_fn(latest));
    }

    /// A sender was shown that its message was delivered.
    pub(crate) fn shown(&self, request: Request) {
        let mut pages = self.pages();
        for (sink, name) in SINKS.iter().enumerate() {
            if !pages.sinks[sink].has_delivered(request) {
                pages.wrong(format!(
                    "{request} is shown as delivered, and isn't to {name}"
                ));
            }
        }
        pages.shown.insert(request);
    }

    /// A sender has given an event up.
    pub(crate) fn given_up(&self) {
        self.pages().given_up += 1;
    }

    /// An attempt has come to a sink.
    pub(crate) fn arrived(&self, sink: usize, arrival: Arrival) -> Place {
        let mut pages = self.pages();
        let life = pages.life;
        let place = Place(arrival.key.clone());
        let name = SINKS[sink];
        if pages.shown.contains(&arrival.request) {
            let request = arrival.request;
            pages.wrong(format!(
                "{request} came to {name} after it was shown as delivered"
            ));
        }
        match pages.sinks[sink].arrive(arrival, life) {
            Ok(None) => {}
            Ok(Some(killed)) => match pages.kills.get_mut(killed) {
                Some(kill) => kill.repeats += 1,
                None => pages.wrong(format!("an attempt came to {name} twice without a kill")),
            },
            Err(wrong) => pages.wrong(format!("{name}: {wrong}")),
        }
        place
    }

    /// A sink answers an attempt.
    pub(crate) fn answered(&self, sink: usize, place: &Place, status: StatusCode) {
        let seen = &mut self.pages().sinks[sink];
        seen.answered.push(Instant::now());
        if let Some(delivery) = seen.deliveries.get_mut(&place.0) {
            delivery.succeeded = status.is_success();
            delivery.delivered |= delivery.succeeded;
        }
    }

    /// The gateway was killed, and all that it had sent has arrived: a life ends.
    pub(crate) fn killed(&self, at: Instant, moment: &'static str) -> Kill {
        let mut pages = self.pages();
        let kill = pages.end_life(at, moment);
        pages.kills.push(kill.clone());
        kill
    }

    /// What all came to, once everything is over.
    pub(crate) fn total(&self) -> Total {
        let mut pages = self.pages();
        for wrong in pages.lost() {
            pages.wrong(wrong);
        }
        Total {
            accepted: pages.accepted.len(),
            shown: pages.shown.len(),
            given_up: pages.given_up,
            attempts: pages.sinks.iter().map(|seen| seen.attempts).sum(),
            deliveries: pages.sinks.iter().map(|seen| seen.deliveries.len()).sum(),
            kills: pages.kills.clone(),
            wrongs: pages.wrongs.clone(),
            more_wrongs: pages.more_wrongs,
        }
    }
}

impl Pages {
    fn wrong(&mut self, words: impl Display) {
        if self.wrongs.len() < WORDS {
            let life = self.life;
            self.wrongs.push(format!("life {life}: {words}"));
        } else {
            self.more_wrongs += 1;
        }
    }

    fn end_life(&mut self, at: Instant, moment: &'static str) -> Kill {
        let since = at.checked_sub(TICKS + SLACK).unwrap_or(at);
        let witness = self.witness.take().unwrap_or_default();
        let mut kill = Kill {
            moment,
            accepted: self.accepted.len() - self.accepted_before,
            arrived: 0,
            by_clock: 0,
            by_order: 0,
            repeats: 0,
        };
        for (seen, witnessed) in self.sinks.iter_mut().zip(witness) {
            let recent = seen.answered.iter().filter(|answer| **answer >= since);
            kill.by_clock += CONCURRENCY + recent.count() as u64;
            kill.by_order += CONCURRENCY + seen.arrived - witnessed;
            kill.arrived += seen.arrived;
            seen.arrived = 0;
            seen.answered.clear();
        }
        self.accepted_before = self.accepted.len();
        self.life += 1;
        kill
    }

    /// What was accepted and not delivered.
    fn lost(&self) -> Vec<String> {
        let mut lost = Vec::new();
        for (request, message) in &self.accepted {
            for (seen, name) in self.sinks.iter().zip(SINKS) {
                match seen.delivery(*request) {
                    Some(delivery) if delivery.message != *message => {
                        let found = &delivery.message;
                        lost.push(format!(
                            "{request} is {message}, and came to {name} as {found}"
                        ));
                    }
                    Some(delivery) if delivery.delivered => {}
                    Some(_) => lost.push(format!("{message} ({request}) was refused by {name}")),
                    None => lost.push(format!("{message} ({request}) never came to {name}")),
                }
            }
        }
        lost
    }
}

impl Seen {
    fn delivery(&self, request: Request) -> Option<&Delivery> {
        self.deliveries.get(self.keys.get(&request)?)
    }

    fn has_delivered(&self, request: Request) -> bool {
        self.delivery(request).is_some_and(|found| found.delivered)
    }

    /// Takes an attempt in. Tells the life in which the same one came before.
    fn arrive(&mut self, arrival: Arrival, life: usize) -> Result<Option<usize>, String> {
        self.attempts += 1;
        self.arrived += 1;
        let Arrival {
            key,
            message,
            attempt,
            request,
        } = arrival;
        let known = self.keys.entry(request).or_insert_with(|| key.clone());
        if *known != key {
            return Err(format!("{request} came with the keys {known} and {key}"));
        }
        let delivery = self.deliveries.entry(key).or_insert_with(|| Delivery {
            request,
            message,
            attempts: Vec::new(),
            delivered: false,
            succeeded: false,
        });
        if delivery.request != request {
            let other = delivery.request;
            return Err(format!("{request} has the key of {other}"));
        }
        let mut attempts = delivery.attempts.iter_mut();
        if let Some((_, last)) = attempts.find(|(number, _)| *number == attempt) {
            return Ok(Some(std::mem::replace(last, life)));
        }
        delivery.attempts.push((attempt, life));
        if delivery.succeeded {
            return Err(format!(
                "attempt {attempt} of {request} came after a success"
            ));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use hyper::StatusCode;

    use super::{Arrival, Book};
    use crate::crash::request::Request;
    use crate::crash::{Bound, CONCURRENCY, SINKS};

    const REQUEST: Request = Request {
        sender: 0,
        event: 0,
        attempt: 0,
    };

    fn arrival(key: &str, attempt: u32) -> Arrival {
        Arrival {
            key: key.to_owned(),
            message: "msg_a".to_owned(),
            attempt,
            request: REQUEST,
        }
    }

    fn deliver(book: &Book, sink: usize, attempt: u32) {
        let place = book.arrived(sink, arrival("a", attempt));
        book.answered(sink, &place, StatusCode::OK);
    }

    fn accept(book: &Book) {
        book.accepted(REQUEST, "msg_a", book.begin());
    }

    #[track_caller]
    fn check(book: &Book, expected: &str) {
        let wrongs = book.total().wrongs.join("\n");
        if expected.is_empty() {
            assert_eq!(wrongs, "");
        }
        assert!(wrongs.contains(expected), "{wrongs}");
    }

    #[test]
    fn what_is_accepted_and_delivered_is_right() {
        let book = Book::default();
        accept(&book);
        (0..SINKS.len()).for_each(|sink| deliver(&book, sink, 1));
        check(&book, "");
    }

    #[test]
    fn what_was_accepted_and_not_delivered_is_lost() {
        let book = Book::default();
        accept(&book);
        deliver(&book, 0, 1);
        check(&book, "msg_a (0-0-0) never came to shipping");
        let place = book.arrived(1, arrival("a", 1));
        book.answered(1, &place, StatusCode::SERVICE_UNAVAILABLE);
        check(&book, "msg_a (0-0-0) was refused by shipping");
    }

    #[test]
    fn an_attempt_that_comes_again_after_a_kill_is_counted_for_it() {
        let book = Book::default();
        deliver(&book, 0, 1);
        book.killed(Instant::now(), "running");
        book.killed(Instant::now(), "running");
        deliver(&book, 0, 1);
        let repeats: Vec<u64> = book.total().kills.iter().map(|kill| kill.repeats).collect();
        assert_eq!(repeats, [1, 0]);
        check(&book, "");
    }

    #[test]
    fn an_attempt_that_comes_again_without_a_kill_is_wrong() {
        let book = Book::default();
        deliver(&book, 0, 1);
        deliver(&book, 0, 1);
        check(&book, "an attempt came to inventory twice without a kill");
    }

    #[test]
    fn another_attempt_after_a_success_is_wrong() {
        let book = Book::default();
        deliver(&book, 0, 1);
        book.killed(Instant::now(), "running");
        deliver(&book, 0, 2);
        check(&book, "attempt 2 of 0-0-0 came after a success");
    }

    #[test]
    fn a_second_key_is_wrong() {
        let book = Book::default();
        deliver(&book, 0, 1);
        book.arrived(0, arrival("b", 2));
        check(&book, "0-0-0 came with the keys a and b");
    }

    #[test]
    fn what_was_shown_as_delivered_must_not_come_again() {
        let book = Book::default();
        accept(&book);
        (0..SINKS.len()).for_each(|sink| deliver(&book, sink, 1));
        book.shown(REQUEST);
        check(&book, "");
        book.killed(Instant::now(), "running");
        deliver(&book, 0, 1);
        check(
            &book,
            "0-0-0 came to inventory after it was shown as delivered",
        );
    }

    #[test]
    fn what_isnt_delivered_must_not_be_shown_so() {
        let book = Book::default();
        deliver(&book, 0, 1);
        book.shown(REQUEST);
        check(&book, "0-0-0 is shown as delivered, and isn't to shipping");
    }

    #[test]
    fn a_kill_may_repeat_what_came_since_the_last_accepted_request_began() {
        let book = Book::default();
        deliver(&book, 0, 1);
        accept(&book);
        deliver(&book, 0, 2);
        deliver(&book, 0, 3);
        let kill = book.killed(Instant::now(), "running");
        assert_eq!(kill.limit(Bound::Order), 2 * CONCURRENCY + 2);
        assert_eq!(kill.limit(Bound::Clock), 2 * CONCURRENCY + 3);
    }
}
