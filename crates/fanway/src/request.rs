//! What one target is sent. Whether it is a request by HTTP's rules shows when it is sent.

use std::sync::Arc;

use bytes::Bytes;

/// A request to one target, as its attempts send it.
///
/// What is no HTTP (a method with a space, a header with a line's end) is never sent: its delivery
/// ends as [`End::Refused`](crate::End::Refused) without an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(crate) method: Arc<str>,
    pub(crate) path_and_query: Arc<str>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

impl Request {
    /// A request of any method, without a body.
    #[must_use]
    pub fn new(method: &str) -> Self {
        Self {
            method: method.into(),
            path_and_query: "".into(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// `GET`.
    #[must_use]
    pub fn get() -> Self {
        Self::new("GET")
    }

    /// `POST`.
    #[must_use]
    pub fn post() -> Self {
        Self::new("POST")
    }

    /// `PUT`.
    #[must_use]
    pub fn put() -> Self {
        Self::new("PUT")
    }

    /// `PATCH`.
    #[must_use]
    pub fn patch() -> Self {
        Self::new("PATCH")
    }

    /// `DELETE`.
    #[must_use]
    pub fn delete() -> Self {
        Self::new("DELETE")
    }

    /// What is appended to the target's URL: a path, or a query with its `?`, or both;
    /// percent-encoded already.
    #[must_use]
    pub fn path(mut self, path_and_query: &str) -> Self {
        self.path_and_query = path_and_query.into();
        self
    }

    /// Adds a header, at most 65,535 bytes long. Those that are a connection's own affair (`host`, `content-length`,
    /// `transfer-encoding`, `connection` and its kin) are left out, and those that each attempt has
    /// of its own (`idempotency-key`, `fanway-message`, `fanway-attempt`, `traceparent`,
    /// `user-agent`, the target's credentials and signature) are replaced.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref().to_vec();
        self.headers.push((name.to_ascii_lowercase(), value));
        self
    }

    /// Sets the body; its `content-type` is a [`header`](Self::header).
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a body of JSON text, as `serde_json::to_string` writes it, and its `content-type`.
    #[must_use]
    pub fn json(self, json: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(json)
    }
}
