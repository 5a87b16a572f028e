//! Reading bodies: checking those that an expression will read (JSON, not nested too deep, and not
//! more than it seems once it is decompressed), and taking fingerprints.
//!
//! A large or compressed body is read on a thread of its own, one for each core at a time, so
//! that it neither holds up the core's other requests nor takes memory beside many others.

use bytes::Bytes;
use http::request::Parts;

use fanway_transform::json;
use fanway_types::{ByteCount, Fingerprint, Headers};

use crate::door::Core;
use crate::problem::{Kind, Problem};

/// The largest body that is read in place; that takes some 50 µs.
pub(crate) const IN_PLACE: usize = 64 * 1024;

/// What a body may be compressed with where it has to be read.
const ENCODINGS: &str = "gzip, deflate";

impl Core {
    /// Checks that an expression can read `body`.
    pub(crate) async fn check_json(
        &self,
        headers: &Headers,
        body: &Bytes,
        limit: ByteCount,
    ) -> Result<(), Problem> {
        let encoding = encoding(headers);
        if encoding.is_none() && body.len() <= IN_PLACE {
            return check(body, None, limit);
        }
        let (body, encoding) = (body.clone(), encoding.map(str::to_owned));
        self.aside(move || check(&body, encoding.as_deref(), limit))
            .await?
    }

    /// The fingerprint of a request.
    pub(crate) async fn fingerprint(
        &self,
        head: &Parts,
        body: &Bytes,
    ) -> Result<Fingerprint, Problem> {
        if body.len() <= IN_PLACE {
            return Ok(fingerprint(head, body));
        }
        let (method, uri, body) = (head.method.clone(), head.uri.clone(), body.clone());
        let of = move || Fingerprint::of(method.as_str(), uri.path(), uri.query(), &body);
        self.aside(of).await
    }

    /// Does `work` on a thread of its own, when it is its turn.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.large.acquire().await;
        let done = tokio::task::spawn_blocking(work).await;
        drop(turn);
        // The thread is gone where the runtime is shutting down.
        done.map_err(|_| Kind::StoreUnavailable.into())
    }
}

/// The fingerprint of a request, here and now.
pub(crate) fn fingerprint(head: &Parts, body: &[u8]) -> Fingerprint {
    Fingerprint::of(
        head.method.as_str(),
        head.uri.path(),
        head.uri.query(),
        body,
    )
}

/// What a body is compressed with.
pub(crate) fn encoding(headers: &Headers) -> Option<&str> {
    headers.get_str("content-encoding")
}

/// Checks that an expression can read `body`, here and now.
pub(crate) fn check(body: &[u8], encoding: Option<&str>, limit: ByteCount) -> Result<(), Problem> {
    let limits = json::Limits {
        size: limit,
        ..json::Limits::default()
    };
    json::check(body, encoding, limits).map_err(|error| refusal(&error, limit))
}

pub(crate) fn refusal(error: &json::Error, limit: ByteCount) -> Problem {
    let detail = error.to_string();
    match error.kind {
        json::ErrorKind::Malformed => Problem::new(Kind::JsonMalformed, detail),
        json::ErrorKind::TooDeep => Problem::new(Kind::JsonTooDeep, detail),
        json::ErrorKind::Encoding => Problem::new(Kind::EncodingBroken, detail),
        json::ErrorKind::UnsupportedEncoding => {
            Problem::new(Kind::EncodingUnsupported, detail).accept_encoding(ENCODINGS)
        }
        json::ErrorKind::TooLarge => Problem::new(
            Kind::DecompressedTooLarge,
            format!("it is more than {limit}"),
        ),
    }
}
