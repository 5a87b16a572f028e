//! Compressing a body (RFC 1952): the same bytes give the same bytes, without a time in the header.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::meter::Meter;

/// How much is compressed between two looks at the clock: some milliseconds' work.
const PIECE: usize = 64 << 10;

/// The body, compressed. Throws where the shaping's time is up.
pub(crate) fn gzip(body: &[u8], meter: &Meter) -> Bytes {
    let taken = "a vector takes all that is written";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for piece in body.chunks(PIECE) {
        meter.look();
        encoder.write_all(piece).expect(taken);
    }
    encoder.finish().expect(taken).into()
}
