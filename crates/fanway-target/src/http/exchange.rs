//! One request and its answer over one connection, and what becomes of the connection then.

use super::clock::{Clock, Elapsed};
use super::drain::Drain;
use super::failure::Failure;
use super::http1::Broken;
use super::request::{Message, Template};
use super::{Connection, Inner, http1, http2};
use crate::{Capture, Exchange, FailureKind};

/// An exchange that never began: the message, to be sent over another connection.
pub(super) struct Unsent {
    pub(super) message: Box<Message>,
    pub(super) failure: Failure,
}

/// An exchange that didn't end in an answer.
pub(super) enum NoAnswer {
    Unsent(Unsent),
    Failed(Failure),
}

impl NoAnswer {
    /// The failure that it is where the message is not sent again.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Unsent(unsent) => unsent.failure,
            Self::Failed(failure) => failure,
        }
    }
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Inner {
    /// Sends a message and reads the answer. The connection is held for the next attempt where the
    /// exchange was over cleanly.
    pub(super) async fn exchange(
        &self,
        connection: Connection,
        message: Message,
        capture: Capture,
        clock: &mut Clock<'_>,
    ) -> Result<Exchange, NoAnswer> {
        match connection {
            Connection::Http1(connection) => {
                self.over_http1(connection, message, capture, clock).await
            }
            Connection::Http2(stream) => self.over_http2(stream, message, capture, clock).await,
        }
    }

    async fn over_http1(
        &self,
        mut connection: Box<http1::Connection>,
        message: Message,
        capture: Capture,
        clock: &mut Clock<'_>,
    ) -> Result<Exchange, NoAnswer> {
        let request = self.template.for_http1(message);
        let progress = request.body().progress();
        let head = clock
            .first_byte(
                self.timeouts.first_byte,
                &progress,
                connection.exchange(request),
            )
            .await;
        let (head, body) = match head.map_err(|elapsed| self.timed_out(elapsed))? {
            Ok(answer) => answer.into_parts(),
            Err(Broken {
                failure,
                unsent: None,
            }) => return Err(self.named(failure).into()),
            Err(Broken {
                failure,
                unsent: Some(request),
            }) => {
                let message = Box::new(Template::from_http1(*request));
                return Err(NoAnswer::Unsent(Unsent {
                    message,
                    failure: self.named(failure),
                }));
            }
        };
        let mut drain = Drain::new(head.status, &head.headers, capture);
        let in_time = clock
            .until(clock.whole(), connection.drain(body, &mut drain))
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
        message: Message,
        capture: Capture,
        clock: &mut Clock<'_>,
    ) -> Result<Exchange, NoAnswer> {
        if let Err(failure) = stream.ready() {
            let failure = self.named(failure);
            return Err(NoAnswer::Unsent(Unsent {
                message: Box::new(message),
                failure,
            }));
        }
        let (request, body) = self.template.for_http2(message);
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
        let mut drain = Drain::new(head.status, &head.headers, capture);
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
