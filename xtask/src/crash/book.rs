//! What was seen by senders and sinks, and what of it must not be.
//!
//! - `seen` – what a sink has seen
//! - `callbacks` – what senders were told by callbacks
//! - `order` – what came in order

mod callbacks;
mod order;
mod seen;

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::request::Request;
use super::{CALLBACKS, CONCURRENCY, ORDERED, SINKS};
use crate::lives::{Begin, Bound, Came, Kill, Lives};
use crate::sink::Delivery;
use crate::wrongs::Wrongs;
use callbacks::Callbacks;
use order::Order;
use seen::Seen;

/// By how much the system's clock may be set while something waits.
const CLOCK: Duration = Duration::from_millis(20);

/// The book. All write into it at the same time.
#[derive(Debug)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Debug)]
struct Pages {
    lives: Lives,
    sinks: [Seen; SINKS.len()],
    order: Order,
    callbacks: Callbacks,
    /// What each request was accepted as.
    accepted: HashMap<Request, String>,
    /// Answers with 202, of which most repeat another.
    answers: u64,
    /// Requests whose sender got no 202 in time.
    given_up: HashSet<Request>,
    /// Requests that were shown to have ended.
    ended: HashSet<Request>,
    shown_delivered: u64,
    /// Requests that somebody has tried to call off.
    called_off: HashSet<Request>,
    shown_cancelled: u64,
    /// Before when a request must not come.
    put_off: HashMap<Request, SystemTime>,
    wrongs: Wrongs,
}

/// What all came to.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) words: String,
    pub(crate) wrongs: Wrongs,
}

impl Default for Book {
    fn default() -> Self {
        let pages = Pages {
            lives: Lives::new(&[CONCURRENCY; SINKS.len() + 1]),
            sinks: <[Seen; SINKS.len()]>::default(),
            order: Order::default(),
            callbacks: Callbacks::default(),
            accepted: HashMap::new(),
            answers: 0,
            given_up: HashSet::new(),
            ended: HashSet::new(),
            shown_delivered: 0,
            called_off: HashSet::new(),
            shown_cancelled: 0,
            put_off: HashMap::new(),
            wrongs: Wrongs::default(),
        };
        Self(Mutex::new(pages))
    }
}

/// What senders write down.
impl Book {
    /// A sender begins to send a request, which must not come before `put_off`.
    pub(crate) fn sending(&self, request: Request, put_off: Option<SystemTime>) {
        if let Some(until) = put_off {
            self.pages().put_off.insert(request, until);
        }
    }

    /// A try begins.
    pub(crate) fn begin(&self) -> Begin {
        self.pages().lives.begin()
    }

    /// A sender got a 202. `begin` is when the try began that was accepted, where it was this one.
    pub(crate) fn accepted(&self, request: Request, message: &str, begin: Option<&Begin>) {
        let mut pages = self.pages();
        pages.answers += 1;
        if let Some(begin) = begin {
            pages.lives.accepted(begin);
        }
        let known = pages.accepted.entry(request);
        let known = known.or_insert_with(|| message.to_owned()).clone();
        if known != message {
            pages.wrong(format_args!(
                "{request} was accepted as {known} and as {message}"
            ));
        }
    }

    /// A sender got no 202 in time.
    pub(crate) fn given_up(&self, request: Request) {
        self.pages().given_up.insert(request);
    }

    /// A sender was shown a message of its own.
    pub(crate) fn shown(&self, request: Request, document: &Value) {
        self.pages().shown(request, document);
    }

    /// A sender tries to call a request off, so that it needn't be delivered any more.
    pub(crate) fn calling_off(&self, request: Request) {
        self.pages().called_off.insert(request);
    }

    /// A sender was told that it's too late to call a request off.
    pub(crate) fn too_late(&self, request: Request) {
        let mut pages = self.pages();
        pages.called_off.remove(&request);
        pages.ended.insert(request);
    }

    /// Something is as it must not be.
    pub(crate) fn wrong(&self, words: impl Display) {
        self.pages().wrong(words);
    }
}

