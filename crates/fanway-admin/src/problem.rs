//! Refusals: every reason for which an operator's request fails, and the problem document
//! (RFC 9457) that says so.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fanway_store::change::CancelError;
use fanway_store::{Error, dead};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{redrive, resolve};

/// Where the page of a problem is found: this, then its code.
const PAGES: &str = "/problems/";

macro_rules! kinds {
    ($($variant:ident = $status:ident, $code:literal, $title:literal, $page:literal;)+) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($variant),+ }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable word for it.
            fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What it is, the same for each occurrence.
            fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What its page says that can be done.
            fn advice(self) -> &'static str {
                match self { $(Self::$variant => $page),+ }
            }
        }
    };
}

kinds! {
    PathUnknown = NOT_FOUND, "path_unknown", "there is nothing at this path",
        "The admin API is under `/api/v1/`; beside it there are `/healthz`, `/readyz` and `/metrics`.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "the path doesn't take this method",
        "The `Allow` header of the answer lists the methods that the path takes.";
    HostForeign = MISDIRECTED_REQUEST, "host_foreign", "the host is not this server",
        "Ask for `localhost`, a loopback address or the address that the server listens on: other names in `Host` are refused, so that no web page can have its own name lead here.";
    OriginForeign = FORBIDDEN, "origin_foreign", "the request comes from another origin",
        "Changes are taken from programs and from this server's own pages, not from other web pages.";
    RequestMalformed = BAD_REQUEST, "request_malformed", "the request is malformed",
        "The detail says what was expected.";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large",
        "What is sent to the admin API fits into 16 KiB; a redrive's edited body may be as large as the gateway takes (`server.max_body` in the config).";
    IdMalformed = NOT_FOUND, "id_malformed", "this is no id",
        "A message's id is `msg_` and 26 characters; a delivery's is `dlv_`, the same 26 characters, `_` and the step's index; a redrive's is `job_` and 26 characters.";
    MessageUnknown = NOT_FOUND, "message_unknown", "no message has this id",
        "Compare the id with what the sender was answered.";
    MessageExpired = GONE, "message_expired", "the message is no longer kept",
        "It is older than the time for which ended messages can be asked for (`store.keep.messages` in the config).";
    MessageEnded = CONFLICT, "message_ended", "the message has ended",
        "What has ended can't be called off; `GET` shows how it ended.";
    DeadUnknown = NOT_FOUND, "dead_unknown", "no dead letter has this id",
        "It may have been redriven or discarded, or be older than `store.keep.dead` in the config.";
    RequestNotKept = CONFLICT, "request_not_kept", "the request is not kept",
        "`store.keep.bodies` in the config says whose requests are kept; without its request a dead letter can only be discarded.";
    StepGone = CONFLICT, "step_gone", "the step is not there any more",
        "A redrive follows what the route does today. Send `{\"plan\": \"pinned\"}` to follow the plan that the message was accepted with, or discard the dead letter.";
    TargetGone = CONFLICT, "target_gone", "the config has no such target any more",
        "Add the target to the config again, redrive to another target with `to`, or discard the dead letter.";
    ToUnknown = UNPROCESSABLE_ENTITY, "to_unknown", "the config has no target to redrive to",
        "`to` names a target of the config in use; `GET /api/v1/targets` lists them.";
    TargetUnknown = NOT_FOUND, "target_unknown", "no target has this name",
        "`GET /api/v1/targets` lists the targets; only those of the config in use can be paused or have their breaker forced.";
    RedriveUnknown = NOT_FOUND, "redrive_unknown", "no redrive has this id",
        "Redrives that have ended are kept as long as the history (`store.keep.history` in the config).";
    RedriveEnded = CONFLICT, "redrive_ended", "the redrive has ended",
        "Start another one for what is left.";
    TooManyRedrives = CONFLICT, "too_many_redrives", "too many redrives are under way",
        "Wait until one of them is done, or cancel one; those that are paused count too.";
    ConfigRefused = UNPROCESSABLE_ENTITY, "config_refused", "the config is refused",
        "Nothing was changed: the config that was in use still is. `errors` has all that is wrong; `fanway check` says the same.";
    NoPreviousConfig = CONFLICT, "no_previous_config", "there is no config to go back to",
        "Only a config that this process has had in use can be gone back to.";
    TooManyFollowers = SERVICE_UNAVAILABLE, "too_many_followers", "too many are listening",
        "End a listener that isn't needed any more, and ask again.";
    StoreFull = SERVICE_UNAVAILABLE, "store_full", "the store can keep no changes now",
        "Nothing was changed. `/readyz` says what is full.";
    StoreClosed = SERVICE_UNAVAILABLE, "store_closed", "the store is closed",
        "The server is stopping.";
    StoreFailed = INTERNAL_SERVER_ERROR, "store_failed", "the store failed",
        "The server's log and `/readyz` say more.";
}

