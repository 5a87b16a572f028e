//! The query of a request to a server.

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A query; shown with its `?`, or as nothing where it has no parameter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// The query with this parameter too, where it has a value.
    pub(crate) fn with(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            let mark = if self.0.is_empty() { '?' } else { '&' };
            let value = value.to_string();
            let value = utf8_percent_encode(&value, ENCODED);
            self.0 += &format!("{mark}{name}={value}");
        }
        self
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn a_query_has_what_was_given() {
        let query = Query::default()
            .with("a", Some("2026-11-22T10:07:07+01:00"))
            .with("b", None::<&str>)
            .with("c", Some("é&=1"));
        assert_eq!(
            query.to_string(),
            "?a=2026-11-22T10%3A07%3A07%2B01%3A00&c=%C3%A9%26%3D1"
        );
        assert_eq!(Query::default().to_string(), "");
    }
}
