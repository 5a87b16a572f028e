//! The path of a route: which request paths it matches, and what it captures from them.
//!
//! A template is text such as `/orders/{id}` or `/files/{path...}`: literal segments, segments
//! that capture, and at the end perhaps one that captures everything that is left. It knows
//! nothing of methods, hosts or queries, and doesn't normalise: `/orders/` is another path than
//! `/orders`, and `..` is a segment like any other.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::RouteName;

/// A route's path: literal segments and ones that capture.
///
/// A capture is a whole segment, its name matches `[a-z][a-z0-9_]*` and stands once in the
/// template; only the last segment may be a `{name...}`.
#[derive(Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: Box<str>,
    segments: Box<[Segment]>,
}

/// What a template has between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Matches a segment that is this text once it is decoded (RFC 3986, 2.1).
    Literal(Box<str>),
    /// Matches any one segment that isn't empty, and captures it under this name.
    Param(Box<str>),
    /// Matches all that is left, slashes and the empty text included, and captures it.
    Rest(Box<str>),
}

/// What a template captured from a path: names and decoded values, in the template's order.
pub type Captures = Vec<(Box<str>, Box<str>)>;

impl PathTemplate {
    /// The segments, in order; at least one. `/` has a single empty literal.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What it captures from a request's path, or `None` where it doesn't match.
    ///
    /// `path` is as sent: it starts with `/`, is percent-encoded and has no query. It is split at
    /// its slashes before anything is decoded, so `%2F` is part of a segment. Where what would be
    /// captured isn't UTF-8 once decoded there is no match.
    #[must_use]
    pub fn captures(&self, path: &str) -> Option<Captures> {
        self.try_captures(path).ok()
    }

    /// What [`captures`](Self::captures) gives.
    ///
    /// # Errors
    /// Where it doesn't match: the first of the path's segments, from 0, that isn't as it should
    /// be, or that is one too many or missing.
    pub fn try_captures(&self, path: &str) -> Result<Captures, usize> {
        let mut captures = Captures::new();
        let mut left = Some(path.strip_prefix('/').ok_or(0usize)?);
        for (index, segment) in self.segments.iter().enumerate() {
            let here = left.ok_or(index)?;
            let (first, after) = here
                .split_once('/')
                .map_or((here, None), |(first, after)| (first, Some(after)));
            let text = |part| decoded(part).ok_or(index);
            match segment {
                Segment::Literal(literal) if text(first)? != **literal => return Err(index),
                Segment::Literal(_) => {}
                Segment::Param(_) if first.is_empty() => return Err(index),
                Segment::Param(name) => captures.push((name.clone(), text(first)?.into())),
                Segment::Rest(name) => {
                    captures.push((name.clone(), text(here)?.into()));
                    return Ok(captures);
                }
            }
            left = after;
        }
        match left {
            None => Ok(captures),
            Some(_) => Err(self.segments.len()),
        }
    }

    /// Whether there is no path that one of the two matches and the other doesn't: they differ
    /// at most in the names of what they capture.
    #[must_use]
    pub fn indistinct(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len() && self.by_specificity(other).is_eq()
    }

    /// The order in which templates are tried: of two that match a path the lesser wins.
    ///
    /// Segment by segment from the left, a literal comes before a `{name}`, and that before a
    /// `{name...}`. Equal only where the two are [`indistinct`](Self::indistinct).
    #[must_use]
    pub fn by_specificity(&self, other: &Self) -> Ordering {
        let ranks = |template: &Self| {
            template
                .segments
                .iter()
                .map(Segment::rank)
                .collect::<Vec<_>>()
        };
        ranks(self)
            .cmp(&ranks(other))
            .then_with(|| self.literals().cmp(other.literals()))
    }

    fn literals(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(text) => Some(&**text),
            Segment::Param(_) | Segment::Rest(_) => None,
        })
    }
}

