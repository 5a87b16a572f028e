//! A request in the one form that both sides compute its signature over.
//!
//! Differences from what is sent: dots and empty segments of the path are resolved and it is
//! percent-encoded once more (not for S3, where it stands as it is sent); the query's parameters
//! are decoded, encoded strictly and sorted; headers are sorted and their values trimmed.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// All but what a URL never has to encode (RFC 3986, section 2.3).
pub(in crate::http) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same, and the slashes of a path.
const IN_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// How a path is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathForm {
    /// Normalised and encoded once more.
    Usual,
    /// As it is sent: an object's key may have `//` and `..` in it.
    AsSent,
}

impl PathForm {
    /// That of a service.
    pub(super) fn of(service: &str) -> Self {
        match service {
            "s3" | "s3-outposts" | "s3-object-lambda" | "s3express" => Self::AsSent,
            _ => Self::Usual,
        }
    }
}

/// What is signed of a request.
pub(super) struct Canonical<'a> {
    pub(super) method: &'a str,
    /// As it is sent.
    pub(super) path: &'a str,
    pub(super) form: PathForm,
    /// As it is sent, without its `?`.
    pub(super) query: &'a str,
    /// Names in lower case, in any order.
    pub(super) headers: Vec<(&'a [u8], &'a [u8])>,
    /// The SHA-256 of the body, in hexadecimal digits.
    pub(super) payload: &'a str,
}

impl Canonical<'_> {
    /// The canonical request, and the names of the headers in it.
    pub(super) fn text(&self) -> (Vec<u8>, String) {
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path(), self.query()).into_bytes();
        let mut headers = self.headers.clone();
        // Those of one name stay in the order in which they are sent.
        headers.sort_by_key(|(name, _)| *name);
        let mut names: Vec<&[u8]> = Vec::new();
        for (name, value) in headers {
            if names.last() == Some(&name) {
                text.pop();
                text.push(b',');
            } else {
                names.push(name);
                text.extend_from_slice(name);
                text.push(b':');
            }
            push_trimmed(&mut text, value);
            text.push(b'\n');
        }
        let names = String::from_utf8_lossy(&names.join(&b';')).into_owned();
        for part in ["\n", &names, "\n", self.payload] {
            text.extend_from_slice(part.as_bytes());
        }
        (text, names)
    }

    fn path(&self) -> String {
        match self.form {
            PathForm::AsSent => self.path.to_owned(),
            PathForm::Usual => {
                let normal = normalised(self.path);
                percent_encode(normal.as_bytes(), IN_PATH).to_string()
            }
        }
    }

    fn query(&self) -> String {
        let parameters = self.query.split('&').filter(|part| !part.is_empty());
        let mut parameters: Vec<(String, String)> = parameters
            .map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                (strict(name), strict(value))
            })
            .collect();
        parameters.sort();
        let mut text = String::new();
        for (name, value) in parameters {
            let between = if text.is_empty() { "" } else { "&" };
            write!(text, "{between}{name}={value}").expect("a String takes all text");
        }
        text
    }
}

/// A part of a query, encoded anew; a `+` is a space, as servers read it.
fn strict(part: &str) -> String {
    let part = part.replace('+', "%20");
    let bytes: Vec<u8> = percent_decode_str(&part).collect();
    percent_encode(&bytes, UNRESERVED).to_string()
}

/// A path without empty segments, `.` and `..` (RFC 3986, section 5.2.4); the slash at its end
/// stays.
fn normalised(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let is_folder = path.ends_with('/') && !segments.is_empty();
    let end = if is_folder { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// A header's value without spaces around it, and with one for several within.
fn push_trimmed(text: &mut Vec<u8>, value: &[u8]) {
    let mut was_space = false;
    for byte in value.trim_ascii() {
        let is_space = *byte == b' ';
        if !(is_space && was_space) {
            text.push(*byte);
        }
        was_space = is_space;
    }
}
