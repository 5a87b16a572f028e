//! Refusals: every reason for which a request is not answered as it wished, and the problem
//! document (RFC 9457) that says so.
//!
//! The set is closed: what is not a [`Kind`] is no refusal. Nothing of a refused request is
//! written to the store. Details name what the sender sent or may do, never what a target or
//! the store's engine said.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// Where the page of a problem is found: this, then its code.
pub(crate) const PAGES: &str = "/fanway/problems/";

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $status:ident, $code:literal, $title:literal, $page:literal;)+) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $variant),+ }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable word for it: the end of a problem's `type`, and a label of metrics.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The status code of the answer.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What it is, the same for each occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What its page says that a sender can do.
            fn advice(self) -> &'static str {
                match self { $(Self::$variant => $page),+ }
            }
        }
    };
}

kinds! {
    /// What came is no request, or one that could be understood in two ways.
    RequestMalformed = BAD_REQUEST, "request_malformed", "the request is malformed",
        "The detail says what is wrong with the request's head. It has to be HTTP/1.1 or HTTP/1.0 as RFC 9112 has it, with one `Host`, and with either a `Content-Length` or chunks. The connection is closed, since what follows can't be told apart from it.";
    /// No route has this path.
    RouteUnknown = NOT_FOUND, "route_unknown", "no route has this path",
        "Compare the path with the `match` of the routes in the gateway's config. Paths are compared segment by segment, as sent: `//`, `.` and `..` are not resolved.";
    /// A route has this path, but not for this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "the path doesn't take this method",
        "The `Allow` header of the answer lists the methods that the path takes.";
    /// No message of this id was accepted.
    MessageUnknown = NOT_FOUND, "message_unknown", "no message has this id",
        "An id is `msg_` and 26 characters, exactly as the 202 gave it.";
    /// The message is older than the time for which ended ones are kept.
    MessageExpired = GONE, "message_expired", "the message is no longer kept",
        "The message is older than the time for which ended messages can be asked for (`store.keep.messages` in the gateway's config).";
    /// The message had ended before it was called off.
    MessageEnded = CONFLICT, "message_ended", "the message has ended",
        "What has ended can't be called off. How it ended is told by `GET` of the same path.";
    /// There are as many listeners to events as there may be.
    TooManyFollowers = SERVICE_UNAVAILABLE, "too_many_followers", "too many follow messages",
        "Try again after the time that `Retry-After` gives, or ask with `?wait=`. How many may follow is `server.followers` in the gateway's config.";
    /// A request for a WebSocket that isn't as RFC 6455 has it.
    WebsocketMalformed = BAD_REQUEST, "websocket_malformed", "the WebSocket handshake is malformed",
        "It takes HTTP/1.1, `Sec-WebSocket-Version: 13` and one `Sec-WebSocket-Key` (RFC 6455, section 4.1).";
    /// `?wait=` is no duration.
    WaitMalformed = BAD_REQUEST, "wait_malformed", "`wait` is no duration",
        "Write it as `500ms`, `10s` or a whole number of seconds. More than 60 seconds are taken as 60.";
    /// The route requires a key and there is none.
    IdempotencyKeyMissing = BAD_REQUEST, "idempotency_key_missing", "the route requires an `Idempotency-Key`",
        "Send a key of your own with each request, such as a UUID in double quotes, and the same one whenever you send that request again.";
    /// The key can't be read.
    IdempotencyKeyMalformed = BAD_REQUEST, "idempotency_key_malformed", "the `Idempotency-Key` can't be read",
        "Send one, of 1 to 255 bytes of ASCII: in double quotes, where `\"` and `\\` are escaped by `\\` (RFC 9651, section 3.3.3), or bare, then without spaces, commas, semicolons and double quotes.";
    /// The key came before, with another request.
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "the `Idempotency-Key` came with another request",
        "Method, path, query and body have to be the same, byte for byte, whenever a key is sent again. Send another request with a key of its own.";
    /// The key's first request isn't answered yet.
    IdempotencyKeyBusy = CONFLICT, "idempotency_key_busy", "a request with this `Idempotency-Key` is being accepted",
        "Nothing was kept of this one. Try again after the time that `Retry-After` gives.";
    /// `Fanway-Not-Before` or `Fanway-Expires` can't be met.
    TermsMalformed = BAD_REQUEST, "terms_malformed", "the message's times can't be read, or contradict each other",
        "Write `Fanway-Not-Before` and `Fanway-Expires` as an RFC 3339 time, an HTTP date, or a duration from now such as `90s`, `10m`, `2h` or `7d`; the first at most 30 days ahead, the second at most 365. A message has to expire in the future, and after its first attempt may be made.";
    /// The route doesn't allow the callback.
    CallbackRefused = BAD_REQUEST, "callback_refused", "the route doesn't allow this callback",
        "`Fanway-Callback` has to be one http or https URL whose scheme, host and port the route allows (`callback.allow` in the gateway's config).";
    /// The body has to be JSON and is not.
    JsonMalformed = BAD_REQUEST, "json_malformed", "the body is not well-formed JSON",
        "The route reads the body as JSON. The detail says at which line and column it stops being that.";
    /// The body's JSON is nested too deep.
    JsonTooDeep = BAD_REQUEST, "json_too_deep", "the body is nested too deep",
        "Arrays and objects may be nested 128 deep.";
    /// An `order_by` gives no key for the message.
    OrderKeyMissing = UNPROCESSABLE_ENTITY, "order_key_missing", "the message has no order key",
        "The route keeps its deliveries in order by a value of the request, which the detail names. It has to be a text, a number, `true` or `false`; `null`, where the message is to be in no order.";
    /// Too many expressions are stuck for others to be evaluated.
    ExpressionsBusy = SERVICE_UNAVAILABLE, "expressions_busy", "no expressions can be evaluated now",
        "Nothing was kept. Try again after the time that `Retry-After` gives.";
    /// The body could not be read to its end.
    BodyBroken = BAD_REQUEST, "body_broken", "the body could not be read",
        "The connection broke, or the framing of the body (chunk sizes, `Content-Length`) was wrong.";
    /// The body's compression could not be undone.
    EncodingBroken = BAD_REQUEST, "encoding_broken", "the body is not what `Content-Encoding` says",
        "The route reads the body as JSON, and decompressing it failed.";
    /// The body did not arrive in time.
    BodyTimeout = REQUEST_TIMEOUT, "body_timeout", "the body took too long to arrive",
        "Send the body faster, or in smaller requests. Nothing was kept: the request can be sent again.";
    /// The body is larger than the gateway takes.
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large",
        "The detail says how much is taken (`server.max_body` in the gateway's config).";
    /// The body is larger than the gateway takes once it is decompressed.
    DecompressedTooLarge = PAYLOAD_TOO_LARGE, "decompressed_too_large", "the body is too large once it is decompressed",
        "The route reads the body as JSON, and the same limit holds for it before and after decompression.";
    /// The body has to be read and is compressed in an unknown way.
    EncodingUnsupported = UNSUPPORTED_MEDIA_TYPE, "encoding_unsupported", "the body's `Content-Encoding` can't be read",
        "The route reads the body as JSON: send it as it is, or with the encodings that `Accept-Encoding` of the answer lists.";
    /// Too many headers, or too large ones.
    HeadersTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "too many headers, or too large ones",
        "Send fewer or shorter headers.";
    /// No more connections are taken.
    TooManyConnections = SERVICE_UNAVAILABLE, "too_many_connections", "there are too many connections",
        "Try again after the time that `Retry-After` gives, and use fewer connections with keep-alive.";
    /// The memory for messages is used up.
    MemoryFull = SERVICE_UNAVAILABLE, "memory_full", "there is no memory for the body now",
        "Nothing was kept. Try again after the time that `Retry-After` gives.";
    /// The store has no room.
    StoreFull = SERVICE_UNAVAILABLE, "store_full", "there is no room for messages now",
        "Nothing was kept. Try again after the time that `Retry-After` gives.";
    /// The store can't keep up.
    StoreBehind = SERVICE_UNAVAILABLE, "store_behind", "messages arrive faster than they can be kept",
        "Nothing was kept. Try again after the time that `Retry-After` gives.";
    /// The store takes or tells nothing.
    StoreUnavailable = SERVICE_UNAVAILABLE, "store_unavailable", "the store is unavailable",
        "Nothing was kept. Try again later.";
    /// Writing failed midway: the message may have been kept or not.
    OutcomeUnknown = SERVICE_UNAVAILABLE, "outcome_unknown", "it is not known whether the message was kept",
        "The message may be delivered or not. To send it again may deliver it twice: do so where that does no harm, or where the targets tell duplicates apart. With an `Idempotency-Key` it can be sent again until it is answered: that is once the server has been restarted.";
}

