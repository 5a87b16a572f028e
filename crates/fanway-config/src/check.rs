//! One check of one file: what was found, what must not be shown, and the file to show it in.

use std::cell::RefCell;

use crate::environment::Environment;
use crate::problem::{Code, Excerpt, Place, Problem};
use crate::yaml::{Node, Span, Value, locate};

/// Something found, before it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    code: Code,
    span: Span,
    message: String,
    hint: Option<String>,
    also: Option<(Span, &'static str)>,
}

impl Finding {
    pub(crate) fn new(code: Code, span: Span, message: String) -> Self {
        Self {
            code,
            span,
            message,
            hint: None,
            also: None,
        }
    }

    /// With what might help.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// With a second place that has to do with it.
    pub(crate) fn also(self, span: Span, label: &'static str) -> Self {
        Self {
            also: Some((span, label)),
            ..self
        }
    }
}

/// The state of a check. What reads sections shares it.
pub(crate) struct Check<'e> {
    pub(crate) environment: &'e dyn Environment,
    file: String,
    lines: Vec<String>,
    errors: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
    hidden: RefCell<Vec<Span>>,
}

impl<'e> Check<'e> {
    pub(crate) fn new(file: &str, text: &str, environment: &'e dyn Environment) -> Self {
        Self {
            environment,
            file: file.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            errors: RefCell::default(),
            warnings: RefCell::default(),
            hidden: RefCell::default(),
        }
    }

    /// Notes an error.
    pub(crate) fn report(&self, finding: Finding) {
        self.errors.borrow_mut().push(finding);
    }

    /// Notes something that is allowed and yet probably not meant.
    pub(crate) fn warn(&self, finding: Finding) {
        self.warnings.borrow_mut().push(finding);
    }

    /// Sees to it that neither message nor excerpt shows what stands there.
    pub(crate) fn hide(&self, span: Span) {
        self.hidden.borrow_mut().push(span);
    }

    /// Whether messages and excerpts must not show what stands there.
    pub(crate) fn is_hidden(&self, span: Span) -> bool {
        self.hidden.borrow().contains(&span)
    }

    /// Sees to it that no excerpt shows anything of a line.
    pub(crate) fn hide_line(&self, line: usize) {
        self.hide(Span {
            line,
            column: 1,
            end_line: line + 1,
            end_column: 1,
        });
    }

    /// Whether an error has been noted.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// The lines with their numbers.
    pub(crate) fn numbered_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.lines.iter().map(String::as_str))
    }

    /// The text of a line, counted from 1.
    fn line(&self, line: usize) -> &str {
        self.lines
            .get(line.wrapping_sub(1))
            .map_or("", String::as_str)
    }

    /// The place of a byte of a scalar's text, or else where the scalar begins.
    pub(crate) fn place_within(&self, node: &Node, offset: usize) -> Span {
        match &node.value {
            Value::Scalar(scalar) => {
                locate(&self.lines, node.span, scalar, offset).unwrap_or(node.span)
            }
            Value::Sequence(_) | Value::Mapping(_) => node.span,
        }
    }

    /// The place of a stretch of a scalar's text; both ends are bytes, and lie on one line.
    pub(crate) fn place_between(&self, node: &Node, from: usize, to: usize) -> Span {
        let first = self.place_within(node, from);
        let last = self.place_within(node, to - 1);
        Span {
            end_line: last.end_line,
            end_column: last.end_column,
            ..first
        }
    }

    /// Errors and warnings as they are shown, each in the order of the file.
    pub(crate) fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        let shown = |findings: &RefCell<Vec<Finding>>| {
            let mut findings = findings.take();
            findings.sort_by_key(|finding| finding.span);
            // What stands behind an alias is read once for each place where it is used.
            findings.dedup();
            findings
                .into_iter()
                .map(|finding| self.show(finding))
                .collect()
        };
        (shown(&self.errors), shown(&self.warnings))
    }

    fn show(&self, finding: Finding) -> Problem {
        let first = self.excerpt(finding.span, "");
        let second = finding.also.map(|(span, label)| self.excerpt(span, label));
        let excerpts = std::iter::once(first).chain(second).collect();
        Problem::at(
            finding.code,
            &self.file,
            finding.message,
            finding.hint,
            excerpts,
        )
    }

    fn excerpt(&self, span: Span, label: &'static str) -> Excerpt {
        let length = self.line(span.line).chars().count();
        let end = if span.end_line == span.line {
            span.end_column
        } else {
            length + 1
        };
        Excerpt {
            place: Place {
                line: span.line,
                column: span.column,
            },
            line: self.shown_line(span.line),
            width: end.saturating_sub(span.column),
            label,
        }
    }

    /// A line with stars for what is hidden.
    fn shown_line(&self, line: usize) -> String {
        let hidden = self.hidden.borrow();
        let is_hidden = |column: usize| {
            let at = (line, column);
            hidden
                .iter()
                .any(|span| at >= (span.line, span.column) && at < (span.end_line, span.end_column))
        };
        let characters = self.line(line).chars().enumerate();
        let star = |(index, character): (usize, char)| {
            if !character.is_whitespace() && is_hidden(index + 1) {
                '*'
            } else {
                character
            }
        };
        characters.map(star).collect()
    }
}