/// What sinks write down.
impl Book {
    /// An attempt has come to a sink.
    pub(crate) fn arrived(&self, sink: usize, request: Request, delivery: &Delivery) {
        let mut pages = self.pages();
        let came = pages.lives.arrived(sink, &delivery.key, delivery.attempt);
        let name = SINKS[sink];
        if pages.ended.contains(&request) {
            pages.wrong(format_args!(
                "{request} came to {name} after it was shown to have ended"
            ));
        }
        let too_early = pages
            .put_off
            .get(&request)
            .map(|until| until.duration_since(SystemTime::now()));
        if let Some(Ok(early)) = too_early
            && early > CLOCK
        {
            pages.wrong(format_args!("{request} came to {name} {early:?} too early"));
        }
        if let Err(wrong) = pages.sinks[sink].arrived(request, delivery, came) {
            pages.wrong(format_args!("{name}: {wrong}"));
        }
        if sink == ORDERED {
            pages.arrived_in_order(request);
        }
    }

    /// A sink answers an attempt.
    pub(crate) fn answering(&self, sink: usize, request: Request, succeeded: bool) {
        let mut pages = self.pages();
        pages.lives.answering(sink);
        let life = pages.lives.now();
        pages.sinks[sink].answering(request, succeeded, life);
        if sink == ORDERED {
            pages.order.answering(request, succeeded);
        }
    }

    /// A callback has come.
    pub(crate) fn called_back(&self, request: Request, delivery: &Delivery) {
        let mut pages = self.pages();
        let came = pages
            .lives
            .arrived(CALLBACKS, &delivery.key, delivery.attempt);
        if came == Came::Unexplained {
            pages.wrong(format_args!(
                "a callback of {request} came twice without a kill"
            ));
        }
        match pages
            .callbacks
            .arrived(request, &delivery.key, &delivery.body)
        {
            Ok(state) => pages.told(request, &state),
            Err(wrong) => pages.wrong(wrong),
        }
    }

    /// A callback is answered.
    pub(crate) fn answering_callback(&self, request: Request, succeeded: bool) {
        let mut pages = self.pages();
        pages.lives.answering(CALLBACKS);
        pages.callbacks.answering(request, succeeded);
    }
}

/// What whoever runs it all writes down and reads.
impl Book {
    /// The gateway was killed, and all that it had sent has arrived: a life ends.
    pub(crate) fn killed(&self, at: Instant, moment: &'static str) -> Kill {
        self.pages().lives.killed(at, moment)
    }

    /// Callbacks that haven't come yet.
    pub(crate) fn missing_callbacks(&self) -> usize {
        let pages = self.pages();
        let wanted = pages
            .accepted
            .keys()
            .filter(|request| request.has_callback());
        wanted
            .filter(|request| !pages.callbacks.has_told(**request))
            .count()
    }