/// Why a request was refused, and what is to be said of this occurrence.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<String>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let errors = Vec::new();
        Self {
            kind,
            detail,
            errors,
        }
    }

    /// A config that is refused, with all that is wrong with it.
    pub(crate) fn of_config(errors: Vec<String>) -> Self {
        let detail = match &errors[..] {
            [error] => error.clone(),
            errors => format!("{} errors", errors.len()),
        };
        let kind = Kind::ConfigRefused;
        Self {
            kind,
            detail,
            errors,
        }
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self::new(kind, kind.title())
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// Where its page is: `/problems/` and the problem's code, which is stable.
    #[schema(example = "/problems/request_malformed")]
    r#type: String,
    /// What it is, the same for each occurrence.
    title: &'a str,
    /// The answer's status.
    status: u16,
    /// What is to be said of this occurrence.
    detail: &'a str,
    /// All that is wrong, where it is a config that is refused.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [String],
}

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let document = ProblemDocument {
            r#type: format!("{PAGES}{}", self.kind.code()),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        let document = serde_json::to_string(&document).expect("a document has only text keys");
        let json = HeaderValue::from_static(PROBLEM_JSON);
        (status, [(header::CONTENT_TYPE, json)], document).into_response()
    }
}

/// What a problem is, and what can be done.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    tag = "server",
    operation_id = "showProblem",
    params(("code" = String, Path, description = "The end of a problem's `type`.")),
    responses(
        (status = 200, description = "Its page.", body = String, content_type = "text/plain"),
        (status = 404, description = "`path_unknown`"),
    ),
)]
pub(crate) async fn page(Path(code): Path<String>) -> Result<String, Problem> {
    let kind = Kind::ALL.iter().find(|kind| kind.code() == code);
    let kind = kind.ok_or(Kind::PathUnknown)?;
    let (status, title, advice) = (kind.status().as_u16(), kind.title(), kind.advice());
    Ok(format!("{status} {code}: {title}\n\n{advice}\n"))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Closed => Kind::StoreClosed.into(),
            Error::LaneTaken(_) | Error::Engine(_) => {
                let detail = chain(&error);
                tracing::error!(error = detail, "the store failed an operator's request");
                Self::new(Kind::StoreFailed, detail)
            }
        }
    }
}

impl From<dead::Error> for Problem {
    fn from(error: dead::Error) -> Self {
        let detail = error.to_string();
        match error {
            dead::Error::NotFound(_) => Self::new(Kind::DeadUnknown, detail),
            dead::Error::NoBody(_) => Self::new(Kind::RequestNotKept, detail),
            dead::Error::NoStep => Self::new(Kind::StepGone, detail),
            dead::Error::Full => Self::new(Kind::StoreFull, detail),
            dead::Error::Store(error) => error.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        let detail = error.to_string();
        match error {
            CancelError::NotFound(_) => Self::new(Kind::MessageUnknown, detail),
            CancelError::Ended(_) => Self::new(Kind::MessageEnded, detail),
            CancelError::Full => Self::new(Kind::StoreFull, detail),
            CancelError::Store(error) => error.into(),
        }
    }
}

impl From<redrive::Error> for Problem {
    fn from(error: redrive::Error) -> Self {
        let detail = error.to_string();
        match error {
            redrive::Error::Unknown(_) => Self::new(Kind::RedriveUnknown, detail),
            redrive::Error::Ended(..) => Self::new(Kind::RedriveEnded, detail),
            redrive::Error::TooMany(_) => Self::new(Kind::TooManyRedrives, detail),
            redrive::Error::Stopped => Kind::StoreClosed.into(),
            redrive::Error::Store(error) => error.into(),
        }
    }
}

impl From<resolve::Error> for Problem {
    fn from(error: resolve::Error) -> Self {
        let detail = error.to_string();
        match error {
            resolve::Error::Route(_) | resolve::Error::Step { .. } | resolve::Error::Plan => {
                Self::new(Kind::StepGone, detail)
            }
            resolve::Error::Target(_) => Self::new(Kind::TargetGone, detail),
            resolve::Error::To(_) => Self::new(Kind::ToUnknown, detail),
            resolve::Error::Store(error) => error.into(),
        }
    }
}

/// An error and what it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
