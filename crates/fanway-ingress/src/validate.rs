//! Checking bodies that an expression will read: JSON, not nested too deep, and not more than it
//! seems once it is decompressed.
//!
//! A large or compressed body is checked on a thread of its own, one for each core at a time, so
//! that it neither holds up the core's other requests nor takes memory beside many others.

use bytes::Bytes;

use fanway_transform::json;
use fanway_types::{ByteCount, Headers};

use crate::door::Core;
use crate::problem::{Kind, Problem};

/// The largest body that is checked in place; that takes some 50 µs.
const IN_PLACE: usize = 64 * 1024;

/// What a body may be compressed with where it has to be read.
const ENCODINGS: &str = "gzip, deflate";

impl Core {
    /// Checks that an expression can read `body`.
    pub(crate) async fn check_json(&self, headers: &Headers, body: &Bytes) -> Result<(), Problem> {
        let encoding = headers.get_str("content-encoding");
        let limits = json::Limits {
            size: self.shared.limits.max_body,
            ..json::Limits::default()
        };
        if encoding.is_none() && body.len() <= IN_PLACE {
            return json::check(body, None, limits).map_err(|error| refusal(&error, limits.size));
        }
        let (body, encoding) = (body.clone(), encoding.map(str::to_owned));
        let turn = self.checks.acquire().await;
        let check = move || json::check(&body, encoding.as_deref(), limits);
        let checked = tokio::task::spawn_blocking(check).await;
        drop(turn);
        // The thread is gone where the runtime is shutting down.
        let checked = checked.map_err(|_| Problem::from(Kind::StoreUnavailable))?;
        checked.map_err(|error| refusal(&error, limits.size))
    }
}

fn refusal(error: &json::Error, limit: ByteCount) -> Problem {
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
