//! A request in a file: an HTTP/1.1 message (RFC 9112), or as much of one as people write.
//!
//! `POST /orders HTTP/1.1`, or without the version; headers; an empty line; the body. Lines end
//! with `\r\n` or `\n`.

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::{Method, Uri};

use crate::request;

/// A request as a file has it.
#[derive(Debug)]
pub(crate) struct RequestFile {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl RequestFile {
    /// Reads a file's content.
    ///
    /// # Errors
    /// Where it is no request, with the line.
    pub(crate) fn parse(content: &Bytes) -> Result<Self, String> {
        let mut rest = content.clone();
        let mut number = 1;
        let first = next_line(&mut rest);
        let (method, uri) = request_line(&first).map_err(|error| at(number, &error))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = next_line(&mut rest);
            number += 1;
            if line.is_empty() {
                break;
            }
            let text = text(&line).map_err(|error| at(number, &error))?;
            let (name, value) = request::header(text).map_err(|error| at(number, &error))?;
            headers.append(name, value);
        }
        let body = body(rest, &headers)?;
        Ok(Self {
            method,
            uri,
            headers,
            body,
        })
    }
}

fn at(line: usize, error: &str) -> String {
    format!("line {line}: {error}")
}

/// Takes a line off, without its end.
fn next_line(rest: &mut Bytes) -> Bytes {
    let end = rest.iter().position(|byte| *byte == b'\n');
    let mut line = rest.split_to(end.map_or(rest.len(), |end| end + 1));
    for mark in [b'\n', b'\r'] {
        if line.last() == Some(&mark) {
            line.truncate(line.len() - 1);
        }
    }
    line
}

fn text(line: &[u8]) -> Result<&str, String> {
    str::from_utf8(line).map_err(|_| "it isn't UTF-8".to_owned())
}

fn request_line(line: &[u8]) -> Result<(Method, Uri), String> {
    let expected = || "expected a method and a path, such as `POST /orders`".to_owned();
    let words: Vec<&str> = text(line)?.split_ascii_whitespace().collect();
    let (method, target) = match words[..] {
        [method, target] => (method, target),
        [method, target, version] if version.starts_with("HTTP/") => (method, target),
        _ => return Err(expected()),
    };
    let method = method.parse().map_err(|_| expected())?;
    Ok((method, request::path(target)?))
}

/// What follows the head: as much as `Content-Length` says, or all but the last line's end, which
/// editors add.
fn body(rest: Bytes, headers: &HeaderMap) -> Result<Bytes, String> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err("write the body as it is, without `Transfer-Encoding`".to_owned());
    }
    let Some(length) = headers.get(CONTENT_LENGTH) else {
        let mut rest = rest;
        // All that is left is one line, as long as it has other lines in it.
        for mark in [b'\n', b'\r'] {
            if rest.last() == Some(&mark) {
                rest.truncate(rest.len() - 1);
            }
        }
        return Ok(rest);
    };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    let length: usize = length.ok_or("`Content-Length` is no number")?;
    if length > rest.len() {
        let found = rest.len();
        return Err(format!(
            "the body has {found} bytes, and `Content-Length` says {length}"
        ));
    }
    Ok(rest.slice(..length))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::RequestFile;

    /// `expected`: what was read in one text, or the error.
    #[track_caller]
    fn check(content: &'static str, expected: Result<&str, &str>) {
        let parsed = RequestFile::parse(&Bytes::from_static(content.as_bytes()));
        let shown = parsed.map(|request| {
            let headers = request.headers.iter();
            let headers: String = headers
                .map(|(name, value)| format!("{name}={} ", value.to_str().expect("text")))
                .collect();
            let body = str::from_utf8(&request.body).expect("text");
            format!("{} {} {headers}{body:?}", request.method, request.uri)
        });
        let shown = shown.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(shown, expected, "{content:?}");
    }

    #[test]
    fn a_message_of_http_is_a_request() {
        check(
            "POST /orders?x=1 HTTP/1.1\r\nHost: a\r\nX-B: c: d\r\n\r\n{\"id\": 7}\r\n",
            Ok("POST /orders?x=1 host=a x-b=c: d \"{\\\"id\\\": 7}\""),
        );
        check("PUT http://a.example/b?c HTTP/1.1\n\n", Ok("PUT /b?c \"\""));
    }

    #[test]
    fn a_method_and_a_path_are_enough() {
        check("GET /a", Ok("GET /a \"\""));
        check("GET /a\n", Ok("GET /a \"\""));
        check("POST /a\nx: y", Ok("POST /a x=y \"\""));
        check("POST /a\n\na\n\nb\n\n", Ok("POST /a \"a\\n\\nb\\n\""));
    }

    #[test]
    fn the_body_is_as_long_as_it_says() {
        let head = "POST /a content-length=3 ";
        check(
            "POST /a\ncontent-length: 3\n\nabcde",
            Ok(&format!("{head}\"abc\"")),
        );
        check(
            "POST /a\ncontent-length: 3\n\nab\n",
            Ok(&format!("{head}\"ab\\n\"")),
        );
        check(
            "POST /a\ncontent-length: 3\n\nab",
            Err("the body has 2 bytes, and `Content-Length` says 3"),
        );
        check(
            "POST /a\ntransfer-encoding: chunked\n\n0\n\n",
            Err("write the body as it is, without `Transfer-Encoding`"),
        );
    }

    #[test]
    fn what_is_no_request_is_told_with_its_line() {
        let expected = "line 1: expected a method and a path, such as `POST /orders`";
        check("", Err(expected));
        check("{\"id\": 7}", Err(expected));
        check("POST /a HTTP/1.1 b", Err(expected));
        check(
            "POST orders",
            Err("line 1: `orders` is no path: it begins with `/`"),
        );
        check("POST /a\nb\n\n", Err("line 2: expected `name: value`"));
    }
}
