//! A request as people give it on a command line: headers, and a body with its type.

use std::io::{Read, stdin};

use anyhow::Context;
use bytes::Bytes;
use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::de::IgnoredAny;

/// Reads `name: value`.
pub(crate) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected `name: value`")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| "the name is no header name")?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| "the value has characters that no header may have")?;
    Ok((name, value))
}

/// Reads a path with its query. Of a whole URL it is taken out.
pub(crate) fn path(text: &str) -> Result<Uri, String> {
    let wrong = || format!("`{text}` is no path: it begins with `/`");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    if uri.scheme().is_none() && !text.starts_with('/') {
        return Err(wrong());
    }
    uri.into_parts()
        .path_and_query
        .map(Uri::from)
        .ok_or_else(wrong)
}

/// The body that is meant: a text, `@FILE`, or `-` for standard input.
pub(crate) fn body(data: &str) -> anyhow::Result<Bytes> {
    match data.strip_prefix('@') {
        Some(name) => file(name),
        None if data == "-" => file(data),
        None => Ok(data.to_owned().into()),
    }
}

/// What a file has, or standard input where it is called `-`.
pub(crate) fn file(name: &str) -> anyhow::Result<Bytes> {
    if name == "-" {
        let mut content = Vec::new();
        stdin()
            .read_to_end(&mut content)
            .context("standard input can't be read")?;
        return Ok(content.into());
    }
    let content = std::fs::read(name).with_context(|| format!("{name} can't be read"))?;
    Ok(content.into())
}

/// What was given, and a content type that the body's own form suggests.
pub(crate) fn headers(given: &[(HeaderName, HeaderValue)], body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(name.clone(), value.clone());
    }
    if !body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(body)));
    }
    headers
}

fn content_type(body: &[u8]) -> &'static str {
    if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        "application/json"
    } else if str::from_utf8(body).is_ok() {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    }
}

#[cfg(test)]
mod tests {
    use super::{header, headers};

    #[track_caller]
    fn check(given: &[&str], body: &[u8], expected: Option<&str>) {
        let given: Vec<_> = given
            .iter()
            .map(|text| header(text).expect("a header"))
            .collect();
        let headers = headers(&given, body);
        let found = headers
            .get("content-type")
            .map(hyper::http::HeaderValue::as_bytes);
        assert_eq!(found, expected.map(str::as_bytes));
    }

    #[test]
    fn the_body_suggests_its_type_where_none_is_given() {
        check(&[], b"", None);
        check(&[], br#"{"id": 1}"#, Some("application/json"));
        check(&[], b"hello", Some("text/plain; charset=utf-8"));
        check(&[], b"\xff", Some("application/octet-stream"));
        check(&["Content-Type: text/xml"], b"{}", Some("text/xml"));
    }

    #[test]
    fn a_header_has_a_name_and_a_value() {
        assert!(header("x-empty:").is_ok());
        assert!(header("no colon").is_err());
        assert!(header("bad name: 1").is_err());
        assert!(header("x: a\nb").is_err());
    }
}