/// The text of a part of a path, or `None` where it isn't UTF-8. A `%` that begins no escape
/// stands for itself.
fn decoded(part: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(part).decode_utf8().ok()
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl FromStr for PathTemplate {
    type Err = PathTemplateError;

    fn from_str(text: &str) -> Result<Self, PathTemplateError> {
        let mut left = text.strip_prefix('/').ok_or(PathTemplateError {
            offset: 0,
            kind: Kind::NoSlash,
        })?;
        let mut segments: Vec<Segment> = Vec::new();
        loop {
            let offset = text.len() - left.len();
            let (segment, after) = left
                .split_once('/')
                .map_or((left, None), |(segment, after)| (segment, Some(after)));
            let place = |(at, kind)| PathTemplateError {
                offset: offset + at,
                kind,
            };
            let parsed = Segment::parse(segment).map_err(place)?;
            check_position(&parsed, &segments, after).map_err(|kind| place((0, kind)))?;
            segments.push(parsed);
            match after {
                Some(after) => left = after,
                None => {
                    return Ok(Self {
                        text: text.into(),
                        segments: segments.into(),
                    });
                }
            }
        }
    }
}

/// Whether a segment may stand where it does.
fn check_position(segment: &Segment, earlier: &[Segment], after: Option<&str>) -> Result<(), Kind> {
    let name = match segment {
        Segment::Literal(text) if text.is_empty() && after.is_some() => return Err(Kind::Empty),
        Segment::Literal(_) => return Ok(()),
        Segment::Rest(_) if after.is_some() => return Err(Kind::RestNotLast),
        Segment::Param(name) | Segment::Rest(name) => name,
    };
    if earlier.iter().any(|other| other.captured() == Some(name)) {
        return Err(Kind::NameTwice {
            name: name.to_string(),
        });
    }
    Ok(())
}

impl Segment {
    /// The name under which it captures.
    #[must_use]
    pub fn captured(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Param(name) | Self::Rest(name) => Some(name),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Param(_) => 1,
            Self::Rest(_) => 2,
        }
    }

    fn parse(text: &str) -> Result<Self, (usize, Kind)> {
        if let Some(at) = text.find(['{', '}']) {
            let inner = text
                .strip_prefix('{')
                .and_then(|inner| inner.strip_suffix('}'));
            return inner.map_or(Err((at, Kind::NotAWholeSegment)), Self::parse_capture);
        }
        let refused = |character: char| {
            matches!(character, '?' | '#') || character <= ' ' || character == '\u{7f}'
        };
        if let Some((at, character)) = text
            .char_indices()
            .find(|(_, character)| refused(*character))
        {
            return Err((at, Kind::Character { character }));
        }
        decoded(text)
            .map(|text| Self::Literal(text.into()))
            .ok_or((0, Kind::NotUtf8))
    }

    fn parse_capture(inner: &str) -> Result<Self, (usize, Kind)> {
        let (name, rest) = inner
            .strip_suffix("...")
            .map_or((inner, false), |name| (name, true));
        // The names of captures follow the rule for all names.
        if name.parse::<RouteName>().is_err() {
            return Err((
                0,
                Kind::Name {
                    name: name.to_owned(),
                },
            ));
        }
        Ok(if rest {
            Self::Rest(name.into())
        } else {
            Self::Param(name.into())
        })
    }
}

/// A text that is no path template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct PathTemplateError {
    offset: usize,
    kind: Kind,
}

