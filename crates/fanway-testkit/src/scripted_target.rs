//! A target that answers by a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fanway_target::{
    Answer, AttemptRequest, Captured, Exchange, FailureKind, Limits, Sent, Target,
};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// What the target does with one attempt.
#[derive(Clone, Debug)]
pub struct Reply {
    after: Option<Duration>,
    exchange: Exchange,
}

impl Reply {
    /// Answers with this status, at once.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            after: Some(Duration::ZERO),
            exchange: Exchange::Answered {
                status,
                retry_after: None,
                limits: None,
                body: Captured::Nothing,
            },
        }
    }

    /// Answers with this status and `Retry-After`, at once.
    #[must_use]
    pub fn retry_after(status: u16, value: &str) -> Self {
        let mut reply = Self::status(status);
        if let Exchange::Answered { retry_after, .. } = &mut reply.exchange {
            *retry_after = Some(value.into());
        }
        reply
    }

    /// Breaks the connection, at once.
    #[must_use]
    pub fn broken() -> Self {
        Self::failed(FailureKind::Io, "the connection broke")
    }

    /// Fails without an answer, at once.
    #[must_use]
    pub fn failed(kind: FailureKind, detail: &str) -> Self {
        Self {
            after: Some(Duration::ZERO),
            exchange: Exchange::Failed {
                kind,
                sent: Sent::Maybe,
                detail: detail.to_owned(),
            },
        }
    }

    /// Never answers, nor times out.
    #[must_use]
    pub fn hang() -> Self {
        Self {
            after: None,
            ..Self::broken()
        }
    }

    /// The same, with the beginning of an answer's body.
    #[must_use]
    pub fn with_body(self, body: &'static [u8]) -> Self {
        self.with_captured(Captured::Beginning(Bytes::from_static(body)))
    }

    /// The same, with an answer's whole body.
    #[must_use]
    pub fn with_whole_body(self, body: &'static [u8]) -> Self {
        self.with_captured(Captured::Whole(Bytes::from_static(body)))
    }

    /// The same, with this of an answer's body.
    #[must_use]
    pub fn with_captured(mut self, captured: Captured) -> Self {
        if let Exchange::Answered { body, .. } = &mut self.exchange {
            *body = captured;
        }
        self
    }

    /// The same, with this said of the target's limits.
    #[must_use]
    pub fn with_limits(mut self, said: Limits) -> Self {
        if let Exchange::Answered { limits, .. } = &mut self.exchange {
            *limits = Some(Box::new(said));
        }
        self
    }

    /// The same, after so much time.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = Some(delay);
        self
    }
}

/// An attempt that the target has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What was asked.
    pub request: AttemptRequest,
    /// When it came.
    pub at: Instant,
}

impl Seen {
    /// The first value under `name`.
    ///
    /// # Panics
    /// Where there is none, or it isn't text.
    #[must_use]
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.request.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no header `{name}`"));
        str::from_utf8(value).expect("a value of text")
    }

    /// The body as text.
    ///
    /// # Panics
    /// Where it isn't UTF-8.
    #[must_use]
    pub fn body(&self) -> &str {
        str::from_utf8(&self.request.body).expect("a body of text")
    }
}

/// A target that answers by a script. Clones are the same target.
#[derive(Clone, Debug)]
pub struct ScriptedTarget {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    script: VecDeque<Reply>,
    otherwise: Reply,
    seen: Vec<Seen>,
    in_flight: usize,
    peak: usize,
}

impl ScriptedTarget {
    /// A target that replies to all attempts alike.
    #[must_use]
    pub fn always(reply: Reply) -> Self {
        Self::scripted([], reply)
    }

    /// A target that replies to the first attempts by the script, and to later ones `otherwise`.
    #[must_use]
    pub fn scripted(script: impl IntoIterator<Item = Reply>, otherwise: Reply) -> Self {
        let shared = Shared {
            script: script.into_iter().collect(),
            otherwise,
            seen: Vec::new(),
            in_flight: 0,
            peak: 0,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Drops what is left of the script, and replies like this from now on.
    pub fn reply_from_now_on(&self, reply: Reply) {
        let mut shared = self.lock();
        shared.script.clear();
        shared.otherwise = reply;
    }

    /// All attempts so far, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// How many attempts have come.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.lock().seen.len()
    }

    /// The most attempts that were under way at one time.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.lock().peak
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, request: AttemptRequest) -> (Reply, Underway) {
        let mut shared = self.lock();
        let at = Instant::now();
        shared.seen.push(Seen { request, at });
        shared.in_flight += 1;
        shared.peak = shared.peak.max(shared.in_flight);
        let reply = shared.script.pop_front();
        let reply = reply.unwrap_or_else(|| shared.otherwise.clone());
        (reply, Underway(self.clone()))
    }
}

impl Target for ScriptedTarget {
    fn attempt(&self, request: AttemptRequest) -> BoxFuture<'static, Answer> {
        let (reply, underway) = self.begin(request);
        Box::pin(async move {
            let _underway = underway;
            let began = Instant::now();
            match reply.after {
                Some(Duration::ZERO) => {}
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
            Answer {
                exchange: reply.exchange,
                took: began.elapsed(),
            }
        })
    }
}

/// Counts one attempt as under way until it is dropped.
struct Underway(ScriptedTarget);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}
