//! A step's body: the program that makes it, its form, and how it is compressed.

use fanway_types::{BodyFormat, ContentCoding};
use http::Method;

use super::names::Templates;
use super::steps::program;
use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::Kind;
use crate::problem::Code;
use crate::value::{FromText, Refusal};

/// What a step sends as its body.
pub(super) struct Body {
    pub(super) program: Option<String>,
    pub(super) format: BodyFormat,
    /// Whether nothing is sent.
    pub(super) bodiless: bool,
    pub(super) compress: Option<ContentCoding>,
}

impl FromText for BodyFormat {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let mut all = Self::ALL.into_iter();
        all.find(|word| word.as_str() == text)
            .ok_or(Refusal::Unexpected)
    }
}

impl FromText for ContentCoding {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let mut all = Self::ALL.into_iter();
        all.find(|word| word.as_str() == text)
            .ok_or(Refusal::Unexpected)
    }
}

/// Reads `body`, `format` and `compress` of a step that sets these headers.
pub(super) fn read(
    fields: &Fields<'_>,
    method: Option<&Method>,
    headers: Option<&Templates>,
) -> Option<Body> {
    let program = fields.expression("body", program);
    let format: Option<BodyFormat> = fields.value("format");
    let compress: Option<Option<ContentCoding>> = fields.optional("compress");
    let makes_none = matches!(program, Some(None));
    let bodiless = makes_none && method.is_some_and(is_bodiless);
    let sets = |name| headers.is_some_and(|headers| headers.iter().any(|(set, _)| set == name));
    let mut fits = true;
    let mut refuse = |key, message: &str| {
        if let Some(entry) = fields.entry(key) {
            let finding = Finding::new(Code::Fit, entry.key_span, message.to_owned());
            fields.check.report(finding);
            fits = false;
        }
    };
    if makes_none {
        refuse("format", "`format` says nothing without `body`");
    }
    if format == Some(BodyFormat::Multipart) && sets("content-type") {
        let message =
            "the `content-type` of a multipart body names its boundary, so `headers` can't set it";
        refuse("format", message);
    }
    if sets("content-encoding") {
        refuse(
            "compress",
            "`compress` sets `content-encoding`, and so do `headers`",
        );
    }
    if bodiless {
        refuse(
            "compress",
            "there is no body: a request of this method has one only where `body` makes it",
        );
    }
    let body = Body {
        program: program?,
        format: format?,
        bodiless,
        compress: compress?,
    };
    fits.then_some(body)
}

/// Whether requests of a method have no content, unless somebody knows better (RFC 9110, 9.3.1, 9.3.2,
/// 9.3.5, 9.3.8).
fn is_bodiless(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::DELETE | Method::TRACE
    )
}
