//! The seam: what a target is asked, and how an attempt ended. Knows nothing of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanway_types::Headers;
use futures_util::future::BoxFuture;

/// One API that is called.
pub trait Target: Send + Sync + 'static {
    /// Makes one attempt. A failed one is a value; the future ends within the target's time-outs.
    /// Dropping it breaks the attempt off, and the peer may have seen the request by then.
    fn attempt(&self, request: AttemptRequest) -> BoxFuture<'static, Answer>;

    /// The same, and notes when the answer's head is there, long before a long body. A target
    /// whose answers come whole notes nothing.
    fn attempt_noting(&self, request: AttemptRequest, _begun: Begun) -> BoxFuture<'static, Answer> {
        self.attempt(request)
    }
}

/// Whether an attempt's answer has begun. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    /// It has.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One request to a target.
#[derive(Clone, Debug)]
pub struct AttemptRequest {
    /// The method.
    pub method: Arc<str>,
    /// What is appended to the target's URL: nothing, or a path, or a query with its `?`, or both;
    /// percent-encoded.
    pub path_and_query: Arc<str>,
    /// The headers. Those that are a connection's own affair (`host`, `content-length`,
    /// `transfer-encoding`, `connection` and its kin, RFC 9110 section 7.6.1) are left out, and
    /// the target's credentials replace any of the same name.
    pub headers: Headers,
    /// The body, whole.
    pub body: Bytes,
    /// What of the answer's body is wanted.
    pub capture: Capture,
}

/// What of an answer's body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Nothing.
    Nothing,
    /// The first [`EXCERPT_LIMIT`](Capture::EXCERPT_LIMIT) bytes of an answer that isn't a 2xx.
    OnFailure,
    /// The same of any answer.
    Excerpt,
    /// All of it, where it is no more than [`WHOLE_LIMIT`](Capture::WHOLE_LIMIT) bytes.
    Whole,
}

impl Capture {
    /// The longest excerpt, in bytes.
    pub const EXCERPT_LIMIT: usize = 1024;

    /// The longest body that is captured whole, in bytes: 64 KiB.
    pub const WHOLE_LIMIT: usize = 64 << 10;
}

/// What was captured of an answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// Nothing was wanted.
    Nothing,
    /// Its beginning, which may be all of it.
    Beginning(Bytes),
    /// All of it.
    Whole(Bytes),
    /// The beginning of one that was wanted whole, and is longer than [`Capture::WHOLE_LIMIT`].
    TooLong(Bytes),
    /// The beginning of one that was wanted whole, and broke off or wasn't there in time.
    Broken(Bytes),
}

impl Captured {
    /// The bytes that there are.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Nothing => None,
            Self::Beginning(bytes)
            | Self::Whole(bytes)
            | Self::TooLong(bytes)
            | Self::Broken(bytes) => Some(bytes),
        }
    }
}

/// What an answer's head says of the target's own limits: each field as it came, where it is text.
/// Several lines of one are joined by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `RateLimit` (draft-ietf-httpapi-ratelimit-headers-09).
    pub limit: Option<Box<str>>,
    /// `RateLimit-Policy`.
    pub policy: Option<Box<str>>,
    /// `X-RateLimit-Remaining`.
    pub remaining: Option<Box<str>>,
    /// `X-RateLimit-Reset`.
    pub reset: Option<Box<str>>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What came of it.
    pub exchange: Exchange,
    /// How long it took, from the first poll to the end of the answer's body, by a monotonic clock.
    pub took: Duration,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The target answered. Its final status says how: a body that breaks off or crawls after it
    /// changes nothing.
    Answered {
        /// The status code, 101 or above 199.
        status: u16,
        /// The first `Retry-After`, as it came, where it is text.
        retry_after: Option<Box<str>>,
        /// What the target says of its limits, where it says anything.
        limits: Option<Box<Limits>>,
        /// What [`Capture`] asked for of the body.
        body: Captured,
    },
    /// There was no answer.
    Failed {
        /// What failed.
        kind: FailureKind,
        /// Whether the peer may have seen the request.
        sent: Sent,
        /// What failed, for an operator: with host and port, without path, query, headers or body.
        detail: String,
    },
}

/// What failed in an attempt without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The host's name has no address.
    Resolve,
    /// No address took the connection.
    Connect,
    /// None of the host's addresses is one that may be connected to: nothing was attempted.
    Egress,
    /// The proxy on the way didn't connect us.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// None of the process' connections was free in time: nothing was attempted.
    NoConnection,
    /// The connection wasn't there in time.
    ConnectTimeout,
    /// No answer began in time.
    FirstByteTimeout,
    /// The attempt as a whole was not over in time.
    WholeTimeout,
    /// The connection broke.
    Io,
    /// The peer's bytes are no HTTP, or beyond what is accepted of it.
    Protocol,
    /// The request can't be put together.
    Request,
    /// There was no token to show: nothing was sent, or what was sent was refused for its token.
    Token,
}

impl FailureKind {
    /// The word for it, as metrics and logs show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Egress => "egress",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::NoConnection => "no_connection",
            Self::ConnectTimeout => "connect_timeout",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::WholeTimeout => "whole_timeout",
            Self::Io => "io",
            Self::Protocol => "protocol",
            Self::Request => "request",
            Self::Token => "token",
        }
    }
}

/// Whether the peer may have seen a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// It hasn't, or has promised to have acted on none of it (RFC 9113 section 8.7).
    Nothing,
    /// It may have seen all of it, and acted on it.
    Maybe,
}
