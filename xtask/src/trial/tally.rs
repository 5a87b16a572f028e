//! What was accepted of numbered requests, and what came of each: it comes under one key, until it
//! is answered with a success, and then only again where a kill has repeated it.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::lives::{Begin, Bound, Came, Lives};
use crate::sink::{Delivery, Desk, Reply};
use crate::wrongs::Wrongs;

/// The tally. All write into it at the same time.
#[derive(Debug)]
pub(crate) struct Tally(Mutex<Pages>);

#[derive(Debug)]
struct Pages {
    lives: Lives,
    accepted: HashMap<u32, Accepted>,
    /// Answers with 202.
    answers: u64,
    /// What came, by sink and number.
    seen: HashMap<(usize, u32), Seen>,
    wrongs: Wrongs,
}

/// A request that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    message: String,
    /// When it was sent first.
    pub(crate) begun: Instant,
    /// When it was answered first.
    pub(crate) answered: Instant,
}

/// The delivery of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: String,
    /// The path of the first attempt.
    pub(crate) path: String,
    message: String,
    delivered: bool,
}

/// The body of a numbered request.
pub(crate) fn body(number: u32) -> Bytes {
    json!({ "number": number }).to_string().into()
}

fn number_of(body: &[u8]) -> Option<u32> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["number"].as_u64()?.try_into().ok()
}

impl Tally {
    /// An empty one, for sinks to which so many attempts may be in flight.
    pub(crate) fn new(concurrency: &[u64]) -> Arc<Self> {
        let pages = Pages {
            lives: Lives::new(concurrency),
            accepted: HashMap::new(),
            answers: 0,
            seen: HashMap::new(),
            wrongs: Wrongs::default(),
        };
        Arc::new(Self(Mutex::new(pages)))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is as it must not be.
    pub(crate) fn wrong(&self, words: impl Display) {
        self.pages().wrongs.add(words);
    }

    /// The same of some things.
    pub(crate) fn all_wrong(&self, wrongs: Vec<String>) {
        for wrong in wrongs {
            self.wrong(wrong);
        }
    }

    /// A try begins to get a request accepted.
    pub(crate) fn begin(&self) -> Begin {
        self.pages().lives.begin()
    }

    /// A request was accepted that was sent first when it had `begun`. `begin` is when the try
    /// began that was accepted, where it was this one.
    pub(crate) fn accepted(
        &self,
        number: u32,
        message: &str,
        begun: Instant,
        begin: Option<&Begin>,
    ) {
        let mut pages = self.pages();
        pages.answers += 1;
        if let Some(begin) = begin {
            pages.lives.accepted(begin);
        }
        let known = pages.accepted.entry(number).or_insert_with(|| Accepted {
            message: message.to_owned(),
            begun,
            answered: Instant::now(),
        });
        if known.message != message {
            let wrong = format!(
                "{number} was accepted as {} and as {message}",
                known.message
            );
            pages.wrongs.add(wrong);
        }
    }

    /// The gateway was killed, and all that it had sent has arrived.
    pub(crate) fn killed(&self, at: Instant, moment: &'static str) -> String {
        self.pages().lives.killed(at, moment).to_string()
    }

    /// How many answers said that something was accepted.
    pub(crate) fn answers(&self) -> u64 {
        self.pages().answers
    }

    /// What was accepted, by number.
    pub(crate) fn requests(&self) -> HashMap<u32, Accepted> {
        self.pages().accepted.clone()
    }

    /// Attempts that have come to a sink.
    pub(crate) fn attempts(&self, sink: usize) -> u64 {
        self.pages().lives.attempts_of(sink)
    }

    /// How many deliveries to a sink were answered with a success.
    pub(crate) fn delivered(&self, sink: usize) -> usize {
        let pages = self.pages();
        let seen = pages.seen.iter().filter(|((at, _), _)| *at == sink);
        seen.filter(|(_, seen)| seen.delivered).count()
    }

    /// What has come to a sink, by number.
    pub(crate) fn seen(&self, sink: usize) -> HashMap<u32, Seen> {
        let pages = self.pages();
        let seen = pages.seen.iter().filter(|((at, _), _)| *at == sink);
        seen.map(|((_, number), seen)| (*number, seen.clone()))
            .collect()
    }

    /// Turns over a new leaf: what comes from now on is counted as if nothing had come. Returns
    /// what has come to a sink.
    pub(crate) fn turn(&self, sink: usize, concurrency: &[u64]) -> HashMap<u32, Seen> {
        let seen = self.seen(sink);
        let mut pages = self.pages();
        pages.seen.clear();
        pages.lives = Lives::new(concurrency);
        seen
    }

    /// Checks at the end that what was accepted came to the sinks that `goes_to` says, and that
    /// nothing came that wasn't accepted.
    pub(crate) fn check(&self, goes_to: impl Fn(u32) -> Vec<usize>) {
        let mut pages = self.pages();
        for wrong in [pages.lost(goes_to), pages.unasked()].concat() {
            pages.wrongs.add(wrong);
        }
    }

    /// What came of it, and all that is wrong; a kill may repeat as much as `bound` says.
    pub(crate) fn end(&self, bound: Bound) -> (String, Wrongs) {
        let mut pages = self.pages();
        for wrong in pages.lives.beyond(bound) {
            pages.wrongs.add(wrong);
        }
        let (accepted, answers) = (pages.accepted.len(), pages.answers);
        let deliveries = pages.seen.len();
        let attempts = pages.lives.attempts();
        let mut words = format!(
            "{accepted} requests accepted, in {answers} answers; {deliveries} deliveries in {attempts} attempts"
        );
        if pages.lives.now() > 0 {
            words = format!("{words}\n{}", pages.lives.summary(bound));
        }
        (words, pages.wrongs.clone())
    }
}

impl Pages {
    fn arrived(&mut self, sink: usize, number: u32, delivery: &Delivery) {
        let came = self.lives.arrived(sink, &delivery.key, delivery.attempt);
        let attempt = delivery.attempt;
        let seen = self.seen.entry((sink, number)).or_insert_with(|| Seen {
            key: delivery.key.clone(),
            path: delivery.path.clone(),
            message: delivery.message.clone(),
            delivered: false,
        });
        let known = &seen.key;
        let wrong = match came {
            _ if *known != delivery.key => Some(format!(
                "{number} came with the keys {known} and {}",
                delivery.key
            )),
            Came::Unexplained => Some(format!(
                "attempt {attempt} of {number} came twice without a kill"
            )),
            Came::First if seen.delivered => Some(format!(
                "attempt {attempt} of {number} came after a success"
            )),
            Came::First | Came::Again => None,
        };
        if let Some(wrong) = wrong {
            self.wrongs.add(wrong);
        }
    }

