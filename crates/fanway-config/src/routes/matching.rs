//! `match`: which requests a route takes.

use fanway_types::{PathTemplate, PathTemplateError, Segment};
use http::Method;

use crate::check::{Check, Finding};
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::{found, has_reference, scalar};
use crate::problem::Code;
use crate::value::{FromText, Refusal};
use crate::yaml::{Node, Span, Value};

/// The first segment of what Fanway itself answers.
const RESERVED: &str = "fanway";

/// What a route matches, and where that is written.
#[derive(Clone)]
pub(super) struct Match {
    pub(super) method: Option<Method>,
    pub(super) path: PathTemplate,
    pub(super) span: Span,
}

/// A method, or any.
struct AnyOr(Option<Method>);

impl FromText for AnyOr {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        match text {
            "*" => Ok(Self(None)),
            text => Method::from_text(text, kind).map(|method| Self(Some(method))),
        }
    }
}

pub(crate) static SECTION: Section = Section {
    about: "The requests that a route takes.",
    elsewhere: &[
        ("host", "matching by host is not in this release"),
        ("headers", "matching by header is not in this release"),
        (
            "media_type",
            "matching by media type is not in this release",
        ),
    ],
    keys: &[
        Key {
            name: "method",
            kind: Kind::Method,
            default: Default::Is("*"),
            about: "The method, in capitals, or `*` for any.",
        },
        Key {
            name: "path",
            kind: Kind::PathTemplate,
            default: Default::Required,
            about: "The path, such as `/orders/{id}`.",
        },
    ],
};

pub(super) fn read(fields: &Fields<'_>, name: &'static str) -> Option<Match> {
    let entry = fields.required(name)?;
    let check = fields.check;
    let read = match &entry.node.value {
        Value::Mapping(_) => Fields::read(check, &entry.node, &SECTION, read_parts),
        Value::Scalar(_) | Value::Sequence(_) => read_line(check, &entry.node),
    }?;
    if matches!(read.path.segments().first(), Some(Segment::Literal(text)) if **text == *RESERVED) {
        let message = "paths below /fanway/ are reserved: Fanway itself answers there".to_owned();
        check.report(Finding::new(Code::Fit, read.span, message));
        return None;
    }
    Some(read)
}

fn read_parts(fields: &Fields<'_>) -> Option<Match> {
    let method = fields.value("method");
    let entry = fields.required("path")?;
    let text: String = scalar(fields.check, &entry.node, &Kind::PathTemplate)?;
    let path = path_of(fields.check, &entry.node, &text, 0)?;
    let AnyOr(method) = method?;
    Some(Match {
        method,
        path,
        span: entry.node.span,
    })
}

/// Reads `POST /orders/{id}`.
fn read_line(check: &Check<'_>, node: &Node) -> Option<Match> {
    let text: String = scalar(check, node, &Kind::Match)?;
    let mut words = text.split_whitespace();
    let (Some(method), Some(path), None) = (words.next(), words.next(), words.next()) else {
        return refuse(check, node);
    };
    let Ok(AnyOr(method)) = AnyOr::from_text(method, &Kind::Method) else {
        return refuse(check, node);
    };
    let offset = text
        .rfind(path)
        .expect("the path is one of the text's words");
    let path = path_of(check, node, path, offset)?;
    Some(Match {
        method,
        path,
        span: node.span,
    })
}

fn refuse<T>(check: &Check<'_>, node: &Node) -> Option<T> {
    let message = format!(
        "expected {}, found {}",
        Kind::Match.words(),
        found(check, node)
    );
    let finding = Finding::new(Code::Value, node.span, message);
    check.report(finding.hint("methods are in capitals, and the path starts with `/`"));
    None
}

/// The template that stands at `offset` of a scalar.
fn path_of(check: &Check<'_>, node: &Node, path: &str, offset: usize) -> Option<PathTemplate> {
    let report = |error: PathTemplateError| {
        // Where something was put in, offsets are those of another text, and the error may quote it.
        let (place, message) = if has_reference(node) {
            (node.span, "what stands here for a path is none".to_owned())
        } else {
            let place = check.place_within(node, offset + error.offset());
            (place, error.to_string())
        };
        check.report(Finding::new(Code::Value, place, message));
    };
    path.parse().map_err(report).ok()
}
