//! One request and its answer over one connection, and what becomes of the connection then.

use http::header::HeaderMap;
use tokio::time::Instant;

use super::clock::{Clock, Elapsed};
use super::drain::Drain;
use super::failure::Failure;
use super::noted::Noted;
use super::request::Message;
use super::upload::Upload;
use super::{Connection, Inner, http1, http2};
use crate::{Capture, Exchange, FailureKind, Sent};

/// An exchange that didn't end in an answer.
pub(super) enum NoAnswer {
    /// It never began: the message can be sent over another connection.
    Unsent(Failure),
    Failed(Failure),
}

impl NoAnswer {
    /// The failure that it is where the message is not sent again.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Unsent(failure) | Self::Failed(failure) => failure,
        }
    }
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Inner {
    /// Sends a message, from `began` on, and reads the answer. The connection is held for the next attempt where the
    /// exchange was over cleanly.
    pub(super) async fn exchange(
        &self,
        connection: Connection,
        message: &Message,
        began: Instant,
        capture: Capture,
        clock: &mut Clock<'_>,
    ) -> Result<Exchange, NoAnswer> {
        match connection {
            Connection::Http1(connection) => {
                self.over_http1(connection, message, began, capture, clock)
                    .await
            }
            // Boxed, or attempts over HTTP/1.1 would have its size too.
            Connection::Http2(stream) => {
                Box::pin(self.over_http2(stream, message, began, capture, clock)).await
            }
        }
    }

    async fn over_http1(
        &self,
        mut connection: Box<http1::Connection>,
        message: &Message,
        began: Instant,
        capture: Capture,
        clock: &mut Clock<'_>,
    ) -> Result<Exchange, NoAnswer> {
        let rest = Upload::new(message.rest(), began);
        let progress = rest.progress();
        let mut request = http1::Outgoing::new(&message.method, message.text(), rest);
        let head = clock
            .first_byte(
                self.timeouts.first_byte,
                &progress,
                connection.exchange(&mut request),
            )
            .await;
        let mut head = match head.map_err(|elapsed| self.timed_out(elapsed))? {
            Ok(head) => head,
            Err(failure) if failure.sent == Sent::Nothing => {
                return Err(NoAnswer::Unsent(self.named(failure)));
            }
            Err(failure) => return Err(self.named(failure).into()),
        };
        clock.note_begin();
        let mut drain = Drain::new(head.status, std::mem::take(&mut head.noted), capture);
        let in_time = clock
            .until(clock.whole(), connection.drain(&request, head, &mut drain))
            .await
            .is_ok();
        if in_time && connection.is_reusable() {
            self.pool.put(connection);
        }
        Ok(drain.answered())
    }

    async fn over_http2(
        &self,
        mut stream: http2::Stream,
        message: &Message,
        began: Instant,
        capture: Capture,
        clock: &mut Clock<'_>,
    ) -> Result<Exchange, NoAnswer> {
        if let Err(failure) = stream.ready() {
            return Err(NoAnswer::Unsent(self.named(failure)));
        }
        let request = self.template.for_http2(message);
        let body = Upload::new(message.body.clone(), began);
        let progress = body.progress();
        let head = clock
            .first_byte(
                self.timeouts.first_byte,
                &progress,
                stream.exchange(request, body),
            )
            .await;
        let head = head.map_err(|elapsed| {
            // It may be dead without anybody having said so.
            stream.retire();
            self.timed_out(elapsed)
        })?;
        let (head, body) = head.map_err(|failure| self.named(failure))?.into_parts();
        clock.note_begin();
        let mut drain = Drain::new(head.status, noted(&head.headers), capture);
        // A body that isn't there in time is refused with its stream, and the answer stands.
        let _in_time = clock
            .until(clock.whole(), stream.drain(body, &mut drain))
            .await;
        Ok(drain.answered())
    }

    fn timed_out(&self, elapsed: Elapsed) -> Failure {
        let kind = match elapsed {
            Elapsed::Phase => FailureKind::FirstByteTimeout,
            Elapsed::Whole => FailureKind::WholeTimeout,
        };
        self.named(Failure::maybe_sent(kind, "no answer in time"))
    }

    fn named(&self, failure: Failure) -> Failure {
        failure.while_doing("exchange with", self.connector.peer())
    }
}

fn noted(headers: &HeaderMap) -> Noted {
    let mut noted = Noted::default();
    for (name, value) in headers {
        noted.hear(name.as_str(), value.as_bytes());
    }
    noted
}