    fn lost(&self, goes_to: impl Fn(u32) -> Vec<usize>) -> Vec<String> {
        let mut lost = Vec::new();
        for (number, Accepted { message, .. }) in &self.accepted {
            for sink in goes_to(*number) {
                let wrong = match self.seen.get(&(sink, *number)) {
                    None => "never came",
                    Some(seen) if !seen.delivered => "was refused",
                    Some(seen) if seen.message != *message => "came as another",
                    Some(_) => continue,
                };
                lost.push(format!("{message} ({number}) {wrong} to sink {sink}"));
            }
        }
        lost
    }

    fn unasked(&self) -> Vec<String> {
        let numbers = self
            .seen
            .keys()
            .filter(|(_, number)| !self.accepted.contains_key(number));
        numbers
            .map(|(sink, number)| {
                format!("{number} came to sink {sink}, and was accepted for nobody")
            })
            .collect()
    }
}

/// What a sink does with numbered deliveries: counts them, and answers all alike.
#[derive(Debug)]
pub(crate) struct Counter {
    tally: Arc<Tally>,
    sink: usize,
    status: AtomicU16,
}

impl Counter {
    /// One that answers with this status.
    pub(crate) fn new(tally: &Arc<Tally>, sink: usize, status: StatusCode) -> Arc<Self> {
        Arc::new(Self {
            tally: Arc::clone(tally),
            sink,
            status: AtomicU16::new(status.as_u16()),
        })
    }

    /// From now on it answers with this status.
    pub(crate) fn answer(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Ordering::SeqCst);
    }
}

impl Desk for Counter {
    fn take(&self, delivery: &Delivery) -> Reply {
        let mut pages = self.tally.pages();
        match (number_of(&delivery.body), delivery.lacks()) {
            (Some(number), None) => pages.arrived(self.sink, number, delivery),
            (None, _) => pages
                .wrongs
                .add("a delivery whose body isn't what was sent"),
            (_, Some(lacking)) => pages
                .wrongs
                .add(format_args!("a delivery without {lacking}")),
        }
        let status = StatusCode::from_u16(self.status.load(Ordering::SeqCst));
        Reply::now(status.unwrap_or_default())
    }

