use super::{Body, LINES_LIMIT, Malformed};

/// Feeds `bytes` in pieces of `size`; returns the data, and how many bytes the body has left over
/// once it is over, or `None` where it isn't.
fn read(body: Body, bytes: &[u8], size: usize) -> Result<(Vec<u8>, Option<usize>), Malformed> {
    let (mut body, mut data) = (body, Vec::new());
    let (mut begin, mut end) = (0, 0);
    while !body.is_over() {
        match body.next(&bytes[begin..end])? {
            (0, _) if end == bytes.len() => return Ok((data, None)),
            (0, _) => end = (end + size).min(bytes.len()),
            (used, piece) => {
                data.extend_from_slice(piece);
                begin += used;
            }
        }
    }
    Ok((data, Some(bytes.len() - begin)))
}

#[track_caller]
fn check(body: Body, bytes: &[u8], expected: &Result<(Vec<u8>, Option<usize>), Malformed>) {
    assert_eq!(&read(body, bytes, bytes.len().max(1)), expected);
    // However it is cut into pieces. What is left over depends on how much was read by then.
    let data = expected.as_ref().map(|(data, left)| (data, left.is_some()));
    let in_pieces = read(body, bytes, 1);
    let in_pieces = in_pieces
        .as_ref()
        .map(|(data, left)| (data, left.is_some()));
    assert_eq!(in_pieces, data);
}

#[track_caller]
fn check_chunks(text: &str, expected: Result<(&str, Option<usize>), Malformed>) {
    let expected = expected.map(|(data, left)| (data.as_bytes().to_vec(), left));
    check(Body::chunked(), text.as_bytes(), &expected);
}

#[test]
fn a_body_of_known_length_ends_there() {
    check(Body::Length(3), b"abcdef", &Ok((b"abc".to_vec(), Some(3))));
    check(Body::Length(3), b"ab", &Ok((b"ab".to_vec(), None)));
    check(Body::OVER, b"ab", &Ok((Vec::new(), Some(2))));
}

#[test]
fn a_body_without_end_takes_all() {
    check(Body::UntilClose, b"abc", &Ok((b"abc".to_vec(), None)));
}

#[test]
fn chunks_are_put_together() {
    check_chunks("2\r\nno\r\n0\r\n\r\nmore", Ok(("no", Some(4))));
    check_chunks(
        "1;a=b\r\nx\r\nA\r\n0123456789\r\n0\r\n\r\n",
        Ok(("x0123456789", Some(0))),
    );
    check_chunks("1\r\nx\r\n0\r\na: b\r\nc: d\r\n\r\n", Ok(("x", Some(0))));
    check_chunks("5\r\nab", Ok(("ab", None)));
    check_chunks("1\r\nx\r\n0\r\na: b\r\n", Ok(("x", None)));
}

#[test]
fn what_are_no_chunks_is_refused() {
    check_chunks("x\r\n", Err(Malformed));
    check_chunks("1\r\nxy\r\n", Err(Malformed));
    check_chunks("1\r\nx\n", Err(Malformed));
    check_chunks("10000000000000000\r\n", Err(Malformed));
}

#[test]
fn lines_and_trailers_have_an_end() {
    let extension = format!("1;{}", "x".repeat(LINES_LIMIT));
    check_chunks(&extension, Err(Malformed));
    let trailer = format!("0\r\na: {}", "x".repeat(LINES_LIMIT));
    check_chunks(&trailer, Err(Malformed));
    let trailers = format!("0\r\n{}", "a: b\r\n".repeat(LINES_LIMIT));
    check_chunks(&trailers, Err(Malformed));
}