impl PathTemplateError {
    /// Where in the text it went wrong, in bytes from its start.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("a path starts with `/`")]
    NoSlash,
    #[error("a path has no empty segment, except at its end")]
    Empty,
    #[error("`{{…}}` stands for a whole segment, as in /orders/{{id}}")]
    NotAWholeSegment,
    #[error(
        "`{{{name}}}` has no proper name: expected a lower-case letter, then lower-case letters, digits and `_`"
    )]
    Name { name: String },
    #[error("`{{{name}}}` stands twice in one path")]
    NameTwice { name: String },
    #[error("`{{name...}}` takes all that is left, so it is the last segment")]
    RestNotLast,
    #[error("a path has no {character:?}; write it percent-encoded")]
    Character { character: char },
    #[error("what is percent-encoded here is not UTF-8")]
    NotUtf8,
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::PathTemplate;

    fn template(text: &str) -> PathTemplate {
        text.parse().expect("a template")
    }

    #[track_caller]
    fn check(text: &str, path: &str, expected: Option<&[(&str, &str)]>) {
        let captures = template(text).captures(path);
        let captures: Option<Vec<_>> = captures.as_ref().map(|pairs| {
            pairs
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect()
        });
        assert_eq!(captures.as_deref(), expected, "{text} on {path}");
    }

    #[test]
    fn literals_match_themselves_only() {
        check("/orders", "/orders", Some(&[]));
        check("/orders", "/orders/", None);
        check("/orders/", "/orders/", Some(&[]));
        check("/orders", "/ORDERS", None);
        check("/orders", "/", None);
        check("/orders", "orders", None);
        check("/", "/", Some(&[]));
        check("/", "", None);
    }

    #[track_caller]
    fn check_differs(text: &str, path: &str, segment: usize) {
        let differs = template(text).try_captures(path);
        assert_eq!(differs, Err(segment), "{text} on {path}");
    }

    #[test]
    fn the_first_segment_that_differs_is_named() {
        check_differs("/orders", "/carts", 0);
        check_differs("/orders", "*", 0);
        check_differs("/orders/{id}", "/orders", 1);
        check_differs("/orders/{id}", "/orders/", 1);
        check_differs("/orders/{id}", "/orders/%FF", 1);
        check_differs("/orders/{id}", "/orders/7/items", 2);
        check_differs("/orders/{id}/items", "/orders/7/notes/1", 2);
        check_differs("/files/{path...}", "/files", 1);
    }

    #[test]
    fn escapes_are_read_on_both_sides() {
        check("/a%20b", "/a%20b", Some(&[]));
        check("/straße", "/stra%C3%9Fe", Some(&[]));
        check("/a/b", "/a%2Fb", None);
    }

    #[test]
    fn a_param_captures_one_decoded_segment() {
        check("/orders/{id}", "/orders/7", Some(&[("id", "7")]));
        check(
            "/orders/{id}",
            "/orders/a%2Fb%20c",
            Some(&[("id", "a/b c")]),
        );
        check("/orders/{id}", "/orders/", None);
        check("/orders/{id}", "/orders/7/items", None);
        check("/orders/{id}", "/orders/%FF", None);
        check("/orders/{id}", "/orders/100%", Some(&[("id", "100%")]));
        check("/{a}/x/{b}", "/1/x/2", Some(&[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn a_rest_captures_all_that_is_left() {
        check("/files/{path...}", "/files/a/b", Some(&[("path", "a/b")]));
        check("/files/{path...}", "/files/", Some(&[("path", "")]));
        check("/files/{path...}", "/files", None);
        check("/{path...}", "/", Some(&[("path", "")]));
    }

    #[track_caller]
    fn check_refused(text: &str, offset: usize, expected: &str) {
        let error = text.parse::<PathTemplate>().expect_err("no template");
        assert_eq!(
            (error.offset(), error.to_string().as_str()),
            (offset, expected),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_template_is_refused_where_it_goes_wrong() {
        check_refused("orders", 0, "a path starts with `/`");
        check_refused("/a//b", 3, "a path has no empty segment, except at its end");
        check_refused(
            "/a/{id}.json",
            3,
            "`{…}` stands for a whole segment, as in /orders/{id}",
        );
        check_refused(
            "/a/x{id}",
            4,
            "`{…}` stands for a whole segment, as in /orders/{id}",
        );
        check_refused("/{a}/{a}", 5, "`{a}` stands twice in one path");
        check_refused(
            "/{a...}/b",
            1,
            "`{name...}` takes all that is left, so it is the last segment",
        );
        check_refused("/a?b", 2, "a path has no '?'; write it percent-encoded");
        check_refused("/%FF", 1, "what is percent-encoded here is not UTF-8");
        check_refused(
            "/{Id}",
            1,
            "`{Id}` has no proper name: expected a lower-case letter, then lower-case letters, digits and `_`",
        );
    }

    #[track_caller]
    fn check_order(one: &str, other: &str, expected: Ordering) {
        assert_eq!(
            template(one).by_specificity(&template(other)),
            expected,
            "{one} and {other}"
        );
        assert_eq!(
            template(other).by_specificity(&template(one)),
            expected.reverse(),
            "{other} and {one}"
        );
        assert_eq!(
            template(one).indistinct(&template(other)),
            expected.is_eq(),
            "{one} and {other}"
        );
    }

    #[test]
    fn the_more_specific_template_is_the_lesser() {
        check_order("/orders/new", "/orders/{id}", Ordering::Less);
        check_order("/orders/{id}", "/orders/{rest...}", Ordering::Less);
        check_order("/orders/", "/orders/{rest...}", Ordering::Less);
        check_order("/orders/{id}/x", "/{any}/7/x", Ordering::Less);
        check_order("/orders/{id}", "/orders/{number}", Ordering::Equal);
        check_order("/{a...}", "/{b...}", Ordering::Equal);
        check_order("/a", "/b", Ordering::Less);
    }
}