    fn answering(&self, delivery: &Delivery, status: StatusCode) {
        let mut pages = self.tally.pages();
        pages.lives.answering(self.sink);
        let Some(number) = number_of(&delivery.body) else {
            return;
        };
        if let Some(seen) = pages.seen.get_mut(&(self.sink, number)) {
            seen.delivered |= status.is_success();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use hyper::StatusCode;

    use super::{Counter, Tally, body};
    use crate::lives::Bound;
    use crate::sink::{Delivery, Desk};

    fn tally() -> (Arc<Tally>, Arc<Counter>) {
        let tally = Tally::new(&[1]);
        let counter = Counter::new(&tally, 0, StatusCode::OK);
        (tally, counter)
    }

    fn accept(tally: &Tally, message: &str) {
        tally.accepted(1, message, Instant::now(), Some(&tally.begin()));
    }

    /// An attempt of number 1, which is answered as the counter says.
    fn come(counter: &Counter, key: &str, attempt: u32) {
        let delivery = Delivery {
            path: "/".to_owned(),
            body: body(1),
            key: key.to_owned(),
            message: "msg_a".to_owned(),
            attempt,
        };
        let reply = counter.take(&delivery);
        counter.answering(&delivery, reply.status);
    }

    #[track_caller]
    fn check(tally: &Tally, expected: &str) {
        tally.check(|_| vec![0]);
        let (_, wrongs) = tally.end(Bound::Order);
        let wrongs = wrongs.words.join("\n");
        if expected.is_empty() {
            assert_eq!(wrongs, "");
        }
        assert!(wrongs.contains(expected), "{wrongs}");
    }

    #[test]
    fn what_is_accepted_and_comes_once_is_right() {
        let (tally, counter) = tally();
        accept(&tally, "msg_a");
        accept(&tally, "msg_a");
        counter.answer(StatusCode::SERVICE_UNAVAILABLE);
        come(&counter, "a", 1);
        assert_eq!(tally.delivered(0), 0);
        counter.answer(StatusCode::OK);
        come(&counter, "a", 2);
        check(&tally, "");
        assert_eq!(
            (tally.answers(), tally.attempts(0), tally.delivered(0)),
            (2, 2, 1)
        );
    }

    #[test]
    fn what_is_accepted_twice_or_for_nobody_is_wrong() {
        let (tally, counter) = tally();
        come(&counter, "a", 1);
        check(&tally, "1 came to sink 0, and was accepted for nobody");
        accept(&tally, "msg_a");
        accept(&tally, "msg_b");
        check(&tally, "1 was accepted as msg_a and as msg_b");
    }

    #[test]
    fn what_is_accepted_has_to_come_as_what_it_is() {
        let (tally, counter) = tally();
        accept(&tally, "msg_b");
        check(&tally, "msg_b (1) never came to sink 0");
        come(&counter, "a", 1);
        check(&tally, "msg_b (1) came as another to sink 0");
    }

    #[test]
    fn what_is_refused_to_the_end_is_lost() {
        let (tally, counter) = tally();
        accept(&tally, "msg_a");
        counter.answer(StatusCode::BAD_REQUEST);
        come(&counter, "a", 1);
        check(&tally, "msg_a (1) was refused to sink 0");
    }

    #[test]
    fn what_came_must_not_come_again_but_for_a_kill() {
        let (tally, counter) = tally();
        accept(&tally, "msg_a");
        come(&counter, "a", 1);
        tally.killed(Instant::now(), "running");
        come(&counter, "a", 1);
        check(&tally, "");
        come(&counter, "a", 1);
        check(&tally, "attempt 1 of 1 came twice without a kill");
        come(&counter, "a", 2);
        check(&tally, "attempt 2 of 1 came after a success");
        come(&counter, "b", 1);
        check(&tally, "1 came with the keys a and b");
    }

    #[test]
    fn on_a_new_leaf_a_key_may_be_another_one() {
        let (tally, counter) = tally();
        accept(&tally, "msg_a");
        come(&counter, "a", 1);
        let before = tally.turn(0, &[1]);
        assert_eq!(before[&1].key, "a");
        come(&counter, "b", 1);
        check(&tally, "");
    }
}
