//! What an explanation says, as plain data: to be shown, compared, or written as JSON.

use fanway_types::{MessageId, RouteName, StepName, TargetName};
use serde::Serialize;

/// What a request would cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explained {
    /// Its method, path and query.
    pub request: String,
    /// Each route, in the order of the config.
    pub routes: Vec<Tried>,
    /// The one that takes it.
    pub route: Option<RouteName>,
    /// Whether Fanway answers it itself, since its path is under `/fanway/`.
    pub is_reserved: bool,
    /// The checks of the route, in their order.
    pub checks: Vec<Checked>,
    /// The answer, where it would be refused.
    pub refused: Option<Problem>,
    /// The message's id, which is made up; where it would be accepted, as all that follows.
    pub message: Option<MessageId>,
    /// The hash of the plan that its message would name.
    pub plan: Option<String>,
    /// What its message would be kept with.
    pub terms: Option<Terms>,
    /// The plan's steps.
    pub steps: Vec<Step>,
    /// Who would be told of its end.
    pub notices: Option<Notices>,
}

impl Explained {
    /// Whether the request would be accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.message.is_some()
    }
}

/// A route that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Its name.
    pub route: RouteName,
    /// What it matches, as in the config.
    pub matches: String,
    /// Whether it takes the request.
    pub takes: bool,
    /// Why, or why not.
    pub why: String,
}

/// A check that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Which: `headers`, `idempotency_key`, `times`, `callback`, `size` or `json`.
    pub check: &'static str,
    /// What it found: `passed`, `not_needed` or `refused`.
    pub verdict: &'static str,
    /// The answer, where it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Problem>,
}

/// A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where its page is.
    pub r#type: String,
    /// What it is.
    pub title: &'static str,
    /// The answer's status.
    pub status: u16,
    /// What is to be said of this occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a message would be kept with besides its request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// The key that makes a repeated request known as such.
    pub idempotency_key: Option<Key>,
    /// When the first attempt may be made.
    pub not_before: Option<Said>,
    /// When what hasn't ended is given up.
    pub expires: Option<Said>,
}

/// A sender's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// The key.
    pub key: String,
    /// How long it stands for the request.
    pub keep: String,
}

/// A time, as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// A point in time, or a duration from acceptance.
    pub said: String,
    /// Who says it.
    pub by: Who,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The request.
    Sender,
    /// The config.
    Route,
}

/// A step of the plan. It sends `request`, or is `skipped`, or `fails`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its name.
    pub step: StepName,
    /// Its target.
    pub target: TargetName,
    /// Whether its failure fails the message.
    pub critical: bool,
    /// Its expressions, and what they give.
    pub expressions: Vec<Expression>,
    /// The first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Outgoing>,
    /// Why nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why no attempt can be made; where an expression fails the delivery is a dead letter at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// What holds for its attempts.
    pub policy: Policy,
}

/// An expression of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expression {
    /// Which: `when`, `path`, `query.limit`, `headers.x-priority`, `body`.
    pub field: String,
    /// As it stands in the config.
    pub source: String,
    /// What it gives, where it is evaluated; what `body` gives is the request's body.
    pub result: Option<String>,
}

/// A request as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outgoing {
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The headers; credentials are `(hidden)`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

/// A body: `text` where it is some, else `base64`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// The body as text.
    Text(String),
    /// The body in base 64.
    Base64(String),
}

/// What holds for attempts to a target. Durations are written as in the config.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// How long an attempt may take.
    pub timeouts: Timeouts,
    /// Which answers are a success.
    pub success: Success,
    /// When it is made again.
    pub retry: Retry,
    /// The most at a time.
    pub concurrency: Concurrency,
    /// How many may start in a while, where that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// When all are held.
    pub breaker: Breaker,
    /// Where they go, where the target has more than one address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// The target that has deliveries while the breaker isn't closed, and those that are given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<TargetName>,
    /// After how long without an answer one is made a second time, where that may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge_after: Option<String>,
    /// What there is to TLS, where it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The proxy on the way, without its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
}

/// What there is to a target's TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// How many authorities of its own it has, in place of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<usize>,
    /// Whether it is shown a certificate of ours.
    pub shows_certificate: bool,
    /// The name that it is asked for, where that isn't the URL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The oldest version that is spoken.
    pub min_version: &'static str,
}

/// A proxy on the way to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proxy {
    /// Where it is.
    pub url: String,
    /// Whether it is shown a user and a password.
    pub logs_in: bool,
}

/// The addresses of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// Each with its weight; the request shows the first.
    pub urls: Vec<(String, u32)>,
    /// How one is chosen.
    pub balance: &'static str,
    /// Failures in a row after which one is left out.
    pub eject_after: u32,
    /// For how long, the first time.
    pub eject_for: String,
    /// The path of checks, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// The checks of endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The path.
    pub path: String,
    /// How often.
    pub interval: String,
    /// Checks in a row that have to fail before an endpoint is left out.
    pub unhealthy: u32,
    /// Checks in a row that bring it back.
    pub healthy: u32,
}

/// How many attempts may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Concurrency {
    /// So many.
    Fixed(usize),
    /// As many as the target's latency says.
    Auto {
        /// The bounds of that.
        auto: Bounds,
    },
}

/// The bounds of what a latency says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// At least so many.
    pub least: usize,
    /// At most so many.
    pub most: usize,
}

/// How many attempts may start in a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// As `100/s`.
    pub limit: String,
    /// At once after a time with none.
    pub burst: u32,
}

/// How long an attempt may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// Until it is connected.
    pub connect: String,
    /// Until the answer begins.
    pub first_byte: String,
    /// As a whole.
    pub whole: String,
}

/// When an attempt is made again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retry {
    /// The longest wait before the second attempt.
    pub first: String,
    /// How much longer it gets each time.
    pub factor: f64,
    /// The longest wait of all.
    pub max: String,
    /// Attempts at most.
    pub attempts: u32,
    /// Time for all of them.
    pub give_up_after: String,
    /// Which failures are worth another attempt.
    pub on: Vec<String>,
    /// Which answers never are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
}

/// Which answers are a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Success {
    /// Their statuses.
    pub status: Vec<String>,
    /// What their body has to satisfy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What one is that doesn't.
    pub otherwise: &'static str,
}

/// When a target is left alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub consecutive: u32,
    /// The share of failures that opens it.
    pub failure_ratio: f64,
    /// How long a slow attempt takes, where that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<String>,
    /// The share of slow attempts that opens it.
    pub slow_ratio: f64,
    /// Attempts below which the shares say nothing.
    pub minimum: u32,
    /// How far back the shares look.
    pub window: String,
    /// How long it stays open.
    pub open_for: String,
    /// Probes that close it.
    pub probes: u32,
}

/// Who is told of a message's end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notices {
    /// The target that is told when it has ended.
    pub callback: Option<TargetName>,
    /// The URL that is told too, which the sender named.
    pub callback_url: Option<String>,
    /// The target that is told of each dead letter.
    pub on_dead: Option<TargetName>,
}