impl Kind {
    /// The text of its page, under [`PAGES`].
    pub(crate) fn page(self) -> String {
        let (status, title, advice) = (self.status().as_u16(), self.title(), self.advice());
        format!("{status} {code}: {title}\n\n{advice}\n", code = self.code())
    }

    /// The kind whose code this is.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

/// A refusal: its kind, and what is to be said of this occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: Option<Cow<'static, str>>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            header: None,
        }
    }
}

/// The members of RFC 9457, section 3.1.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl Problem {
    /// A refusal with what is to be said of this occurrence.
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..kind.into()
        }
    }

    /// What is to be said of this occurrence.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Says when another try is worth it, in whole seconds rounded up (RFC 9110, section 10.2.3).
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Says which methods are taken (RFC 9110, section 15.5.6).
    pub(crate) fn allow(self, methods: HeaderValue) -> Self {
        self.with_header(ALLOW, methods)
    }

    /// Says which encodings are taken (RFC 9110, section 15.5.16).
    pub(crate) fn accept_encoding(self, encodings: &'static str) -> Self {
        self.with_header(ACCEPT_ENCODING, HeaderValue::from_static(encodings))
    }

    /// Says which version of WebSocket is spoken (RFC 6455, section 4.4).
    pub(crate) fn websocket_version(self, version: &'static str) -> Self {
        self.with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(version))
    }

    fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    /// The document as JSON.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let document = Document {
            r#type: format!("{PAGES}{}", self.kind.code()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail(),
        };
        serde_json::to_vec(&document).expect("a problem has only text and a number")
    }

    /// The whole answer.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.to_json()));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::{Kind, Problem};

    #[test]
    fn every_kind_has_a_code_of_its_own_and_a_page() {
        let codes: HashSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(*kind));
            assert!(kind.page().contains(kind.title()));
        }
        assert_eq!(Kind::from_code("nothing"), None);
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let retry_after = |wait| {
            let response = Problem::from(Kind::StoreFull)
                .retry_after(wait)
                .into_response();
            response.headers()["retry-after"].clone()
        };
        assert_eq!(retry_after(Duration::ZERO), "1");
        assert_eq!(retry_after(Duration::from_secs(3)), "3");
        assert_eq!(retry_after(Duration::from_millis(3001)), "4");
    }

    #[test]
    fn a_document_has_the_members_of_rfc_9457() {
        let problem = Problem::new(Kind::BodyTooLarge, "more than 10MiB");
        insta::assert_snapshot!(
            String::from_utf8(problem.to_json()).expect("JSON is UTF-8"),
            @r#"{"type":"/fanway/problems/body_too_large","title":"the body is too large","status":413,"detail":"more than 10MiB"}"#
        );
    }
}
