//! Calling requests off, some time after they were accepted: what is answered with a message that
//! has ended must not be delivered any more.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use rand::RngExt;
use tokio::time::sleep;

use super::{Known, Sender};
use crate::client::{Answer, Order};

/// The longest that a sender takes to change its mind.
const CHANGE_OF_MIND: Duration = Duration::from_millis(20);
/// How long to rest before it tries again.
const REST: Duration = Duration::from_millis(5);

impl Sender {
    /// Calls a request off, again and again until it is told what became of that.
    pub(super) async fn call_off(&mut self, known: &Known) {
        sleep(self.rng.random_range(Duration::ZERO..CHANGE_OF_MIND)).await;
        let order = Order::new(Method::DELETE, known.path.clone(), Vec::new().into());
        self.book.calling_off(known.request);
        while Instant::now() < known.until {
            let answer = self.clients[0].call(&order).await;
            if answer.is_ok_and(|answer| self.is_decided(known, &answer)) {
                return;
            }
            sleep(REST).await;
        }
    }

    /// Takes an answer down. Returns whether there is nothing more to be told.
    fn is_decided(&self, known: &Known, answer: &Answer) -> bool {
        let (book, request) = (&self.book, known.request);
        match answer.status {
            StatusCode::OK => book.shown(request, &answer.json()),
            StatusCode::CONFLICT => book.too_late(request),
            // Attempts in flight decide, or it has to be asked again.
            StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE => return false,
            // It was found a moment ago, and isn't kept any more.
            StatusCode::NOT_FOUND | StatusCode::GONE if Instant::now() >= known.until => {}
            status => book.wrong(format_args!(
                "calling {request} off was answered with {status}"
            )),
        }
        true
    }
}
