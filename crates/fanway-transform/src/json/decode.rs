//! Content decoding of bodies that expressions read, bounded against decompression bombs.

use std::borrow::Cow;
use std::io::Read;

use fanway_types::ByteCount;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::{Error, ErrorKind};

/// The decoded body: borrowed where nothing had to be done.
pub(super) fn decode<'a>(
    body: &'a [u8],
    encoding: Option<&str>,
    limit: ByteCount,
) -> Result<Cow<'a, [u8]>, Error> {
    let encoding = encoding.map_or("", str::trim).to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" if body.len() > limit.as_usize() => Err(too_large()),
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(body), limit).map(Cow::Owned),
        "deflate" => inflate(ZlibDecoder::new(body), limit).map(Cow::Owned),
        _ => Err(Error::whole(
            ErrorKind::UnsupportedEncoding,
            "the content-encoding is none of gzip, deflate and identity",
        )),
    }
}

/// Never holds more than a byte beyond `limit`.
fn inflate(decoder: impl Read, limit: ByteCount) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let damaged = |_| {
        Error::whole(
            ErrorKind::Encoding,
            "the body isn't what its content-encoding says",
        )
    };
    decoder
        .take(limit.get().saturating_add(1))
        .read_to_end(&mut text)
        .map_err(damaged)?;
    if text.len() > limit.as_usize() {
        return Err(too_large());
    }
    Ok(text)
}

fn too_large() -> Error {
    Error::whole(
        ErrorKind::TooLarge,
        "the body is larger than the limit when decoded",
    )
}
