//! What a sink has seen: each request comes under one key, and not again after a success.

use std::collections::HashMap;

use crate::crash::request::Request;
use crate::lives::Came;
use crate::sink::Delivery as Arrival;

/// What a sink has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<Request, Delivery>);

/// The one delivery of a request to this sink.
#[derive(Debug)]
pub(crate) struct Delivery {
    key: String,
    pub(crate) message: String,
    /// The life in which it was answered with a success for the first time.
    pub(crate) delivered: Option<usize>,
    /// Whether the last answer was a success. A repeated attempt may be refused where the first
    /// was not, and is then followed by another.
    succeeded: bool,
}

impl Seen {
    /// The delivery of a request, where it has come.
    pub(crate) fn of(&self, request: Request) -> Option<&Delivery> {
        self.0.get(&request)
    }

    /// Whether a request was answered with a success.
    pub(crate) fn has_delivered(&self, request: Request) -> bool {
        let delivery = self.of(request);
        delivery.is_some_and(|delivery| delivery.delivered.is_some())
    }

    /// All requests that have come.
    pub(crate) fn requests(&self) -> impl Iterator<Item = Request> {
        self.0.keys().copied()
    }

    /// How many have come.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes an attempt in.
    ///
    /// # Errors
    /// With what is wrong about it.
    pub(crate) fn arrived(
        &mut self,
        request: Request,
        arrival: &Arrival,
        came: Came,
    ) -> Result<(), String> {
        let Arrival {
            key,
            message,
            attempt,
            ..
        } = arrival;
        let delivery = self.0.entry(request).or_insert_with(|| Delivery {
            key: key.clone(),
            message: message.clone(),
            delivered: None,
            succeeded: false,
        });
        let known = &delivery.key;
        match came {
            _ if known != key => Err(format!("{request} came with the keys {known} and {key}")),
            Came::Unexplained => Err(format!(
                "attempt {attempt} of {request} came twice without a kill"
            )),
            Came::First if delivery.succeeded => Err(format!(
                "attempt {attempt} of {request} came after a success"
            )),
            Came::First | Came::Again => Ok(()),
        }
    }

    /// An attempt is answered, in this life.
    pub(crate) fn answering(&mut self, request: Request, succeeded: bool, life: usize) {
        if let Some(delivery) = self.0.get_mut(&request) {
            delivery.succeeded = succeeded;
            if succeeded {
                delivery.delivered.get_or_insert(life);
            }
        }
    }
}