    /// What all came to, once everything is over.
    pub(crate) fn total(&self, bound: Bound) -> Total {
        let mut pages = self.pages();
        for wrong in [pages.lost(), pages.undecided(), pages.lives.beyond(bound)].concat() {
            pages.wrong(wrong);
        }
        Total {
            words: pages.summary(bound),
            wrongs: pages.wrongs.clone(),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn wrong(&mut self, words: impl Display) {
        let life = self.lives.now();
        self.wrongs.add(format_args!("life {life}: {words}"));
    }

    /// An attempt has come to where each customer's requests come in order.
    fn arrived_in_order(&mut self, request: Request) {
        // What a sender has given up may have been accepted at any time since.
        if self.given_up.contains(&request) {
            return;
        }
        let called_off = &self.called_off;
        if let Err(wrong) = self.order.arrived(request, |one| called_off.contains(one)) {
            self.wrong(wrong);
        }
    }

    /// A message that has ended must not come again, and must have come where it says so.
    fn shown(&mut self, request: Request, document: &Value) {
        match document["state"].as_str() {
            Some("delivered") => self.shown_delivered += 1,
            Some("cancelled") => self.shown_cancelled += 1,
            // Nothing is dead here, and so nothing is partial.
            Some("pending") => return,
            other => self.wrong(format_args!("{request} is shown as {other:?}")),
        }
        self.ended.insert(request);
        for delivery in document["deliveries"].as_array().into_iter().flatten() {
            let name = delivery["target"].as_str().unwrap_or_default();
            let state = delivery["state"].as_str().unwrap_or_default();
            match SINKS.iter().position(|sink| *sink == name) {
                Some(sink) => self.shown_delivery(request, sink, state),
                None => self.wrong(format_args!("{request} went to {name}")),
            }
        }
    }

    fn shown_delivery(&mut self, request: Request, sink: usize, state: &str) {
        let delivery = self.sinks[sink].of(request);
        let delivered = delivery.and_then(|delivery| delivery.delivered);
        let is_right = match (state, delivered) {
            ("delivered", Some(_)) => true,
            ("cancelled", None) => self.called_off.contains(&request),
            // What became of an attempt in flight is only lost with a kill.
            ("cancelled", Some(life)) => {
                self.called_off.contains(&request) && life < self.lives.now()
            }
            _ => false,
        };
        if !is_right {
            let (name, life) = (SINKS[sink], delivered);
            self.wrong(format_args!(
                "{request} is shown as {state} to {name}, which took it in life {life:?}"
            ));
        }
    }

    /// A sender was told by a callback that a message has ended.
    fn told(&mut self, request: Request, state: &str) {
        let delivered = self.sinks.iter().all(|seen| seen.has_delivered(request));
        let is_right = match state {
            "delivered" => delivered,
            "cancelled" => self.called_off.contains(&request),
            _ => false,
        };
        if !is_right {
            self.wrong(format_args!("a callback says that {request} is {state}"));
        }
        self.ended.insert(request);
    }

    /// What was accepted and not delivered, or of which nobody was told.
    fn lost(&self) -> Vec<String> {
        let mut lost = Vec::new();
        for (request, message) in &self.accepted {
            lost.extend(self.callbacks.wrong(*request, message));
            for (seen, name) in self.sinks.iter().zip(SINKS) {
                match seen.of(*request) {
                    Some(delivery) if delivery.message != *message => {
                        let found = &delivery.message;
                        lost.push(format!(
                            "{request} is {message}, and came to {name} as {found}"
                        ));
                    }
                    Some(delivery) if delivery.delivered.is_some() => {}
                    _ if self.called_off.contains(request) => {}
                    Some(_) => lost.push(format!("{message} ({request}) was refused by {name}")),
                    None => lost.push(format!("{message} ({request}) never came to {name}")),
                }
            }
        }
        lost
    }

    /// What came though no sender was ever told that it was accepted.
    fn undecided(&self) -> Vec<String> {
        let came: HashSet<Request> = self.sinks.iter().flat_map(Seen::requests).collect();
        came.into_iter()
            .filter(|request| {
                !self.accepted.contains_key(request) && !self.given_up.contains(request)
            })
            .map(|request| format!("{request} came, and was accepted for nobody"))
            .collect()
    }

    fn summary(&self, bound: Bound) -> String {
        let (accepted, answers, given_up) =
            (self.accepted.len(), self.answers, self.given_up.len());
        let deliveries: usize = self.sinks.iter().map(Seen::len).sum();
        let attempts = self.lives.attempts();
        let (called_off, callbacks) = (self.called_off.len(), self.callbacks.len());
        let (kills, put_off) = (self.lives.now(), self.put_off.len());
        let (delivered, cancelled) = (self.shown_delivered, self.shown_cancelled);
        let repeats = self.lives.summary(bound);
        format!(
            "{kills} kills; {accepted} requests accepted, in {answers} answers; {given_up} given up
{deliveries} deliveries and {callbacks} callbacks, in {attempts} attempts
{put_off} requests put off; {called_off} called off in time; shown: {delivered} delivered, {cancelled} cancelled
{repeats}"
        )
    }
}

#[cfg(test)]
mod tests;
