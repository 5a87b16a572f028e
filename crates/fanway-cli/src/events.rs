//! A server's events, over as many connections as it takes.
//!
//! Where a connection breaks another one is opened, behind the event that was taken last where the
//! server knows of ids. The first one has to succeed: a server that isn't there is told at once.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{sleep, timeout};

use crate::client::{Answer, Call, Server};
use crate::output::note;
use crate::sse::{Event, Parser};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How long a server may say nothing: it sends a comment every 15 seconds.
const QUIET: Duration = Duration::from_secs(45);
/// The first wait before a connection is tried that has brought nothing; then it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A server's events.
pub(crate) struct Events<'s> {
    server: &'s Server,
    path: String,
    stream: Option<Incoming>,
    parser: Parser,
    last_id: Option<String>,
    ready: VecDeque<Event>,
    wait: Duration,
}

/// What comes next.
pub(crate) enum Told {
    /// An event.
    Event(Event),
    /// The connection was broken, and there is another one: what has happened meanwhile is missed,
    /// unless the server goes by ids.
    Again,
    /// There will be no more.
    Over,
}

impl<'s> Events<'s> {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the server can't be asked, or refuses.
    pub(crate) async fn listen(server: &'s Server, path: String) -> anyhow::Result<Self> {
        let mut events = Self {
            server,
            path,
            stream: None,
            parser: Parser::default(),
            last_id: None,
            ready: VecDeque::new(),
            wait: Duration::ZERO,
        };
        match events.connect().await? {
            Ok(stream) => events.stream = Some(stream),
            Err(answer) => answer.accepted()?,
        }
        Ok(events)
    }

    /// The next event. Waits for it as long as it takes, and comes back to a server that has gone.
    ///
    /// # Errors
    /// Where the server refuses to tell on.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Told> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Told::Event(event));
            }
            let Some(stream) = &mut self.stream else {
                return self.come_back().await;
            };
            match timeout(QUIET, stream.frame()).await {
                Ok(Some(Ok(frame))) => self.take(frame.data_ref().map_or(&[], |data| data))?,
                Ok(None | Some(Err(_))) | Err(_) => {
                    self.stream = None;
                    note(format!("fanway: {} broke off; coming back", self.server));
                }
            }
        }
    }

    fn take(&mut self, data: &[u8]) -> anyhow::Result<()> {
        let events = self.parser.read(data)?;
        if !events.is_empty() {
            self.wait = Duration::ZERO;
        }
        if let Some(id) = self.parser.last_id() {
            self.last_id = Some(id.to_owned());
        }
        self.ready.extend(events);
        Ok(())
    }

    /// Opens another connection, however long that takes.
    async fn come_back(&mut self) -> anyhow::Result<Told> {
        loop {
            sleep(self.wait).await;
            self.wait = (self.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
            match self.connect().await {
                Ok(Ok(stream)) => {
                    self.stream = Some(stream);
                    self.parser = Parser::default();
                    return Ok(Told::Again);
                }
                // One that starts, stops or has no place now may take us later.
                Ok(Err(answer)) if answer.status.is_server_error() => {}
                // 204 says that there is no more (WHATWG HTML, 9.2.3); the rest, why.
                Ok(Err(answer)) => {
                    answer.accepted()?;
                    return Ok(Told::Over);
                }
                Err(_gone) => {}
            }
        }
    }

    async fn connect(&self) -> anyhow::Result<Result<Incoming, Answer>> {
        let last_id = self.last_id.as_deref();
        let last_id = last_id.and_then(|id| HeaderValue::from_str(id).ok());
        let headers = last_id.map(|id| (LAST_EVENT_ID, id));
        let call = Call {
            path: self.path.clone(),
            headers: HeaderMap::from_iter(headers),
            ..Call::default()
        };
        self.server.open(call).await
    }
}
